"""Keep postcodes, queries and parameters out of the logs.

To the people who look one up, a postcode is personal data. Datasette's command line has no option for any of this, so
the places that would write one are silenced by name: uvicorn's access log, the SQL and parameters of a failing query,
the message of an error in mid-CSV, and the local variables and messages of exceptions. What is left of an exception is
its type and where it was raised.
"""

import logging
import os
import sqlite3
import sys
import traceback
from types import SimpleNamespace

import datasette.handle_exception
import datasette.views.base
from datasette.app import Datasette
from datasette.database import Database

NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, for as long as the server runs


def apply() -> None:
    """Silence what would write a request's contents to a log. A second call changes nothing."""
    access = logging.getLogger("uvicorn.access")
    if _nothing not in access.filters:
        access.addFilter(_nothing)  # a filter survives uvicorn's own logging set-up, a level or handler does not
    errors = logging.getLogger("uvicorn.error")
    if _without_exception not in errors.filters:
        errors.addFilter(_without_exception)
    for execute in (Database.execute, Datasette.execute):
        names = execute.__code__.co_varnames[: execute.__code__.co_argcount]
        defaults = list(execute.__defaults__)
        defaults[names.index("log_sql_errors") - len(names)] = False
        execute.__defaults__ = tuple(defaults)
    sqlite3.enable_callback_tracebacks(False)  # they have the message of an error in an SQL function
    datasette.views.base.sys = SimpleNamespace(stderr=NOWHERE)
    datasette.handle_exception.rich = None  # it would print every local variable, also for a 404
    datasette.handle_exception.traceback = SimpleNamespace(print_exc=print_where)


def print_where() -> None:
    """Print the type of the exception being handled and the places it came through, but not its message."""
    type_, _, place = sys.exc_info()
    if type_ is not None:
        print("".join(traceback.format_tb(place)) + type_.__name__, file=sys.stderr)


def _without_exception(record: logging.LogRecord) -> bool:
    if record.exc_info:
        kind = record.exc_info[0]  # None where there is no exception to log
        record.msg, record.args = f"{record.msg} ({kind.__name__ if kind else None})", None
        record.exc_info = record.exc_text = None
    return True


def _nothing(_: logging.LogRecord) -> bool:
    return False
