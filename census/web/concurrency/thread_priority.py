"""Whose turn it is when there are more threads than processors."""

import contextlib
import os
import sys
import threading

STEPS = 5  # of niceness, a third of the processor's share; a thread that got none would keep what it holds from others


def give_way() -> None:
    """Give the calling thread a smaller share of a busy processor (on Linux; elsewhere nothing changes)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + STEPS)
