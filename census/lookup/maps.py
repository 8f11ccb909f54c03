"""Read the map at run time: maps/uk.mbtiles next to census.db, its tiles and its shapes.

A file that was built from other figures is not used: a map must never show another decile than the pages do.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from census.domain import map_layers, shapes
from census.domain.types import Record
from census.lookup import map_figures, tile_tables
from census.lookup.map_figures import ShownIndex
from census.lookup.sources import Source

ABSENT = "There is no map here: python build_db.py --maps makes it from the boundaries."
OTHER = "The map shows other figures than the database: build it again with python build_db.py --maps."

_AROUND = """
    from boundaries_around cross join boundaries on boundaries.id = boundaries_around.id
    where east >= ? and west <= ? and north >= ? and south <= ? and vintage = ?
"""


@dataclass(frozen=True)
class Shape:
    """An area's boundary: its code, and polygons as `census.domain.shapes.polygons` gives them."""

    code: str
    polygons: list[list[list[tuple[int, int]]]]


@dataclass(frozen=True)
class TableOfTiles:
    """A table of `census.lookup.tile_tables` in this map: `indices` as in `Maps.indices`, and `bounds` in degrees.

    lacks: what of it could not be made, and why. Without tiles it has no bounds.
    """

    indices: list[ShownIndex]
    bounds: list[float] | None
    lacks: str | None


@dataclass(frozen=True)
class MapPublication(Source):
    """A publication of boundaries, and the file of it that the map was made from."""

    file: str
    sha256: str
    rows: int


class NoMap(Exception):
    """There is no map, or it does not fit the database; the message says which."""


class Maps:
    """The map of the census.db `database`, read-only, for one thread at a time. Raises NoMap.

    like: the same map, opened before; whether it fits is known then.

    version: tells it from any other. credited: whose boundaries they are, by publication. layers: names of those that
    have tiles; none where the map was made without tippecanoe. tables: those that the RCPCH platform has, by name.
    authorities: of an extract, which it has; None for a complete database.
    """

    indices: dict[str, list[ShownIndex]]
    tables: dict[str, TableOfTiles]
    authorities: str | None

    def __init__(self, database: Path, like: "Maps | None" = None) -> None:
        path = map_of(database)
        if not path.is_file():
            raise NoMap(ABSENT)
        # Like census.db it is replaced, never written to.
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self.connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        try:
            self._read()
        except (sqlite3.Error, KeyError, ValueError) as error:
            self.connection.close()
            raise NoMap(f"{path} is not a map that build_db.py made, or it is damaged: {error}") from error
        if like:
            self.indices, self.tables, self.authorities = like.indices, like.tables, like.authorities
            fits = like.version == self.version
        else:
            fits = self._fits(database)
        if not fits:
            self.connection.close()
            raise NoMap(OTHER)

    def _read(self) -> None:
        self.connection.execute(f"pragma mmap_size = {1 << 31}")
        self.metadata: dict[str, str] = dict(self.connection.execute("select name, value from metadata"))
        self.version, self.attribution = self.metadata["version"], self.metadata["attribution"]
        self.bounds = [float(edge) for edge in self.metadata["bounds"].split(",")]
        cursor = self.connection.execute("select *, null as conditions from publications order by id")
        names = [column[0] for column in cursor.description]
        credited = [MapPublication(**dict(zip(names, row, strict=True))) for row in cursor]
        self.credited = {publication.id: publication for publication in credited}
        self.layers = tuple(
            layer
            for layer in map_layers.LAYERS
            if self.connection.execute(f"select exists (select 1 from tiles_{layer})").fetchone()[0]
        )
        self._tile = {
            layer: f"select tile_data from tiles_{layer} where zoom_level = ? and tile_column = ? and tile_row = ?"
            for layer in (*self.layers, *tile_tables.TABLES)
        }

    def _fits(self, database: Path) -> bool:
        """Return whether it has the figures of `database`.

        They are compared by the digest of all rows, otherwise by that of its own.
        """
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as census:
            try:
                self.indices = {layer: map_figures.editions(census, layer) for layer in map_layers.LAYERS}
                digest, self.authorities = census.execute("select digest, authorities from edition").fetchone()
                self.tables = self._tables(census)
                if digest == self.metadata["digest"]:
                    return True
                return map_figures.figures_digest(census) == self.metadata["figures"]
            except (sqlite3.Error, TypeError):  # a database of another kind, which others complain of
                return False

    def _tables(self, census: sqlite3.Connection) -> dict[str, TableOfTiles]:
        known = {index.id: index for indices in self.indices.values() for index in indices}
        return {
            name: TableOfTiles(
                [known[id_] for id_ in tile_tables.index_ids(census, name) if id_ in known],
                None if edges[0] is None else list(edges),
                lacks,
            )
            for name, *edges, lacks in self.connection.execute("select * from tile_tables")
            if name in tile_tables.TABLES
        }

    def tile(self, layer: str, zoom: int, column: int, row: int) -> bytes | None:
        """Return a tile of a layer or table as stored, gzipped; row from the north. None where it is empty."""
        stored = self.connection.execute(self._tile[layer], (zoom, column, (1 << zoom) - 1 - row)).fetchone()
        data: bytes | None = stored and stored[0]
        return data

    def publications(self, geography: str, nation: str) -> list[MapPublication]:
        """Return the publications of the boundaries of a nation's areas, as `Lookup.sources` does of figures."""
        return [self.credited[id_] for id_ in map_layers.boundary_files(geography, nation) if id_ in self.credited]

    def tilejson(self, layer: str, base: str, attribution: str) -> Record:
        """Return what TileJSON 3.0 says of a layer. base: the address that `/tiles` has.

        attribution: of the figures.
        """
        return {
            "tilejson": "3.0.0",
            "name": layer,
            "description": map_layers.LAYERS[layer],
            "version": "1.0.0",
            "attribution": f"{attribution} {self.attribution}".strip(),
            "scheme": "xyz",
            "tiles": [f"{base}/{layer}/{{z}}/{{x}}/{{y}}.pbf?v={self.version}"],
            "minzoom": map_layers.ZOOMS[0],
            "maxzoom": map_layers.ZOOMS[-1],
            "bounds": self.bounds,
            "vector_layers": [
                {
                    "id": layer,
                    "description": map_layers.LAYERS[layer],
                    "minzoom": map_layers.ZOOMS[0],
                    "maxzoom": map_layers.ZOOMS[-1],
                    "fields": map_layers.fields(layer),
                }
            ],
            "indices": self.indices[layer],
        }

    def shapes(self, geography: str, codes: Iterable[str]) -> list[Shape]:
        """Return the boundaries of the areas `codes` of a geography (as in `Index.geography`, or OUTLINES)."""
        rows = self.connection.execute(
            "select code, shape from json_each(?) cross join boundaries on vintage = ? and code = json_each.value",
            (orjson.dumps(list(codes)).decode(), map_layers.VINTAGES[geography]),
        )
        return [Shape(code, list(shapes.polygons(shape))) for code, shape in rows]

    def around(self, geography: str, west: int, east: int, south: int, north: int) -> list[Shape]:
        """Return the boundaries that may lie in a box, whose edges are in steps of 0.0001 degree."""
        box = west, east, south, north, map_layers.VINTAGES[geography]
        rows = self.connection.execute(f"select code, shape {_AROUND} order by code", box)
        return [Shape(code, list(shapes.polygons(shape))) for code, shape in rows]

    def count_around(self, geography: str, west: int, east: int, south: int, north: int) -> int:
        """Return how many `around` gives."""
        box = west, east, south, north, map_layers.VINTAGES[geography]
        count: int = self.connection.execute(f"select count(*) {_AROUND}", box).fetchone()[0]
        return count


def map_of(database: Path) -> Path:
    """Return where the map of a database is."""
    return database.parent / "maps" / "uk.mbtiles"
