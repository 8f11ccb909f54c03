"""Measure the distance between two points."""

from math import asin, cos, radians, sin, sqrt

EARTH_M = 6_371_008.8  # mean radius R1, Moritz, Geodetic Reference System 1980

Degrees = float | str | None


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
