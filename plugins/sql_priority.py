"""Lets the threads that run SQL for Datasette yield to the one that answers requests.

Three of them in anyone's slow SQL would otherwise keep every other answer waiting: for a processor (on Linux they now
run when nobody else wants it) and for Python's lock, which each look at the clock takes.
"""

import contextlib
import threading
import time

import datasette.database
from datasette import hookimpl

from api.priority import give_way

STEPS = 100_000  # of SQLite's machine, some milliseconds, between two looks at the clock


@hookimpl
def startup():
    datasette.database.sqlite_timelimit = time_limit


@contextlib.contextmanager
def time_limit(connection, ms: int):
    """Stops what runs on `connection` after `ms` milliseconds, like Datasette's own, which looks every 1,000 steps.

    Each look needs Python's one lock. Threads that take it so often leave it to each other, and to nobody else.
    """
    deadline = time.monotonic() + ms / 1000
    steps = STEPS if ms >= 100 else 1000
    connection.set_progress_handler(lambda: time.monotonic() > deadline, steps)
    try:
        yield
    finally:
        connection.set_progress_handler(None, steps)


@hookimpl
def prepare_connection():
    # Datasette opens a connection in each thread that will use it.
    if threading.current_thread() is not threading.main_thread():
        give_way()
