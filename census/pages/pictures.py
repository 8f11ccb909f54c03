"""Pictures of areas in the colours of their deciles, as SVG, drawn on the server from the boundaries of the map.

They need no JavaScript: the browser shows name and decile of the area at the pointer, and the picture's text says in
words what it shows. Every point is rounded to the same grid, so that neighbours meet.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from markupsafe import Markup, escape

from census.domain.map_layers import OUTLINES
from census.domain.shapes import STEPS
from census.lookup import places
from census.lookup.areas import NamedDecile, deciles_of
from census.lookup.authorities import AuthorityShare
from census.lookup.indices import Index
from census.lookup.maps import Maps, Shape
from census.lookup.places import ListedArea, Place
from census.pages import charts
from census.pages.reader import Credits, Reader

SIZE = 900  # the longer side of a picture, in units of the drawing
NEAR = 420  # and of one of an area's surroundings
LEAST = 70  # steps of 0.0001 degree: an area's surroundings are shown this far at least, some 800 m
WIDTHS = (2.2, 1.6, 1.15)  # a picture of surroundings is this many times as wide as the area,
MOST = 60  # the first of them in which there are no more areas than this
MANY = 1500  # points of surroundings: where there are more, they are drawn on a coarser grid

SHARES = {"d1": 0.3, "d3": 0.2, "d5": 0.1, "d8": 0.0001}
"""The colour of a share of areas in the most deprived tenth: from this share on; d10 for none."""


@dataclass(frozen=True)
class View:
    """What part of the Earth a picture shows: west and north edges (Mercator), units a degree, width and height."""

    west: float
    north: float
    scale: float
    width: int
    height: int

    @staticmethod
    def of(west: float, east: float, south: float, north: float, size: int) -> "View":
        """Return the view of a box, in steps of 0.0001 degree, whose longer side has `size` units."""
        across, up = max(east - west, 1), max(mercator(north) - mercator(south), 1)
        scale = size / max(across, up)
        return View(west, mercator(north), scale, math.ceil(across * scale), math.ceil(up * scale))

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return where a point (longitude and latitude in steps) is in the drawing."""
        return round((x - self.west) * self.scale), round((self.north - mercator(y)) * self.scale)


@lru_cache(maxsize=1 << 17)
def mercator(y: float) -> float:
    """Return the height of a latitude in steps, by Mercator's projection, in steps of longitude at the equator."""
    return math.degrees(math.asinh(math.tan(math.radians(y / STEPS)))) * STEPS


def path(shape: Shape, view: View, margin: int | None = None) -> str:
    """Return a shape as the `d` of an SVG path, of whole units.

    margin: what lies further outside the view is cut off.
    """
    drawn = []
    for polygon in shape.polygons:
        for ring in polygon:
            points: Sequence[tuple[int, int]] = [view.at(*point) for point in ring]
            if margin is not None:
                points = clipped(points, -margin, -margin, view.width + margin, view.height + margin)
            if ring_drawn := _ring(points):
                drawn.append(ring_drawn)
    return "".join(drawn)


def _ring(points: Iterable[tuple[int, int]]) -> str:
    """Return a closed ring: absolute to its first point, relative from there. Empty where it has no surface."""
    kept: list[tuple[int, int]] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and _straight(kept[-2], kept[-1], point):
            kept.pop()
            if point == kept[-1]:
                continue
        kept.append(point)
    if len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    if len(kept) < 3:
        return ""
    (x, y), text = kept[0], [f"M{kept[0][0]} {kept[0][1]}l"]
    for at_x, at_y in kept[1:]:
        for step in (at_x - x, at_y - y):
            text.append(f" {step}" if step >= 0 and text[-1][-1].isdigit() else str(step))
        x, y = at_x, at_y
    return "".join(text) + "z"


def _straight(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) == (b[1] - a[1]) * (c[0] - a[0])


def clipped(
    points: Sequence[tuple[int, int]], left: int, top: int, right: int, bottom: int
) -> Sequence[tuple[int, int]]:
    """Return the part of a ring within a box (Sutherland and Hodgman's way); empty where there is none."""
    for axis, edge, sign in ((0, left, 1), (0, right, -1), (1, top, 1), (1, bottom, -1)):
        kept: list[tuple[int, int]] = []
        before = points[-1] if points else None
        for point in points:
            inside = sign * (point[axis] - edge) >= 0
            if before is not None and inside != (sign * (before[axis] - edge) >= 0):
                part = (edge - before[axis]) / (point[axis] - before[axis])
                other = round(before[1 - axis] + part * (point[1 - axis] - before[1 - axis]))
                kept.append((edge, other) if axis == 0 else (other, edge))
            if inside:
                kept.append(point)
            before = point
        points = kept
    return points


def box(shapes: Iterable[Shape]) -> tuple[int, int, int, int]:
    """Return west, east, south and north of shapes, in steps."""
    points = [point for shape in shapes for polygon in shape.polygons for point in polygon[0]]
    across, up = zip(*points, strict=True)
    return min(across), max(across), min(up), max(up)


def svg(id_: str, view: View, title: str, description: str, inner: str) -> Markup:
    """Return a picture with its title and description as its alternative; `inner` is SVG."""
    return Markup(
        f'<svg class="picture" viewBox="0 0 {view.width} {view.height}" role="img"'
        f' aria-labelledby="{id_}-title {id_}-text"><title id="{id_}-title">{escape(title)}</title>'
        f'<desc id="{id_}-text">{escape(description)}</desc>{inner}</svg>'
    )


def groups(drawn: Iterable[tuple[str, str, str]]) -> str:
    """Return paths, each with a class, its `d` and its title, as one group a class."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for class_, d, title in drawn:
        if d:
            by_class[class_].append(f'<path d="{d}"><title>{escape(title)}</title></path>')
    return "".join(f'<g class="{class_}">{"".join(paths)}</g>' for class_, paths in sorted(by_class.items()))


def of_place(reader: Reader, place: Place, index: Index, sources: Credits) -> Markup | None:
    """Draw the areas of a place in an index; None without a map. Adds the publishers of boundaries to `sources`."""
    if reader.maps is None:
        return None
    sources.add_boundaries(index.geography, index.nation)
    areas = places.areas_of(reader.lookup, place, index)
    return of_areas(reader.maps, index, areas, place.name or place.code)


def surroundings(
    reader: Reader,
    index: Index,
    code: str,
    name: str,
    sources: Credits,
    at: tuple[float | None, float | None] = (None, None),
) -> Markup | None:
    """Draw an area and those around it in an index; None without a map.

    Adds the publishers of boundaries to `sources`. at: latitude and longitude to mark, in degrees.
    """
    if reader.maps is None:
        return None
    sources.add_boundaries(index.geography, index.nation)
    return around(reader.maps, index, code, partial(deciles_of, reader.lookup, index=index), at, name)


def of_areas(maps: Maps, index: Index, areas: Sequence[ListedArea], name: str) -> Markup | None:
    """Return the areas of a place by decile. None where no boundary of them is known."""
    by_code = {area.code: area for area in areas}
    shapes = maps.shapes(index.geography, by_code)
    if not shapes:
        return None
    view = View.of(*box(shapes), SIZE)
    counts = [sum(area.decile == n for area in areas) for n in charts.DECILES]
    listed = ", ".join(f"{count:,} in decile {n}" for n, count in zip(charts.DECILES, counts, strict=True) if count)
    drawn = ((by_code[shape.code], shape) for shape in shapes)
    return svg(
        f"picture-{index.id}",
        view,
        f"{name}: {index.title}",
        f"Its {len(shapes):,} areas, the darker, the more deprived: {listed}. 1 is the most deprived.",
        groups((f"d{area.decile}", path(shape, view), title_of(area)) for area, shape in drawn),
    )


def of_authorities(maps: Maps, shares: Sequence[AuthorityShare], today: dict[str, str]) -> Markup | None:
    """Return the local authorities by the share of their areas that are in the most deprived tenth of their nation.

    today: the code that an authority's boundary has to today's.
    """
    by_code = {share.code: share for share in shares}
    shapes = [shape for shape in maps.shapes(OUTLINES, today) if today[shape.code] in by_code]
    if not shapes:
        return None
    view = View.of(*box(shapes), SIZE)
    drawn = []
    for shape in shapes:
        own = by_code[today[shape.code]]
        class_ = next((class_ for class_, from_ in SHARES.items() if own.share >= from_), "d10")
        text = f"{own.most:,} of {own.areas:,} areas in the most deprived tenth of {own.nation}"
        drawn.append((class_, path(shape, view), f"{own.name or own.code}: {text}"))
    return svg(
        "picture",
        view,
        "Local authorities by the share of their areas in the most deprived tenth of their nation",
        f"{len(shapes):,} local authorities; the darker, the larger the share. The list has every number.",
        groups(drawn),
    )


def title_of(area: ListedArea | NamedDecile) -> str:
    """Return the title of an area."""
    return f"{area.name or area.code}: decile {area.decile}"


def around(
    maps: Maps,
    index: Index,
    code: str,
    deciles: Callable[[list[str]], list[NamedDecile]],
    at: tuple[float | None, float | None],
    name: str,
) -> Markup | None:
    """Return an area of `index`, outlined, and those around it, by decile. None where its boundary is not known.

    deciles: takes codes, returns name and decile of those that the index has. at: latitude and longitude to mark.
    """
    outline = maps.shapes(index.geography, [code])
    if not outline:
        return None
    [own] = outline
    west, east, south, north = box(outline)
    latitude, longitude = at
    if latitude is not None and longitude is not None:
        x, y = round(longitude * STEPS), round(latitude * STEPS)
        west, east, south, north = min(west, x), max(east, x), min(south, y), max(north, y)
    middle = (west + east) / 2, (south + north) / 2
    flat = math.cos(math.radians(middle[1] / STEPS))
    for width in WIDTHS:
        reach = max(LEAST, width / 2 * max((east - west) * flat, north - south))
        edges = middle[0] - reach / flat, middle[0] + reach / flat, middle[1] - reach, middle[1] + reach
        if maps.count_around(index.geography, *map(round, edges)) <= MOST:
            break
    shapes = maps.around(index.geography, *map(round, edges))
    areas = {area.code: area for area in deciles([shape.code for shape in shapes])}
    points = sum(len(ring) for shape in shapes for polygon in shape.polygons for ring in polygon)
    size = NEAR if points <= MANY else NEAR // 2 if points <= 2 * MANY else NEAR // 4
    view = View.of(*edges, size)
    inner = groups(
        (f"d{areas[shape.code].decile}", path(shape, view, size // 20), title_of(areas[shape.code]))
        if shape.code in areas
        else ("other", path(shape, view, size // 20), f"{shape.code}: of another nation")
        for shape in shapes
    )
    inner += f'<path class="own" d="{path(own, view, size // 20)}"/>'
    if latitude is not None and longitude is not None:
        x, y = view.at(longitude * STEPS, latitude * STEPS)
        inner += f'<circle class="here" cx="{x}" cy="{y}" r="{size // 60}"/>'
    return svg(
        "picture",
        view,
        f"{name} and the areas around it, by decile",
        f"{title_of(areas[code])}, outlined, of {index.title}. The darker an area, the more deprived.",
        inner,
    )
