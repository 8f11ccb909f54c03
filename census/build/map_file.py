"""Build the map: boundaries of the areas and authorities, and the vector tiles that show the deciles.

`build` reads the boundaries that ONS, the Scottish Government and NISRA publish (of the extract: those in the
repository), checks that every area of an index has one and that none is left over, and writes one SQLite file,
maps/uk.mbtiles, next to census.db. It is for pictures: boundaries are generalised, and which area a postcode lies in
only the directory says.

In the file: `tiles_uk_2011`, `tiles_uk_latest` and `tiles_local_authorities`, each with the columns of MBTiles' `tiles`
(rows counted from the south, tiles gzipped Mapbox Vector Tiles of one layer), made by tippecanoe, and the same for each
table of `census.lookup.tile_tables`, whose extents and gaps are in `tile_tables`; `tiles` and `metadata`, by which a
program that knows MBTiles opens it, and sees `uk_latest`; `boundaries`, the shapes for pictures
(`census.build.map_shapes`), and `boundaries_around`, an R*Tree of them; `publications`, from which the boundaries are.
"""

import contextlib
import gzip
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import orjson

from census.build import dissolve, map_shapes, tippecanoe
from census.build.fetch import Library
from census.build.map_shapes import MapShapes, extent
from census.build.tippecanoe import Runs, make_tiles
from census.domain import mvt
from census.domain.map_layers import ALWAYS, LAYERS, VINTAGES, ZOOMS, fields
from census.domain.shapes import STEPS, Box, Geometry, geojson, polygons
from census.domain.types import Record, Say
from census.lookup import tile_tables
from census.lookup.map_figures import Placed, figures_digest, rows

SCHEMA = """
    pragma journal_mode = off;
    pragma synchronous = off;
    pragma application_id = 0x4d504258; -- "MPBX", as MBTiles has it
    create table metadata (name text primary key, value text);
    create table publications (
        id text primary key, title text, publisher text, edition text, page text, licence text,
        licence_url text, attribution text, file text, sha256 text, rows integer
    );
    create table boundaries (
        id integer primary key, vintage integer not null, code text not null, shape text not null
    );
    create table tile_tables (
        name text primary key, west real, south real, east real, north real, lacks text
    );
    create virtual table boundaries_around using rtree_i32(id, west, east, south, north);
"""


@dataclass
class TileTable:
    """The tiles of a table of `census.lookup.tile_tables`.

    files: its tiles, as `make_tiles` gives them. extent: west, south, east and north, in degrees. lacks: what is
    missing, and why.
    """

    files: list[Path]
    extent: tuple[float, float, float, float] | None = None
    lacks: str | None = None


def build(database: Path, target: Path, library: Library | None, say: Say = print) -> dict[str, int]:
    """Write `target` for the census.db `database`, in place of an older one; return how many tiles each layer has.

    library: where the boundaries are looked for; None takes those of the extract. Raises SourceError where a boundary
    is missing or left over. Without tippecanoe there are no tiles, only the shapes for pictures; it says so.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target.parent)
    with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as census:
        layers = {layer: list(rows(census, layer)) for layer in LAYERS}
        shapes = map_shapes.from_publishers(layers, library, say) if library else map_shapes.from_extract()
        map_shapes.check_complete(layers, shapes.by_code)
        work = target.parent / f".building-{os.getpid()}"
        work.mkdir()
        try:
            program = tippecanoe.program()
            if program is None:
                say("there is no program tippecanoe: no tiles are made, only pictures")
            with Runs(program, work, say) as runs:
                tiles = {layer: _layer_tiles(runs, layer, layers[layer], shapes) for layer in LAYERS if program}
                del layers  # they take much memory
                tables = {table: _tile_table(runs, table, census, shapes) for table in tile_tables.TABLES}
                runs.end()
            written = work / target.name
            counted = _write(written, census, shapes, tiles, tables)
            with written.open("rb") as finished:
                os.fsync(finished.fileno())
            os.replace(written, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return counted


def _remove_leftovers(folder: Path) -> None:
    """Remove the folders of builds that were killed, and of an earlier one of this process."""
    for leftover in folder.glob(".building-*"):
        process = leftover.name.removeprefix(".building-")
        if process.isdecimal() and (int(process) == os.getpid() or not _runs(int(process))):
            shutil.rmtree(leftover, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _layer_tiles(runs: Runs, layer: str, areas: list[Placed], shapes: MapShapes) -> list[Path]:
    """Return the MBTiles files of a layer; none of an empty one."""
    if not areas:
        return []
    features = ((properties, geojson(shapes.by_code[geography][properties["code"]])) for geography, properties in areas)
    kept = ALWAYS if layer != "local_authorities" else ()
    return make_tiles(runs, layer, features, kept=kept)


def _tile_table(runs: Runs, name: str, census: sqlite3.Connection, shapes: MapShapes) -> TileTable:
    """Return the tiles of the table `name`: as published, or dissolved where Shapely is there."""
    table = tile_tables.TABLES[name]
    if runs.program is None:
        return TileTable([], lacks="tippecanoe was not there to make any tiles.")
    shown = [
        feature
        for feature in tile_tables.features(census, name)
        # not of an index that was left out: see check_complete
        if shapes.by_code[feature.geography].keys() >= set(feature.codes)
    ]
    lacks = None
    if any(feature.dissolved for feature in shown) and not find_spec("shapely"):
        shown = [feature for feature in shown if not feature.dissolved]
        lacks = "Shapely was not there to dissolve areas: what is derived is left out."
        runs.say(f"{name}: {lacks}")
    if not shown:
        if table.needs and not census.execute(f"select count(*) from {table.needs}").fetchone()[0]:
            lacks = f"The lookup {table.needs} was not loaded."
        return TileTable([], lacks=lacks or "This database has none of its areas.")

    def geometries() -> Iterator[tuple[Record, Geometry]]:
        for feature in shown:
            own = shapes.by_code[feature.geography]
            if feature.dissolved:
                yield feature.properties, _dissolved(feature.codes, own, shapes.boxes[feature.geography])
            else:
                yield feature.properties, geojson(own[feature.codes[0]])

    lines = any(feature.dissolved for feature in shown) or name == "la_tiles"
    files = make_tiles(runs, name, geometries(), lines=lines)
    boxes = (shapes.boxes[feature.geography][code] for feature in shown for code in feature.codes)
    return TileTable(files, extent(boxes), lacks)


def _dissolved(codes: Iterable[str], shapes: dict[str, bytes], boxes: dict[str, Box]) -> Geometry:
    """Return the GeoJSON of areas together. shapes, boxes: of every area of their geography, by code."""
    own = set(codes)

    def within(west: float, south: float, east: float, north: float) -> Iterator[dissolve.Polygons]:
        for code, box in boxes.items():
            if box[0] >= west and box[1] <= east and box[2] >= south and box[3] <= north and code not in own:
                yield list(polygons(shapes[code]))

    union = dissolve.dissolve([polygon for code in codes for polygon in polygons(shapes[code])], within)
    coordinates = [[[(x / STEPS, y / STEPS) for x, y in ring] for ring in polygon] for polygon in union]
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _write(
    path: Path,
    census: sqlite3.Connection,
    shapes: MapShapes,
    tiles: dict[str, list[Path]],
    tables: dict[str, TileTable],
) -> dict[str, int]:
    """Write the file; return how many tiles each layer and each table has."""
    with contextlib.closing(sqlite3.connect(path)) as maps:
        maps.executescript(SCHEMA)
        maps.executemany(f"insert into publications values ({', '.join('?' * 11)})", shapes.publications)
        _write_boundaries(maps, shapes)
        counted = {layer: _gather(maps, layer, tiles.get(layer, [])) for layer in LAYERS}
        for name, table in tables.items():
            counted[name] = _gather(maps, name, table.files)
            _name_tiers(maps, name)
            box = table.extent or (None,) * 4
            maps.execute("insert into tile_tables values (?, ?, ?, ?, ?, ?)", (name, *box, table.lacks))
        maps.execute("create view tiles as select * from tiles_uk_latest")
        metadata = _metadata(maps, census, shapes)
        maps.executemany("insert into metadata values (?, ?)", ((name, str(text)) for name, text in metadata.items()))
        maps.commit()
        maps.execute("vacuum")
    return counted


def _write_boundaries(maps: sqlite3.Connection, shapes: MapShapes) -> None:
    """Write the shapes, numbered in the order of their geographies and codes, and the R*Tree of them."""
    number = 0
    for geography, own in shapes.by_code.items():
        for code, shape in sorted(own.items()):
            number += 1
            row = (number, VINTAGES[geography], code, shape.decode())
            maps.execute("insert into boundaries values (?, ?, ?, ?)", row)
            box = shapes.boxes[geography][code]
            maps.execute("insert into boundaries_around values (?, ?, ?, ?, ?)", (number, *box))
    maps.execute("create unique index boundaries_by_code on boundaries (vintage, code)")


def _metadata(maps: sqlite3.Connection, census: sqlite3.Connection, shapes: MapShapes) -> Record:
    """Return the metadata of the MBTiles specification, of the layer `uk_latest`, and what tells this map from others.

    digest: of the database. figures: of what the map shows. version: of the tiles and shapes.
    """
    west, south, east, north = extent(box for own in shapes.boxes.values() for box in own.values())
    [digest] = census.execute("select digest from edition").fetchone()
    return {
        "name": "uk_latest",
        "description": LAYERS["uk_latest"],
        "format": "pbf",
        "type": "overlay",
        "minzoom": ZOOMS[0],
        "maxzoom": ZOOMS[-1],
        "bounds": f"{west},{south},{east},{north}",
        "center": f"{(west + east) / 2:.4f},{(south + north) / 2:.4f},5",
        "attribution": " ".join(dict.fromkeys(row[7] for row in shapes.publications)),
        "json": orjson.dumps({"vector_layers": [{"id": "uk_latest", "fields": fields("uk_latest")}]}).decode(),
        "digest": digest,
        "figures": figures_digest(census),
        "version": _version(maps),
    }


def _gather(maps: sqlite3.Connection, layer: str, files: Iterable[Path]) -> int:
    """Copy the tiles of MBTiles files into the table of a layer; return how many they are."""
    maps.execute(
        f"create table tiles_{layer} (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)"
    )
    for file in files:
        maps.commit()
        maps.execute("attach ? as made", (str(file),))
        maps.execute(
            f"insert into tiles_{layer} select zoom_level, tile_column, tile_row, tile_data from made.tiles"
            " order by zoom_level, tile_column, tile_row"
        )
        maps.commit()
        maps.execute("detach made")
    maps.execute(f"create unique index tiles_{layer}_at on tiles_{layer} (zoom_level, tile_column, tile_row)")
    count: int = maps.execute(f"select count(*) from tiles_{layer}").fetchone()[0]
    return count


def _name_tiers(maps: sqlite3.Connection, table: str) -> None:
    """Name the layer in each tile of a table by schema, table and tier, as the RCPCH platform expects at that zoom."""
    for tier, (first, last) in tile_tables.TIERS.items():
        name = f"public.{table}_{tier}"
        tiles = maps.execute(
            f"select rowid, tile_data from tiles_{table} where zoom_level between ? and ?", (first, last)
        ).fetchall()
        named = ((gzip.compress(mvt.renamed(gzip.decompress(data), name), mtime=0), rowid) for rowid, data in tiles)
        maps.executemany(f"update tiles_{table} set tile_data = ? where rowid = ?", named)


def _version(maps: sqlite3.Connection) -> str:
    """Return a hash of all tiles and shapes."""
    hashed = hashlib.sha256()
    tiles = ((f"tiles_{name}", "tile_data") for name in (*LAYERS, *tile_tables.TABLES))
    for table, column in (*tiles, ("boundaries", "shape")):
        for (data,) in maps.execute(f"select {column} from {table} order by rowid"):
            hashed.update(data if isinstance(data, bytes) else data.encode())
    return hashed.hexdigest()[:16]
