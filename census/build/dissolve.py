"""Dissolve small areas into larger ones."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import shapely
    from numpy import object_
    from numpy.typing import NDArray


Polygons = list[list[list[tuple[int, int]]]]
"""Polygons of an area: lists of rings, the outer one first, of points in steps of 0.0001 degree."""


def dissolve(polygons: Polygons, within: Callable[[float, float, float, float], Iterable[Polygons]]) -> Polygons:
    """Return the union of `polygons`, without the holes in which no other area lies: gaps, lochs and lakes.

    within: gives the other areas that lie in a box (west, south, east, north). Raises ImportError without Shapely,
    which only a build has.
    """
    import shapely

    def of_rings(parts: Polygons) -> "NDArray[object_]":
        valid: NDArray[object_] = shapely.make_valid([shapely.Polygon(outer, holes) for outer, *holes in parts])
        return valid

    def is_kept(hole: "shapely.LinearRing") -> bool:
        ground = shapely.Polygon(hole)
        return any(
            ground.contains(shapely.union_all(of_rings(other)).point_on_surface()) for other in within(*hole.bounds)
        )

    union = [part for part in shapely.get_parts(shapely.union_all(of_rings(polygons))) if part.geom_type == "Polygon"]
    return [
        [list(part.exterior.coords), *(list(hole.coords) for hole in part.interiors if is_kept(hole))] for part in union
    ]
