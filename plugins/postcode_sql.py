"""Add the SQL functions `normalise_postcode`, `postcode_problem` and `postcode_look_alikes`.

normalise_postcode(text): the postcode as ONS writes it ("SW1A 1AA"), null where the text is not the form of one.
postcode_problem(text): null where the text has the form of a postcode, otherwise the reason why not.
postcode_look_alikes(text): the forms of a postcode that one swap of letters and digits that look alike makes of the
text, as a JSON list for `json_each`; which of them are postcodes, the table says.

Put them on the parameter, never on the column: `where postcode = normalise_postcode(:postcode)` uses the key.
"""

import sqlite3

from datasette import hookimpl

from census.domain import postcode


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    for name, function in postcode.FUNCTIONS.items():
        conn.create_function(name, 1, function, deterministic=True)
