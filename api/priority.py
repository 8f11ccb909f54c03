"""Whose turn it is when there are more threads than processors."""

import contextlib
import os
import sys
import threading


def give_way() -> None:
    """From now on the calling thread runs when nobody else wants a processor (on Linux; elsewhere nothing changes)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
