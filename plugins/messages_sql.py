"""Add the SQL function `explain`: the sentences that answers give, see census/lookup/messages.py.

explain(reason, …): the sentence of that reason with its details; null where a detail that it needs is null.

`select explain('retired', 'M1 1AA', '2019-04')` says that a postcode was retired.
"""

import sqlite3

from datasette import hookimpl

from census.lookup import messages


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("explain", -1, messages.explain_in_sql, deterministic=True)
