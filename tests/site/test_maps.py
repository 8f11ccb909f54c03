"""The map: boundaries, tiles and pictures of the extract; of the whole UK where the publications are at hand.

Tiles are decoded by another program than made them, and what they carry is compared with census.db itself.
"""

import asyncio
import csv
import gzip
import hashlib
import html
import io
import json
import math
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import mapbox_vector_tile
import pytest
import shapely
from datasette.app import Datasette

from census.build import extracts, map_file, map_shapes, tippecanoe
from census.build.fetch import Library
from census.cli import build as build_db
from census.domain import map_layers, shapes
from census.lookup import tile_tables
from census.lookup.maps import Maps, map_of
from census.web.handlers import map_program
from sources import boundaries
from sources.publication import SourceError
from tests.conftest import ROOT, command, datasette_of, site_of, stamp

LAYERS = ("uk_2011", "uk_latest")
NATIONS = {"England": "E09000033", "Wales": "W06000015", "Scotland": "S12000050", "Northern Ireland": "N09000003"}
INDICES = {
    "uk_2011": ("england_2019", "wales_2019", "scotland_2020", "northern_ireland_2017"),
    "uk_latest": ("england_2025", "wales_2025", "scotland_2020", "northern_ireland_2017"),
}
BAND = re.compile(r'<g class="d(\d+)">(.*?)</g>', re.DOTALL)
PATH = re.compile(r'<path d="([^"]+)"><title>([^<]*): decile (\d+)</title></path>')


@pytest.fixture(scope="module")
def built(extract_db) -> SimpleNamespace:
    return SimpleNamespace(census=extract_db, path=map_of(extract_db))


@contextmanager
def few_zooms(tables: tuple[str, ...]) -> Iterator[None]:
    """Lets builds make the tiles of zooms 0 to 3, the last with every area and name, and of RCPCH's only `tables`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_file, "ZOOMS", range(4))
        patch.setattr(tippecanoe, "ZOOMS", range(4))
        patch.setattr(tippecanoe, "NAMED_FROM", 3)
        patch.setattr(tile_tables, "TABLES", {name: tile_tables.TABLES[name] for name in tables})
        yield


SMALL = ("lsoa_tiles_2021", "icb_tiles_2023")  # one of areas, one dissolved and drawn as lines


@pytest.fixture(scope="module")
def small(built, tmp_path_factory) -> Path:
    """The map of the extract with few zooms and tables."""
    path = tmp_path_factory.mktemp("small") / "uk.mbtiles"
    with few_zooms(SMALL):
        map_file.build(built.census, path, None, lambda _: None)
    return path


def get(site, path: str, **options):
    return asyncio.run(site.client.get(path, **options))


def notes(page: str) -> list[str]:
    """The notes of a page, but for those that a browser with JavaScript does not show."""
    shown = re.sub(r"<noscript>.*?</noscript>", "", page, flags=re.DOTALL)
    return [html.unescape(note) for note in re.findall(r'<p class="note">(.*?)</p>', shown, re.DOTALL)]


def decoded(data: bytes) -> dict:
    return mapbox_vector_tile.decode(gzip.decompress(data), default_options={"y_coord_down": True})


def tile_of(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """Column and row, from the north, of the tile in which a point is."""
    side, angle = 1 << zoom, math.radians(latitude)
    return int((longitude + 180) / 360 * side), int((1 - math.asinh(math.tan(angle)) / math.pi) / 2 * side)


def box_of(column: int, row: int, zoom: int):
    """The box of a tile, in degrees."""
    side = 1 << zoom

    def latitude(y):
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / side))))

    return shapely.box(column / side * 360 - 180, latitude(row + 1), (column + 1) / side * 360 - 180, latitude(row))


def shape_of(text: str):
    degrees = [[[(x / 10_000, y / 10_000) for x, y in ring] for ring in polygon] for polygon in shapes.polygons(text)]
    return shapely.MultiPolygon([(outer, holes) for outer, *holes in degrees])


def figures_of(census: sqlite3.Connection, layer: str) -> dict[str, dict]:
    """What census.db says of the areas of a layer, read without the code that builds the map."""
    cursor = census.execute(
        f"""
        select d.*, indices.nation, indices.year as imd_year, coalesce(a.name, a.publisher_name, b.name) as area_name,
            coalesce(a.local_authority, b.local_authority) as la_code
        from deprivation as d join indices on indices.id = d.index_id
        left join small_areas as a on a.code = d.lsoa_2011 left join lsoas_2021 as b on b.code = d.lsoa_2021
        where index_id in ({", ".join("?" * 4)})
        """,
        INDICES[layer],
    )
    names = [column[0] for column in cursor.description]
    return {row["area_code"]: row for row in (dict(zip(names, values, strict=True)) for values in cursor)}


def same(told: dict, row: dict, named: bool) -> None:
    """Asserts that a feature of a tile says what census.db says."""
    expected = {name: row[name] for name in map_layers.DECILES} | {
        "code": row["area_code"],
        "nation": row["nation"],
        "imd_year": row["imd_year"],
        "imd_decile": row["decile"],
    }
    if named:
        expected |= {"imd_rank": row["rank"], "of": row["of"], "la_code": row["la_code"], "area_name": row["area_name"]}
    assert {name: told.get(name) for name in expected} == expected
    assert set(told) <= {*expected, "year", "la_name"}
    assert ("la_name" in told) == (named and row["la_code"] is not None)


def check_places(path: Path, census: sqlite3.Connection, places: list[tuple[float, float]]) -> int:
    """Asserts that the tiles of zoom 12 around places have the areas there, with their figures; how many areas."""
    seen = 0
    with closing(sqlite3.connect(path)) as maps:
        for layer in LAYERS:
            figures = figures_of(census, layer)
            for longitude, latitude in places:
                column, row = tile_of(longitude, latitude, 12)
                [data] = maps.execute(
                    f"select tile_data from tiles_{layer} where zoom_level = 12 and tile_column = ? and tile_row = ?",
                    (column, (1 << 12) - 1 - row),
                ).fetchone()
                features = decoded(data)[layer]["features"]
                for feature in features:
                    same(feature["properties"], figures[feature["properties"]["code"]], named=True)
                codes = [feature["properties"]["code"] for feature in features]
                assert len(set(codes)) == len(codes)
                box = box_of(column, row, 12)
                eras = {"uk_2011": {2011: "EWS9"}, "uk_latest": {2021: "EW", 2011: "S9"}}[layer]
                west, south, east, north = (round(10_000 * edge) for edge in box.buffer(0.002).bounds)
                own = {
                    code: shape_of(shape)
                    for code, shape, vintage in maps.execute(
                        "select code, shape, vintage from boundaries join boundaries_around using (id)"
                        " where east >= ? and west <= ? and north >= ? and south <= ?",
                        (west, east, south, north),
                    )
                    if code[0] in eras.get(vintage, "")
                }
                # 20 m to either side: tiles have a border, and a grid of 6 m.
                surely = {code for code, shape in own.items() if shape.buffer(0).intersects(box.buffer(-0.0003))}
                perhaps = {code for code, shape in own.items() if shape.buffer(0).intersects(box.buffer(0.002))}
                assert surely <= set(codes) <= perhaps, (surely - set(codes), set(codes) - perhaps)
                seen += len(codes)
    return seen


def places_of(census: sqlite3.Connection, count: int) -> list[tuple[float, float]]:
    """Places where people live, some in each nation."""
    random.seed(9)
    found = []
    for nation in NATIONS:
        rows = census.execute(
            "select longitude, latitude from small_areas where nation = ? and latitude is not null order by code",
            (nation,),
        ).fetchall()
        found += random.sample(rows, count // len(NATIONS))
    return found


# What is built


def test_the_file_is_mbtiles_and_says_whose_it_is(built):
    with closing(sqlite3.connect(built.path)) as maps:
        told = dict(maps.execute("select name, value from metadata"))
        assert (told["name"], told["format"], told["minzoom"], told["maxzoom"]) == ("uk_latest", "pbf", "0", "12")
        assert [layer["id"] for layer in json.loads(told["json"])["vector_layers"]] == ["uk_latest"]
        columns = [row[1] for row in maps.execute("pragma table_info(tiles)")]
        assert columns == ["zoom_level", "tile_column", "tile_row", "tile_data"]
        [data] = maps.execute("select tile_data from tiles where zoom_level = 12 limit 1").fetchone()
        assert list(decoded(data)) == ["uk_latest"]
        assert maps.execute("pragma application_id").fetchone() == (0x4D504258,)
        credited = maps.execute("select id, licence, attribution, sha256, rows from publications").fetchall()
    assert len(credited) == len(boundaries.PUBLISHED)
    assert all(len(row[3]) == 64 and row[4] > 0 and "Government Licence" in row[1] for row in credited)
    with closing(sqlite3.connect(built.census)) as census:
        names = {row[0] for row in census.execute("select name from sqlite_master")}
    assert not [name for name in names if "boundar" in name or "tile" in name], "the map is no part of census.db"


@pytest.mark.parametrize("layer", LAYERS)
def test_every_area_is_in_the_tiles_of_each_zoom_from_ten_with_its_figures(built, layer):
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        figures = figures_of(census, layer)
        assert len(figures) > 1500
        for zoom in range(8, 13):
            codes = set()
            for (data,) in maps.execute(f"select tile_data from tiles_{layer} where zoom_level = ?", (zoom,)):
                for feature in decoded(data)[layer]["features"]:
                    codes.add(feature["properties"]["code"])
                    same(feature["properties"], figures[feature["properties"]["code"]], named=True)
            assert codes <= figures.keys()
            assert zoom < 10 or codes == figures.keys()


def test_tiles_of_low_zooms_have_deciles_and_no_names(built):
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        figures = figures_of(census, "uk_latest")
        seen = 0
        for (data,) in maps.execute("select tile_data from tiles_uk_latest where zoom_level < 8"):
            for feature in decoded(data)["uk_latest"]["features"]:
                same(feature["properties"], figures[feature["properties"]["code"]], named=False)
                seen += 1
    assert seen > 1000


def test_the_tiles_around_twenty_places_have_exactly_the_areas_there(built):
    with closing(sqlite3.connect(built.census)) as census:
        assert check_places(built.path, census, places_of(census, 20)) > 500


def test_local_authorities_are_outlined_with_their_codes_of_today(built):
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        wanted = dict(
            census.execute(
                "select code, coalesce(successor, code) from local_authorities where vintages like '%2024%'"
                " and coalesce(successor, code) in (select local_authority from small_areas"
                " union select local_authority from lsoas_2021)"
            )
        )
        names = dict(census.execute("select code, name from local_authorities"))
        found = {}
        for (data,) in maps.execute("select tile_data from tiles_local_authorities where zoom_level = 10"):
            for feature in decoded(data)["local_authorities"]["features"]:
                told = feature["properties"]
                found[told["code"]] = told["la_code"]
                assert (told["area_name"], told["la_name"]) == (names[told["code"]], names[told["la_code"]])
                assert told["year"] == 2024
    assert found == wanted


def test_neighbours_meet_without_slivers(built):
    """In Westminster and around it, at each zoom, areas neither overlap nor leave gaps."""
    with closing(sqlite3.connect(built.path)) as maps:
        for zoom in (10, 11, 12):
            column, row = tile_of(-0.16, 51.515, zoom)
            [data] = maps.execute(
                "select tile_data from tiles_uk_2011 where zoom_level = ? and tile_column = ? and tile_row = ?",
                (zoom, column, (1 << zoom) - 1 - row),
            ).fetchone()
            shapes = [shapely.geometry.shape(f["geometry"]).buffer(0) for f in decoded(data)["uk_2011"]["features"]]
            assert len(shapes) > 20
            union = shapely.union_all(shapes)
            parts = union.geoms if union.geom_type == "MultiPolygon" else [union]
            holes = sum(shapely.Polygon(hole).area for part in parts for hole in part.interiors)
            assert holes / union.area < 0.001, f"zoom {zoom}: gaps"
            assert (sum(shape.area for shape in shapes) - union.area) / union.area < 0.002, f"zoom {zoom}: overlaps"


def test_shapes_are_the_published_boundaries_to_ten_metres():
    square = [[-1.00004, 52.0], [-1.0, 52.00006], [-0.9, 52.1], [-0.9, 52.1], [-0.90001, 52.10001], [-1.00004, 52.0]]
    shape = shapes.packed({"type": "Polygon", "coordinates": [square]})
    assert json.loads(shape) == [[[-10000, 520000, 0, 1, 1000, 999, -1000, -1000]]]
    assert list(shapes.polygons(shape)) == [[[(-10000, 520000), (-10000, 520001), (-9000, 521000), (-10000, 520000)]]]
    assert shapes.bounds(shape) == (-10000, -9000, 520000, 521000)
    assert shapes.packed({"type": "Point", "coordinates": [0, 0]}) is None
    assert shapes.packed({"type": "Polygon", "coordinates": [[[0, 0], [0.00001, 0], [0, 0.00001], [0, 0]]]}) is None


def mirrored(folder: Path, without: tuple[str, ...] = ()) -> Library:
    """A mirror of GeoJSON files with the extract's boundaries, as their publishers give them."""
    rows = [*csv.reader(io.StringIO(gzip.decompress(map_shapes.EXTRACT.read_bytes()).decode(), newline=""))][1:]
    for published in boundaries.PUBLISHED:
        features = [
            {
                "type": "Feature",
                "properties": {published.code: code, "OTHER": 1},
                "geometry": shapely.geometry.mapping(shape_of(shape)),
            }
            for vintage, code, shape in rows
            if int(vintage) == map_layers.VINTAGES[published.geography] and code[0] in published.nations
        ]
        if published.file.id not in without:
            told = json.dumps({"type": "FeatureCollection", "features": features})
            (folder / published.file.names[-1]).write_text(told)  # in one line, as some programs write it
    return Library(str(folder), folder, build_db.progress, accept_changed=build_db.FILES)


def rows_of(path: Path) -> dict[str, list[tuple]]:
    """All that is in a map, by table."""
    with closing(sqlite3.connect(path)) as maps:
        tables = [name for (name,) in maps.execute("select name from sqlite_master where type = 'table'")]
        return {table: maps.execute(f"select * from {table}").fetchall() for table in tables}


def test_boundaries_of_the_publishers_give_the_map_that_the_extract_s_give(built, small, tmp_path):
    path = tmp_path / "maps" / "uk.mbtiles"
    with few_zooms(SMALL):
        map_file.build(built.census, path, mirrored(tmp_path), lambda _: None)
    ours, theirs = rows_of(small), rows_of(path)
    credited = theirs.pop("publications")
    assert [row[:8] + row[10:] for row in ours.pop("publications")] == [row[:8] + row[10:] for row in credited]
    assert [row[8] for row in credited] == [published.file.names[-1] for published in boundaries.PUBLISHED]
    assert {f"tiles_{name}" for name in (*map_layers.LAYERS, *SMALL)} < ours.keys()
    assert ours.keys() == theirs.keys()
    for table, rows in ours.items():
        assert len(rows) > 0, table
        assert rows == theirs[table], table
    with closing(sqlite3.connect(built.path)) as whole:
        for table in ("boundaries", "boundaries_around"):
            assert whole.execute(f"select * from {table}").fetchall() == ours[table], "few zooms, all shapes"


def test_what_was_left_out_of_the_database_needs_no_boundary(built, tmp_path):
    """Without Scotland's index and without a directory, of which areas' authorities follow."""
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    with closing(sqlite3.connect(census)) as connection, connection:
        connection.execute("delete from deprivation where index_id = 'scotland_2020'")
        connection.execute("update indices set loaded = 0 where id = 'scotland_2020'")
        connection.execute("update small_areas set local_authority = null")
        connection.execute("update lsoas_2021 set local_authority = null")
    library = mirrored(tmp_path, without=("data_zone_2011_boundaries", "local_authority_boundaries"))
    with few_zooms(SMALL):
        counted = map_file.build(census, map_of(census), library, lambda _: None)
    assert counted["local_authorities"] == 0 < counted["uk_latest"]
    maps = Maps(census)
    assert maps.layers == ("uk_2011", "uk_latest")
    assert [index.id for index in maps.indices["uk_2011"]] == ["england_2019", "wales_2019", "northern_ireland_2017"]
    assert maps.publications("lsoa_2011", "Scotland") == []


def test_the_same_boundaries_give_the_same_bytes(built, small, tmp_path):
    """Those of every zoom and table are the recorded ones, see test_golden.py."""
    with few_zooms(SMALL):
        map_file.build(built.census, tmp_path / "uk.mbtiles", None, lambda _: None)
    assert (tmp_path / "uk.mbtiles").read_bytes() == small.read_bytes()


def test_the_extract_s_boundaries_were_cut_from_the_uk_s(full_build, full_maps):
    """Those of its areas, with no other byte."""
    with closing(sqlite3.connect(full_build.path)) as census:
        for table, parent in (("lsoa_2011", "small_areas"), ("lsoa_2021", "lsoas_2021")):
            with (extracts.FOLDER / f"{parent}.csv").open(newline="") as file:
                codes = [(row["code"],) for row in csv.DictReader(file)]
            census.execute(f"create temp table chosen_{table} (code text primary key)")
            census.executemany(f"insert into chosen_{table} values (?)", codes)
        data, rows = map_shapes.cut(full_maps.path, census)
    assert gzip.decompress(data) == gzip.decompress(map_shapes.EXTRACT.read_bytes())
    assert rows == json.loads((extracts.FOLDER / "manifest.json").read_text())["tables"]["boundaries"]["rows"]


# What is refused


def test_boundaries_are_not_cut_from_the_map_of_another_database(built, tmp_path):
    with closing(sqlite3.connect(":memory:")) as census, closing(sqlite3.connect(built.census)) as whole:
        whole.backup(census)
        census.execute("update deprivation set rank = rank + 1 where area_code = 'E01004736'")
        census.commit()
        with pytest.raises(SourceError, match=rf"{re.escape(str(built.path))}.*--maps"):
            map_shapes.cut(built.path, census)
        with pytest.raises(SourceError, match=rf"{re.escape(str(tmp_path / 'uk.mbtiles'))}.*--maps"):
            map_shapes.cut(tmp_path / "uk.mbtiles", census)


def tampered(folder: Path, change) -> Path:
    """The extract's boundaries with their rows changed, and a manifest that fits."""
    header, *rows = csv.reader(io.StringIO(gzip.decompress(map_shapes.EXTRACT.read_bytes()).decode(), newline=""))
    text = io.StringIO()
    csv.writer(text).writerows([header, *change(rows)])
    data = gzip.compress(text.getvalue().encode())
    path = folder / map_shapes.EXTRACT.name
    path.write_bytes(data)
    manifest = {"tables": {"boundaries": {"sha256": hashlib.sha256(data).hexdigest()}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return path


def test_an_area_without_a_boundary_and_a_boundary_without_an_area_are_named(built, tmp_path, monkeypatch, capsys):
    def change(rows):
        return [[v, "E01999999" if code == "E01004736" and v == "2021" else code, s] for v, code, s in rows]

    monkeypatch.setattr(map_shapes, "EXTRACT", tampered(tmp_path, change))
    shutil.copy(built.census, tmp_path / "census.db")
    path = map_of(tmp_path / "census.db")
    path.parent.mkdir()
    path.write_bytes(b"an older map")
    assert build_db.main(["--maps", "--output", str(tmp_path / "census.db")]) == 1
    told = capsys.readouterr().err
    assert path.name in told
    lines = [line for line in told.splitlines() if "lsoa_2021" in line]
    assert [re.findall(r"E01\d{6}", line) for line in lines] == [["E01004736"], ["E01999999"]]
    assert [re.findall(r"\b\d+\b", line) for line in lines] == [["1"], ["1"]]
    assert ["figures" in line for line in lines] == [False, True]
    assert path.read_bytes() == b"an older map"
    assert [file.name for file in path.parent.iterdir()] == ["uk.mbtiles"]


def test_an_extract_has_no_use_for_a_mirror_and_says_so(built, tmp_path):
    done = command("--maps", "--mirror", tmp_path, "--output", built.census)
    assert done.returncode == 1
    assert str(built.census) in done.stderr
    assert "mirror" in done.stderr


def test_boundaries_that_are_not_those_of_the_manifest_are_refused(built, tmp_path, monkeypatch):
    path = tampered(tmp_path, lambda rows: rows)
    (tmp_path / "manifest.json").write_text(json.dumps({"tables": {"boundaries": {"sha256": "0"}}}))
    monkeypatch.setattr(map_shapes, "EXTRACT", path)
    with pytest.raises(SourceError, match=rf"{re.escape(str(path))}.*manifest\.json.*sha256"):
        map_file.build(built.census, tmp_path / "maps" / "uk.mbtiles", None)


@pytest.mark.parametrize(
    "content, named",
    [
        (b"no json", {"LSOA11CD"}),
        (b'{"features": []}', set()),
        (b'{"features": [{"properties": {"X": "E01000001"}, "geometry": null}]}', {"LSOA11CD"}),
        (b'{"features": [{"properties": {"LSOA11CD": "E01000001"}, "geometry": null}]}', {"E01000001"}),
    ],
)
def test_a_file_of_boundaries_that_is_none_is_named(tmp_path, content, named):
    """With the property that it has not, or the area without a boundary."""
    path = tmp_path / "layer.geojson"
    path.write_bytes(content)
    obtained = SimpleNamespace(name=path.name, open=lambda: path.open("rb"))
    with pytest.raises(SourceError) as refused:
        map_shapes.read_shapes(obtained, "LSOA11CD")
    assert path.name in str(refused.value)
    assert {name for name in ("LSOA11CD", "E01000001") if name in str(refused.value)} == named


def test_without_tippecanoe_there_are_pictures_and_no_tiles(built, tmp_path, monkeypatch):
    monkeypatch.setattr(tippecanoe, "program", lambda: None)
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    said = []
    counted = map_file.build(census, map_of(census), None, said.append)
    assert set(counted.values()) == {0}
    [line] = said
    assert "tippecanoe" in line
    site = Datasette(config_dir=site_of(census, tmp_path_factory_folder(tmp_path)))
    assert get(site, "/tiles/uk_latest/0/0/0.pbf").status_code == 404
    assert '<svg class="picture"' in get(site, "/local-authority/W06000015").text
    text = get(site, "/map").text
    assert '<svg class="picture"' in text
    assert "maplibre" not in text
    assert 'id="atlas"' not in text
    assert len(notes(text)) == 1


def tmp_path_factory_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def test_a_failure_of_tippecanoe_is_told_and_nothing_of_it_goes_on(built, tmp_path, monkeypatch, capsys):
    """The first run fails as soon as the second, which would take a minute, is there."""
    program, second = tmp_path / "tippecanoe", tmp_path / "second"
    program.write_text(f"""#!/bin/sh
        case "$*" in
            *--minimum-zoom=0*) while [ ! -s {second} ]; do sleep 0.02; done; echo "no room" >&2; exit 3;;
            *) echo $$ > {second}; exec sleep 60;;
        esac""")
    program.chmod(0o755)
    monkeypatch.setattr(tippecanoe, "program", lambda: str(program))
    monkeypatch.setattr(tippecanoe, "AT_ONCE", 2)
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    path = map_of(census)
    path.parent.mkdir()
    path.write_bytes(b"an older map")
    assert build_db.main(["--maps", "--output", str(census)]) == 1
    assert "tippecanoe ended with status 3: no room" in capsys.readouterr().err
    assert path.read_bytes() == b"an older map"
    assert [file.name for file in path.parent.iterdir()] == ["uk.mbtiles"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(second.read_text()), 0)


def test_a_killed_build_leaves_the_old_map_and_the_next_one_clears_up(built, tmp_path, monkeypatch):
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    path = map_of(census)
    path.parent.mkdir()
    path.write_bytes(b"an older map")
    process = subprocess.Popen(
        [sys.executable, ROOT / "build_db.py", "--maps", "--output", census],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(path.parent.glob(".building-*/*.mbtiles*")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert path.read_bytes() == b"an older map"
    assert [folder.name for folder in path.parent.glob(".building-*")] == [f".building-{process.pid}"]
    monkeypatch.setattr(tippecanoe, "program", lambda: None)
    assert build_db.main(["--maps", "--output", str(census)]) == 0
    assert [file.name for file in path.parent.iterdir()] == ["uk.mbtiles"]
    assert rows_of(path)["boundaries"] == rows_of(built.path)["boundaries"]


# What is served


def test_a_tile_is_sent_as_it_is_stored(extract_site, built):
    column, row = tile_of(-0.1416, 51.501, 12)
    with closing(sqlite3.connect(built.path)) as maps:
        [stored] = maps.execute(
            "select tile_data from tiles_uk_latest where zoom_level = 12 and tile_column = ? and tile_row = ?",
            (column, (1 << 12) - 1 - row),
        ).fetchone()
    address = f"/tiles/uk_latest/12/{column}/{row}.pbf"
    answer = get(extract_site, address, headers={"accept-encoding": "gzip, br"})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(stored)
    assert answer.content == gzip.decompress(stored)  # httpx has unpacked it
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    plain = get(extract_site, address, headers={"accept-encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.content) == (False, answer.content)
    again = get(extract_site, address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = asyncio.run(extract_site.client.head(address))
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


@pytest.mark.parametrize(
    "path, status, reason",
    [
        ("uk_latest/5/1/1.pbf", 204, None),
        ("uk_latest/12/4095/4095.pbf", 204, None),
        ("uk_latest/13/4095/2700.pbf", 404, "no_tile"),
        ("uk_latest/99/0/0.pbf", 404, "no_tile"),
        ("uk_latest/5/32/1.pbf", 404, "no_tile"),
        ("uk_latest/5/1/32.pbf", 404, "no_tile"),
        ("uk_latest/5/1/x.pbf", 404, "no_tile"),
        ("uk_latest/5/1/1.png", 404, "no_tile"),
        ("uk_latest/5/-1/1.pbf", 404, "no_tile"),
        ("uk_1991/5/1/1.pbf", 404, "no_layer"),
        ("uk_1991.json", 404, "no_layer"),
        ("sqlite_master/5/1/1.pbf", 404, "no_layer"),
        ("", 404, "no_tile"),
    ],
)
def test_what_is_no_tile_says_why(extract_site, path, status, reason):
    answer = get(extract_site, f"/tiles/{path}")
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    if reason:
        assert answer.json()["reason"] == reason
    else:
        assert answer.content == b""
        assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("layer", [*LAYERS, "local_authorities"])
def test_tilejson_leads_to_tiles_that_may_be_kept(extract_site, layer):
    told = get(extract_site, f"/tiles/{layer}.json").json()
    assert (told["tilejson"], told["minzoom"], told["maxzoom"]) == ("3.0.0", 0, 12)
    assert [one["id"] for one in told["vector_layers"]] == [layer]
    assert [index["id"] for index in told["indices"]] == list(INDICES.get(layer, ()))
    bases = {index["id"]: (index["decile_basis"], index["domain_decile_basis"]) for index in told["indices"]}
    assert bases.get("england_2019", ("published",) * 2) == ("published", "published")
    assert bases.get("scotland_2020", ("published", "computed")) == ("published", "computed")
    assert bases.get("northern_ireland_2017", ("computed",) * 2) == ("computed", "computed")
    assert "Government Licence" in told["attribution"]
    column, row = tile_of(-3.18, 51.48, 10)
    [address] = told["tiles"]
    assert address.startswith("http://localhost/tiles/")
    answer = get(extract_site, address.format(z=10, x=column, y=row).removeprefix("http://localhost"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = get(extract_site, address.format(z=10, x=column, y=row).removeprefix("http://localhost") + "0")
    assert (other.status_code, other.json()["reason"]) == (410, "other_map"), "never the tile of another map"
    assert other.headers["cache-control"] == "no-store"
    assert get(extract_site, f"/tiles/{layer}.json").headers["cache-control"] == "no-store"
    features = mapbox_vector_tile.decode(answer.content)[layer]["features"]
    assert {name for feature in features for name in feature["properties"]} <= told["vector_layers"][0]["fields"].keys()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_tiles_are_only_read(extract_site, method):
    answer = asyncio.run(extract_site.client.request(method, "/tiles/uk_latest/0/0/0.pbf"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert asyncio.run(extract_site.client.options("/tiles/uk_latest/0/0/0.pbf")).status_code == 204


def test_tiles_are_below_a_base_url_too(built, tmp_path):
    folder = site_of(built.census, tmp_path)
    settings = json.loads((folder / "settings.json").read_text()) | {"base_url": "/census/"}
    site = Datasette(config_dir=folder, settings=settings)
    told = get(site, "/tiles/uk_latest.json").json()
    assert told["tiles"][0].startswith("http://localhost/census/tiles/uk_latest/{z}")
    assert get(site, "/tiles/uk_latest/0/0/0.pbf").status_code == 200
    text = get(site, "/map").text
    for address in ('data-tiles="/census/tiles/"', 'data-map="/census/map"', 'src="/census/map/maplibre-gl.js?v='):
        assert address in text
    assert 'href="/census/map#at=14/' in get(site, "/postcode/SW1A1AA").text
    moved = get(site, "/map?q=SW1A1AA", follow_redirects=False)
    assert moved.headers["location"].startswith("/census/map?layer=uk_latest#at=14/")


def test_without_a_map_nothing_else_is_missing(built, tmp_path):
    folder = site_of(built.census, tmp_path)
    (folder / "maps").unlink()
    site = datasette_of(folder)
    answer = get(site, "/tiles/uk_latest/0/0/0.pbf")
    assert (answer.status_code, answer.json()["reason"]) == (404, "no_map")
    assert "--maps" in answer.json()["detail"]
    for path in ("/postcode/SW1A1AA", "/area/E01004736", "/local-authority/W06000015"):
        text = get(site, path).text
        assert 'class="headline"' in text
        assert '<svg class="picture"' not in text
    text = get(site, "/map").text
    assert "Cardiff" in text
    [note] = notes(text)
    assert answer.json()["detail"] in note


@pytest.mark.parametrize("damage", ["figures", "garbage", "empty"])
def test_a_map_of_other_figures_is_not_shown(built, tmp_path, damage):
    """One decile more or less, and the pages and the map would say different things."""
    folder = site_of(built.census, tmp_path)
    (folder / "maps").unlink()
    (folder / "maps").mkdir()
    path = folder / "maps" / "uk.mbtiles"
    shutil.copy(built.path, path)
    if damage == "figures":
        with closing(sqlite3.connect(folder / "census.db")) as census:
            census.execute("update deprivation set decile = 1 where area_code = 'E01004736'")
            census.commit()
        stamp(folder / "census.db")
        named = "--maps"
    else:
        path.write_bytes(b"garbage" * 1000 if damage == "garbage" else b"")
        named = str(path)
    site = datasette_of(folder)
    answer = get(site, "/tiles/uk_latest/0/0/0.pbf")
    assert (answer.status_code, answer.json()["reason"]) == (404, "no_map")
    assert named in answer.json()["detail"]
    assert '<svg class="picture"' not in get(site, "/postcode/SW1A1AA").text
    text = get(site, "/map").text
    [note] = notes(text)
    assert answer.json()["detail"] in note
    assert "Cardiff" in text


def test_a_map_of_the_same_figures_stays_when_the_rest_changes(built, tmp_path):
    """A new directory of postcodes changes the digest, and no area."""
    folder = site_of(built.census, tmp_path)
    with closing(sqlite3.connect(folder / "census.db")) as census:
        census.execute("update postcodes set introduced = introduced - 100 where postcode = 'SW1A 1AA'")
        census.commit()
    stamp(folder / "census.db")
    assert get(datasette_of(folder), "/tiles/uk_latest/0/0/0.pbf").status_code == 200


# Pictures


@pytest.mark.parametrize("nation", NATIONS)
def test_an_authority_s_picture_has_each_of_its_areas_in_its_decile_s_colour(extract_site, built, nation):
    text = get(extract_site, f"/local-authority/{NATIONS[nation]}").text
    pictures = re.findall(r'<svg class="picture".*?</svg>', text, re.DOTALL)
    with closing(sqlite3.connect(built.census)) as census:
        indices = census.execute(
            "select id, geography, title from indices where nation = ? order by year desc", (nation,)
        ).fetchall()
        assert len(pictures) == len(indices)
        for picture, (index, geography, title) in zip(pictures, indices, strict=True):
            parent = {"lsoa_2011": "small_areas", "lsoa_2021": "lsoas_2021"}[geography]
            wanted = census.execute(
                f"select coalesce(a.name, a.publisher_name, a.code), decile from deprivation join {parent} as a"
                " on a.code = area_code where index_id = ? and a.local_authority = ?",
                (index, NATIONS[nation]),
            ).fetchall()
            drawn = [
                (called, int(decile), int(band))
                for band, paths in BAND.findall(picture)
                for _, called, decile in PATH.findall(paths)
            ]
            assert sorted((called.replace("&#39;", "'"), decile) for called, decile, _ in drawn) == sorted(wanted)
            assert all(decile == band for _, decile, band in drawn)
            assert title in picture
            assert 'role="img"' in picture
            description = re.search(rf'<desc id="picture-{index}-text">([^<]*)', picture)[1]
            assert re.search(r"[\d,]+", description)[0] == f"{len(wanted):,}"
            assert len(picture.encode()) < 200_000
    assert 'class="ends"' in text


def drawn_path(d: str):
    """The polygons of the `d` of a path, drawn from it again."""
    polygons = []
    for part in re.findall(r"M(-?\d+) (-?\d+)l([^z]*)z", d):
        x, y = int(part[0]), int(part[1])
        points, steps = [(x, y)], [int(n) for n in re.findall(r"-?\d+", part[2])]
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            x, y = x + dx, y + dy
            points.append((x, y))
        polygons.append(shapely.Polygon(points).buffer(0))
    return shapely.union_all(polygons)


def test_a_picture_has_the_areas_where_they_are(extract_site, built):
    """Against the boundaries, projected by another formula: each area's middle and surface."""
    text = get(extract_site, "/local-authority/W06000015").text
    picture = re.search(r'<svg class="picture".*?</svg>', text, re.DOTALL)[0]
    drawn = {called: drawn_path(d) for d, called, _ in PATH.findall(picture)}
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        names = dict(
            census.execute(
                "select name, code from lsoas_2021 where local_authority = 'W06000015' and code in"
                " (select area_code from deprivation where index_id = 'wales_2025')"
            )
        )
        real = {}
        for name, code in names.items():
            [text_] = maps.execute("select shape from boundaries where vintage = 2021 and code = ?", (code,)).fetchone()
            real[name] = shapely.transform(
                shape_of(text_).buffer(0),
                lambda points: [
                    (x, -math.degrees(math.log(math.tan(math.pi / 4 + math.radians(y) / 2)))) for x, y in points
                ],
            )
    assert drawn.keys() == real.keys()
    whole = shapely.union_all(list(real.values()))
    west, north, east, _ = whole.bounds
    scale = re.search(r'viewBox="0 0 (\d+) (\d+)"', picture)
    units = max(int(scale[1]), int(scale[2])) / max(east - west, whole.bounds[3] - north)
    for name, shape in drawn.items():
        middle, own = shape.centroid, real[name].centroid
        assert abs((own.x - west) * units - middle.x) < 1.5, name
        assert abs((own.y - north) * units - middle.y) < 1.5, name
        assert shape.area == pytest.approx(real[name].area * units**2, rel=0.15, abs=60), name


@pytest.mark.parametrize("path", ["/postcode/SW1A1AA", "/postcode/CF143LX", "/postcode/BT27DX", "/area/S01011473"])
def test_a_place_s_picture_has_its_own_area_outlined_among_its_neighbours(extract_site, built, path):
    text = get(extract_site, path).text
    [picture] = re.findall(r'<svg class="picture".*?</svg>', text, re.DOTALL)
    assert picture.count('class="own"') == 1
    assert ('class="here"' in picture) == path.startswith("/postcode/")
    own = drawn_path(re.search(r'class="own" d="([^"]+)"', picture)[1])
    paths = [(drawn_path(d), called, int(decile)) for d, called, decile in PATH.findall(picture)]
    assert len(paths) > 5
    inside = [called for shape, called, _ in paths if shape.equals(own)]
    told = re.search(r"<desc[^>]*>(.*?): decile (\d+)", picture)
    assert inside == [told[1]]
    big = re.search(r'<span class="big">Decile (\d+)</span>', text)[1]
    assert told[2] == big, "the newest index of the page"
    if "here" in picture:
        x, y = (int(n) for n in re.search(r'class="here" cx="(-?\d+)" cy="(-?\d+)"', picture).groups())
        width, height = (int(n) for n in re.search(r'viewBox="0 0 (\d+) (\d+)"', picture).groups())
        assert 0 < x < width
        assert 0 < y < height
        assert own.distance(shapely.Point(x, y)) < 0.2 * width, "the postcode is in its area, or at its edge"
    with closing(sqlite3.connect(built.census)) as census:
        for _, called, decile in paths:
            known = census.execute(
                "select decile from deprivation left join small_areas a on a.code = lsoa_2011"
                " left join lsoas_2021 b on b.code = lsoa_2021 where coalesce(a.name, a.publisher_name, b.name) = ?",
                (called.replace("&#39;", "'"),),
            ).fetchall()
            assert (decile,) in known


def test_the_map_s_list_counts_the_areas_in_the_first_decile(extract_site, built):
    for layer, indices in INDICES.items():
        text = get(extract_site, f"/map?layer={layer}").text
        rows = re.findall(
            r'local-authority/([A-Z0-9]+)">[^<]*</a></th><td>([\d,]+)</td><td>([\d,]+)</td><td>([\d.]+) %', text
        )
        with closing(sqlite3.connect(built.census)) as census:
            wanted = census.execute(
                f"""
                select coalesce(a.local_authority, b.local_authority) as la, count(*), sum(decile = 1)
                from deprivation left join small_areas a on a.code = lsoa_2011
                left join lsoas_2021 b on b.code = lsoa_2021 where index_id in {indices} group by la
                """
            ).fetchall()
        listed = sorted((code, int(areas), int(most)) for code, areas, most, _ in rows)
        whole = [
            row
            for row in wanted
            if "it does not hold every area of" not in get(extract_site, f"/local-authority/{row[0]}").text
        ]
        assert 8 < len(whole) < len(wanted), "of some authorities the extract has only a few areas"
        assert listed == sorted(whole)
        for _, areas, most, share in rows:
            assert float(share) == pytest.approx(100 * int(most) / int(areas), abs=0.06)


@pytest.mark.parametrize(
    "asked, at",
    [
        ("sw1a 1aa", "14/51.50101/-0.14159"),
        ("E01004736", "13/51."),
        ("W06000015", "10/51."),
        ("S08000028", "8/5"),
    ],
)
def test_the_box_of_the_map_leads_to_a_place_on_it(extract_site, asked, at):
    answer = get(extract_site, f"/map?q={asked}", follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"/map?layer=uk_latest#at={at}")


def test_the_box_of_the_map_keeps_what_is_looked_at_and_names_the_area(extract_site, built):
    def led(asked: str) -> str:
        return get(extract_site, f"/map?q={asked}", follow_redirects=False).headers["location"]

    assert led("SW1A1AA&layer=uk_2011&measure=crime").endswith("&measure=crime&area=E01004736")
    assert led("SW1A1AA&layer=uk_2011&measure=%26x").endswith("-0.14159&area=E01004736")
    assert "area" not in led("W06000015")
    with closing(sqlite3.connect(built.census)) as census:
        [gone] = census.execute(
            "select min(lsoa_2011) from lsoa_changes where lsoa_2011 not in (select code from lsoas_2021)"
        ).fetchone()
        [new] = census.execute(
            "select min(code) from lsoas_2021 where latitude is not null and code not in (select code from small_areas)"
        ).fetchone()
        postcode, newer = census.execute(
            "select replace(postcode, ' ', ''), lsoa_2021 from postcodes where lsoa_2021 is not null"
            " and lsoa_2021 <> lsoa_2011 and latitude is not null and terminated is null limit 1"
        ).fetchone()
    assert led(gone).startswith("/map?layer=uk_2011#"), "the newest edition has no such area"
    assert led(f"{new}&layer=uk_2011").startswith("/map?layer=uk_latest#")
    assert led(postcode).endswith(f"&area={newer}")


@pytest.mark.parametrize("asked", ["Cardiff", "SW1A1ZZ", "nowhere"])
def test_what_has_no_certain_place_leads_to_the_list_of_what_it_may_mean(extract_site, asked):
    answer = get(extract_site, f"/map?q={asked}", follow_redirects=False)
    assert answer.headers["location"] == f"/search?q={asked}"


def test_an_unknown_map_is_named(extract_site):
    answer = get(extract_site, "/map?layer=uk_1991")
    assert answer.status_code == 404
    assert all(name in answer.text for name in ("uk_1991", *LAYERS))


# The whole UK


def test_the_map_of_the_uk_is_within_its_bounds(full_maps):
    assert full_maps.peak < 2 << 30
    assert full_maps.path.stat().st_size <= 170_000_000
    print(f"{full_maps.seconds:.0f} s, {full_maps.peak >> 20} MiB, {full_maps.path.stat().st_size / 1e6:.1f} MB")


@pytest.mark.parametrize("layer", LAYERS)
def test_every_area_of_every_index_is_in_the_tiles_of_the_uk(full_build, full_maps, layer):
    with closing(sqlite3.connect(full_build.path)) as census, closing(sqlite3.connect(full_maps.path)) as maps:
        figures = figures_of(census, layer)
        assert len(figures) == {"uk_2011": 42619, "uk_latest": 43538}[layer]
        for zoom in (10, 12):
            codes = set()
            for (data,) in maps.execute(f"select tile_data from tiles_{layer} where zoom_level = ?", (zoom,)):
                for feature in decoded(data)[layer]["features"] if zoom == 10 else ():
                    codes.add(feature["properties"]["code"])
                    same(feature["properties"], figures[feature["properties"]["code"]], named=True)
                if zoom == 12:  # its codes alone: to decode all is a matter of minutes
                    codes.update(re.findall(rb"[EWS]01[0-9]{6}|95[A-Z]{2}[0-9]{2}[A-Z][0-9]", gzip.decompress(data)))
            found = {code if isinstance(code, str) else code.decode() for code in codes}
            assert found == figures.keys(), f"zoom {zoom}: {sorted(found ^ figures.keys())[:10]}"


def test_the_tiles_around_twenty_places_of_the_uk_have_exactly_the_areas_there(full_build, full_maps):
    with closing(sqlite3.connect(full_build.path)) as census:
        assert check_places(full_maps.path, census, places_of(census, 20)) > 500


@pytest.mark.usefixtures("full_maps")
def test_the_picture_of_the_largest_authority_is_below_200_kB(full_build, tmp_path):
    site = datasette_of(site_of(full_build.path, tmp_path))
    with closing(sqlite3.connect(full_build.path)) as census:
        most = census.execute(
            "select local_authority from small_areas group by 1 order by count(*) desc limit 5"
        ).fetchall()
        large = census.execute(
            "select code from local_authorities where name in ('Highland', 'Argyll and Bute', 'Cornwall')"
        ).fetchall()
    assert len(large) == 3
    for (code,) in most + large:
        pictures = re.findall(r'<svg class="picture".*?</svg>', get(site, f"/local-authority/{code}").text, re.DOTALL)
        assert pictures, code
        assert max(len(picture.encode()) for picture in pictures) < 200_000, code
    assert Maps(full_build.path).layers == ("uk_2011", "uk_latest", "local_authorities")


# The program that draws


def test_the_program_of_the_map_comes_from_here_with_its_licence(extract_site):
    answer = get(extract_site, "/map/maplibre-gl.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "@license 3-Clause BSD" in answer.text[:400]
    again = get(extract_site, "/map/maplibre-gl.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(extract_site, "/map/maplibre-gl.css").headers["content-type"] == "text/css; charset=utf-8"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "maplibre-gl" not in tracked, "it is not in the repository"


def test_without_the_program_the_map_is_a_picture_and_a_list(extract_site, built, tmp_path, monkeypatch):
    site = datasette_of(site_of(built.census, tmp_path))
    with monkeypatch.context() as without:
        without.setattr(map_program, "library", dict)
        text = get(site, "/map").text
    assert "maplibre-gl" not in text
    [note] = notes(text)
    assert "<code>make map</code>" in note
    assert '<svg class="picture"' in text
    assert "maplibre-gl.js" in get(extract_site, "/map").text


def test_another_map_gives_pages_another_entity_tag(extract_site, built, tmp_path):
    folder = site_of(built.census, tmp_path)
    (folder / "maps").unlink()
    site = datasette_of(folder)
    asyncio.run(site.invoke_startup())
    without = get(site, "/area/E01004736").headers["etag"]
    assert without != get(extract_site, "/area/E01004736").headers["etag"]
