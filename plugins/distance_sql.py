"""Add the SQL function `distance_m`: metres between two points.

distance_m(latitude, longitude, latitude, longitude): metres between two points given in degrees (WGS 84), along a great
circle of a sphere with the Earth's mean radius: right to half a per cent. Null where any of them is null or no number.
"""

import sqlite3

from datasette import hookimpl

from census.domain.distance import distance_m


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("distance_m", 4, distance_m, deterministic=True)
