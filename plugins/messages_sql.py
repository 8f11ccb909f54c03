"""Add the SQL functions `explain` and `sentences`: what answers say, see census/lookup/messages.py.

explain(reason, details): the sentence of that reason with its details, as many as it has; null where one that it needs
is null. `explain('retired', 'M1 1AA', '2019-04')` says that a postcode was retired.
sentences(text, text): the texts as one, with spaces between, as many as there are; null where all are null.
"""

import sqlite3

from datasette import hookimpl

from census.lookup import messages


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    for name, function in messages.FUNCTIONS.items():
        conn.create_function(name, -1, function, deterministic=True)
