"""SQL function for the distance between two points, usable in anyone's SQL.

distance_m(latitude, longitude, latitude, longitude): metres between two points given in degrees (WGS 84), along a great
circle of a sphere with the Earth's mean radius: right to half a per cent. Null where any of them is null or no number.
"""

from math import asin, cos, radians, sin, sqrt

from datasette import hookimpl

EARTH_M = 6_371_008.8  # mean radius R1, Moritz, Geodetic Reference System 1980


@hookimpl
def prepare_connection(conn):
    conn.create_function("distance_m", 4, distance_m, deterministic=True)


def distance_m(latitude_1, longitude_1, latitude_2, longitude_2) -> float | None:
    """Metres between two points in degrees, by the haversine formula."""
    try:
        a, b, c, d = (radians(float(x)) for x in (latitude_1, longitude_1, latitude_2, longitude_2))
        inside = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    except (TypeError, ValueError):  # no number, or infinite
        return None
    return 2 * EARTH_M * asin(min(1, sqrt(max(0, inside))))
