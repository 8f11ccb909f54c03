"""Set thread priority: which thread goes first when there are more of them than processors."""

import contextlib
import os
import sys
import threading

STEPS = 5  # of niceness, a third of the processor's share; a thread that got none would keep what it holds from others


def lower_thread_priority() -> None:
    """Lower the priority of the calling thread (on Linux; elsewhere nothing changes)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + STEPS)
