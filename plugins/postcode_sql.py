"""Add the SQL functions `normalise_postcode` and `postcode_problem`.

normalise_postcode(text): the postcode as ONS writes it ("SW1A 1AA"), null where the text is not the form of one.
postcode_problem(text): null where the text has the form of a postcode, otherwise the reason why not.

Put them on the parameter, never on the column: `where postcode = normalise_postcode(:postcode)` uses the key.
"""

import sqlite3

from datasette import hookimpl

from sources import postcode


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("normalise_postcode", 1, postcode.normalise, deterministic=True)
    conn.create_function("postcode_problem", 1, postcode.problem, deterministic=True)
