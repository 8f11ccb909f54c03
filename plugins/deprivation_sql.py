"""Add the SQL function `imd_quantile`: the band of a rank.

imd_quantile(index_id, rank, q): the band from 1 (most deprived) to q of a rank of that index, as its publisher cuts
them; null for an unknown index, for what is not a rank of it, and for a q that is not 2 to 100.

`select imd_quantile('wales_2019', imd_rank, 3) from imd_wales_2019` gives thirds.
"""

import sqlite3

from datasette import hookimpl

from census.schema.indices import imd_quantile


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("imd_quantile", 3, imd_quantile, deterministic=True)
