"""Add the SQL function `number_between`: a number that a visitor typed.

number_between(text, least, most): the number in the text, written as in JSON with or without spaces around, if it is
within the two; otherwise null.
"""

import sqlite3

from datasette import hookimpl

from census.domain.numbers import number_between


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("number_between", 3, number_between, deterministic=True)
