"""Bound what SQL may do on the connections of the server itself; see census/web/sql/sandbox.py."""

import sqlite3
import threading

from datasette import hookimpl

from census.web.concurrency.thread_priority import give_way
from census.web.sql import sandbox


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str | None) -> None:
    # Datasette opens a connection in each thread that will use it.
    if threading.current_thread() is not threading.main_thread():
        give_way()
    if database == "census":  # Datasette writes to its own, `_internal`
        sandbox.prepare(conn)
