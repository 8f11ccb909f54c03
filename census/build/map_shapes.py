"""Read the boundaries of areas and authorities, from the publishers or from the extract in the repository.

A shape is JSON: polygons, each of rings (the outer one first), each a flat list of longitude and latitude in steps of
0.0001 degree, the first point from 0, any other from the point before it. Neighbours share their points, so whatever
is rounded or simplified point by point leaves no sliver between them.
"""

import csv
import gzip
import hashlib
import io
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import orjson

from census.build.fetch import Library, Obtained
from census.domain.geographies import PARENTS
from census.domain.map_layers import OUTLINES, VINTAGES
from census.domain.shapes import STEPS, Box, bounds, packed
from census.domain.types import Record, Row, Say
from census.lookup.map_figures import Placed, figures_digest
from sources.boundaries import PUBLISHED, Boundaries
from sources.publication import OGL, SourceError

EXTRACT = Path(__file__).resolve().parents[2] / "tests" / "extract" / "boundaries.csv.gz"
LISTED = 10  # codes in a message

Shapes = dict[str, dict[str, bytes]]
"""Geography to code to shape (JSON, as above)."""


@dataclass(frozen=True)
class MapShapes:
    """The shapes of areas, and the publications that they are from, as rows of the map's table `publications`."""

    by_code: Shapes
    publications: list[Row]

    @cached_property
    def boxes(self) -> dict[str, dict[str, Box]]:
        """Geography to code to the bounds of its shape."""
        return {
            geography: {code: bounds(shape) for code, shape in own.items()} for geography, own in self.by_code.items()
        }


def extent(boxes: Iterable[Box]) -> tuple[float, float, float, float]:
    """Return what boxes extend to together: west, south, east and north, in degrees."""
    wests, easts, souths, norths = zip(*boxes, strict=True)
    return min(wests) / STEPS, min(souths) / STEPS, max(easts) / STEPS, max(norths) / STEPS


def read_shapes(obtained: Obtained, code: str) -> dict[str, bytes]:
    """Return the shapes of a file of GeoJSON by the property `code`. Raises SourceError for one without shapes."""
    shapes: dict[str, bytes] = {}
    try:
        for feature in _features(obtained):
            area = feature["properties"][code]
            shape = packed(feature["geometry"])
            if shape is None:
                raise SourceError(f"{obtained.name}: {area} has no boundary.")
            if shapes.setdefault(area, shape) is not shape:
                raise SourceError(f"{obtained.name}: duplicate area {area}.")
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{obtained.name} is not GeoJSON of polygons with the property {code}: {type(error).__name__}: {error}"
        ) from error
    if not shapes:
        raise SourceError(f"{obtained.name} has no boundaries.")
    return shapes


def _features(obtained: Obtained) -> Iterator[Record]:
    """Yield the features of a file: one a line, as it is mostly written (which saves memory), or all at once."""
    with obtained.open() as file:
        lines = 0
        for line in file:
            text = line.strip().rstrip(b",")
            if text.startswith(b"{") and text.endswith(b"}") and b'"geometry"' in text and b'"features"' not in text:
                lines += 1
                yield orjson.loads(text)
        if not lines:
            file.seek(0)
            yield from orjson.loads(file.read())["features"]


def from_publishers(layers: dict[str, list[Placed]], library: Library, say: Say) -> MapShapes:
    """Return the boundaries of every publication that has an area of the `layers` of the map."""
    needed = {(geography, properties["code"][0]) for layer in layers.values() for geography, properties in layer}
    shapes: Shapes = {geography: {} for geography in (*PARENTS, OUTLINES)}
    publications: list[Row] = []
    for published in PUBLISHED:
        letters = {letter for letter in published.nations if (published.geography, letter) in needed}
        if not letters:
            continue  # its figures were left out
        obtained = library.obtain(published.file)
        say(f"{published.file.id}: {obtained.described}")
        left_out = {*published.nations} - letters
        own = {code: shape for code, shape in read_shapes(obtained, published.code).items() if code[0] not in left_out}
        shapes[published.geography] |= own
        publications.append(_publication_row(published, obtained.name, obtained.sha256, len(own)))
    return MapShapes(shapes, publications)


def from_extract() -> MapShapes:
    """Return the boundaries of the areas of the extract, which are in the repository."""
    try:
        data = EXTRACT.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != orjson.loads(EXTRACT.with_name("manifest.json").read_bytes())["tables"]["boundaries"]["sha256"]:
            raise SourceError(f"{EXTRACT} is not the file that manifest.json describes (another sha256).")
        rows = [*csv.reader(io.StringIO(gzip.decompress(data).decode(), newline=""))]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise SourceError(f"{EXTRACT} cannot be read: {error}") from error
    shapes: Shapes = {geography: {} for geography in (*PARENTS, OUTLINES)}
    of_vintage = {str(vintage): geography for geography, vintage in VINTAGES.items()}
    for vintage, code, shape in rows[1:]:
        shapes[of_vintage[vintage]][code] = shape.encode()
    publications: list[Row] = []
    for published in PUBLISHED:
        count = sum(code[0] in published.nations for code in shapes[published.geography])
        publications.append(_publication_row(published, EXTRACT.name, sha256, count))
    return MapShapes(shapes, publications)


def _publication_row(published: Boundaries, file: str, sha256: str, areas: int) -> Row:
    terms = (published.page, OGL.name, OGL.url, published.attribution)
    return (published.file.id, published.title, published.publisher, published.edition, *terms, file, sha256, areas)


def check_complete(layers: dict[str, list[Placed]], shapes: Shapes) -> None:
    """Raise SourceError where an area has no boundary, or a boundary no area; it says which."""
    with_figures: dict[str, set[str]] = {geography: set() for geography in shapes}
    for layer in layers.values():
        for geography, properties in layer:
            with_figures[geography].add(properties["code"])
    problems = []
    for geography, codes in with_figures.items():
        for problem, missing in (
            ("have no boundary", sorted(codes - shapes[geography].keys())),
            ("have a boundary and no figures", sorted(shapes[geography].keys() - codes)),
        ):
            if missing:
                more = f" and {len(missing) - LISTED:,} more" if len(missing) > LISTED else ""
                problems.append(f"{len(missing):,} of {geography} {problem}: {', '.join(missing[:LISTED])}{more}.")
    if problems:
        raise SourceError("\n".join(problems))


def cut(maps: Path, census: sqlite3.Connection) -> tuple[bytes, int]:
    """Return the boundaries, from a full `maps`, of the areas in `temp.chosen_lsoa_2011` and `temp.chosen_lsoa_2021`.

    They are a gzipped CSV, and its number of rows. Raises SourceError where there is no such file, or its figures are
    others.
    """
    if not maps.is_file():
        raise SourceError(f"There is no {maps} to cut boundaries from: build it with --maps first.")
    census.execute("attach ? as maps", (f"{maps.resolve().as_uri()}?mode=ro",))
    [figures] = census.execute("select value from maps.metadata where name = 'figures'").fetchone()
    if figures != figures_digest(census):
        raise SourceError(f"{maps} was built for another database: build it again with --maps.")
    rows = census.execute(
        """
        select vintage, code, shape from maps.boundaries
        where vintage = 2011 and code in (select code from temp.chosen_lsoa_2011)
        or vintage = 2021 and code in (select code from temp.chosen_lsoa_2021)
        or vintage = 2024 and code in (
            select own.code from local_authorities as own where coalesce(own.successor, own.code) in (
                select local_authority from small_areas where code in (select code from temp.chosen_lsoa_2011)
                union
                select local_authority from lsoas_2021 where code in (select code from temp.chosen_lsoa_2021)
            )
        )
        order by vintage, code
        """
    ).fetchall()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("vintage", "code", "shape"))
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), 9, mtime=0), len(rows)
