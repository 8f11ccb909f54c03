"""Add the SQL function `distance_m`: metres between two points.

distance_m(latitude, longitude, latitude, longitude): metres between two points given in degrees (WGS 84), along a great
circle of a sphere with the Earth's mean radius: right to half a per cent. Null where any of them is null or no number.
"""

import sqlite3
from math import asin, cos, radians, sin, sqrt

from datasette import hookimpl

EARTH_M = 6_371_008.8  # mean radius R1, Moritz, Geodetic Reference System 1980

Degrees = float | str | None


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    conn.create_function("distance_m", 4, distance_m, deterministic=True)


def distance_m(latitude_1: Degrees, longitude_1: Degrees, latitude_2: Degrees, longitude_2: Degrees) -> float | None:
    """Return metres between two points in degrees, by the haversine formula."""
    try:
        a, b, c, d = (_radians(x) for x in (latitude_1, longitude_1, latitude_2, longitude_2))
        inside = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    except (TypeError, ValueError):  # no number, or infinite
        return None
    return 2 * EARTH_M * asin(min(1, sqrt(max(0, inside))))


def _radians(degrees: Degrees) -> float:
    if degrees is None:
        raise TypeError("null is no number")
    return radians(float(degrees))
