"""Pack the boundaries of areas, and unpack them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypedDict

import orjson

from census.domain.types import Record

STEPS = 10_000  # of a degree


Box = tuple[int, int, int, int]
"""West, east, south and north, in steps of 0.0001 degree."""


class Geometry(TypedDict):
    """A MultiPolygon of GeoJSON, in degrees."""

    type: str
    coordinates: list[list[list[tuple[float, float]]]]


def packed(geometry: Record | None) -> bytes | None:
    """Return the shape of a GeoJSON Polygon or MultiPolygon in WGS 84, or None where this precision leaves nothing."""
    if geometry is None or geometry["type"] not in ("Polygon", "MultiPolygon"):
        return None
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    shape = []
    for polygon in parts:
        rings = [ring for ring in map(_ring, polygon) if ring]
        if rings and _ring(polygon[0]):
            shape.append(rings)
    return orjson.dumps(shape) if shape else None


def _ring(points: Iterable[Sequence[float]]) -> list[int]:
    """Return the ring in steps, each point from the one before it; empty where fewer than three points are left."""
    flat: list[int] = []
    before = None
    for longitude, latitude, *_ in points:
        at = round(longitude * STEPS), round(latitude * STEPS)
        if at != before:
            flat += at if before is None else (at[0] - before[0], at[1] - before[1])
            before = at
    return flat if len(flat) >= 8 else []


def polygons(shape: str | bytes) -> Iterator[list[list[tuple[int, int]]]]:
    """Yield the polygons of a shape: lists of rings of (longitude, latitude) in steps of 0.0001 degree, closed."""
    for polygon in orjson.loads(shape):
        yield [list(zip(accumulate(ring[::2]), accumulate(ring[1::2]), strict=True)) for ring in polygon]


def bounds(shape: str | bytes) -> Box:
    """Return west, east, south and north of a shape, in steps of 0.0001 degree."""
    points = [point for polygon in polygons(shape) for point in polygon[0]]
    across, up = zip(*points, strict=True)
    return min(across), max(across), min(up), max(up)


def geojson(shape: bytes) -> Geometry:
    """Return a shape as a MultiPolygon of GeoJSON, in degrees."""
    coordinates = [[[(x / STEPS, y / STEPS) for x, y in ring] for ring in polygon] for polygon in polygons(shape)]
    return {"type": "MultiPolygon", "coordinates": coordinates}
