"""Add the SQL function `imd_quantile`: the band of a rank.

imd_quantile(index_id, rank, q): the band from 1 (most deprived) to q of a rank of that index, as its publisher cuts
them; null for an unknown index, for what is not a rank of it, and for a q that is not 2 to 100.

`select imd_quantile('wales_2019', imd_rank, 3) from imd_wales_2019` gives thirds.
"""

import sqlite3

from datasette import hookimpl

from census.domain.bands import quantile
from sources import registry

INDICES = {p.index.id: p.index for p in registry.publications() if p.index}


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("imd_quantile", 3, imd_quantile, deterministic=True)


def imd_quantile(index_id: str | None, rank: float | None, q: int | None) -> int | None:
    """Return the band of `rank` among `q`, None where there is none. Parameters of a web query are text: '5' is 5."""
    index = None if index_id is None else INDICES.get(index_id)
    try:
        bands = _number(q)
        if index is None or bands != int(bands):
            return None
        return quantile(index, _number(rank), int(bands))
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: float | str | None) -> float:
    if not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    return float(value)
