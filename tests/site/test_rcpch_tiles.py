"""The RCPCH Census Platform's vector tiles: addresses, layers, properties and figures, over the extract and the UK.

What a tile holds is decoded by another program than made it, and compared with census.db by joins of its own. The map
component `@rcpch/imd-map` is not on the package registry: `imd_map.html` requests what it requests, in a real browser.
"""

import asyncio
import csv
import functools
import gzip
import http.server
import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import httpx
import mapbox_vector_tile
import pytest
import shapely
import yaml
from datasette.app import Datasette
from hypothesis import given, settings
from hypothesis import strategies as st

from census.build import dissolve, map_file, tippecanoe
from census.domain import mvt, shapes
from census.lookup import map_figures, maps, tile_tables
from census.web.responses import CODE
from tests.browser.test_browser import chromium, picture  # noqa: F401
from tests.conftest import ROOT, datasette_of, site_of, stamp
from tests.site.test_maps import few_zooms, tile_of

BASE = "/deprivation/v2/tiles"
TIERS = {"z0_4": range(5), "z5_7": range(5, 8), "z8_10": range(8, 11), "z11_14": range(11, 15)}
TEXT = "code area_name la_code la_name nhser_code nhser_name icb_code icb_name lhb_code lhb_name nation".split()
MASTER = dict.fromkeys(TEXT, str) | dict.fromkeys(("year", "imd_year", "imd_decile", "la_year"), int)
LSOA = {"lsoa_code": str, "area_name": str, "imd_decile": int, "imd_rank": int, "year": int}
NAMED = {"code": str, "area_name": str, "nation": str, "year": int}
PROPERTIES = {
    "uk_master_2011": MASTER,
    "uk_master_2021": MASTER,
    "lsoa_tiles_2011": LSOA,
    "lsoa_tiles_2021": LSOA,
    "la_tiles": {"year": int, "lad_code": str},
    "nhser_tiles_2021": NAMED,
    "icb_tiles_2023": NAMED,
    "lhb_tiles_2022": NAMED,
}
OVERLAYS = ("la_tiles", "nhser_tiles_2021", "icb_tiles_2023", "lhb_tiles_2022")
INDICES = {
    "uk_master_2011": ("england_2019", "wales_2019", "scotland_2020", "northern_ireland_2017"),
    "uk_master_2021": ("england_2025", "wales_2019", "scotland_2020", "northern_ireland_2017"),
    "lsoa_tiles_2011": ("england_2019", "wales_2019"),
    "lsoa_tiles_2021": ("england_2025",),
}
PLACES = {
    "england": (-0.1416, 51.501),
    "wales": (-3.18, 51.48),
    "scotland": (-4.0, 55.79),
    "northern_ireland": (-5.93, 54.6),
}
"""A nation, as the tiles call it, to a place of the extract in it."""


@pytest.fixture(scope="module")
def built(extract_db) -> SimpleNamespace:
    return SimpleNamespace(census=extract_db, path=maps.map_of(extract_db))


def get(site, path: str, **options):
    return asyncio.run(site.client.get(BASE + path, **options))


def decoded(data: bytes) -> dict:
    return mapbox_vector_tile.decode(data, default_options={"y_coord_down": True})


def stored(path: Path, table: str, zoom: int, codes: str | None = None) -> dict[str, dict]:
    """The properties of all features in a table's tiles of a zoom, by code; the layer's name is that of the tier.

    codes: the property with the code; without it by all properties, as JSON.
    """
    [tier] = [tier for tier, zooms in TIERS.items() if zoom in zooms]
    found = {}
    with closing(sqlite3.connect(path)) as maps:
        for (data,) in maps.execute(f"select tile_data from tiles_{table} where zoom_level = ?", (zoom,)):
            [(layer, content)] = decoded(gzip.decompress(data)).items()
            assert layer == f"public.{table}_{tier}"
            for feature in content["features"]:
                properties = feature["properties"]
                key = properties[codes] if codes else json.dumps(properties, sort_keys=True)
                assert found.setdefault(key, properties) == properties
    return found


def of_census(path: Path, table: str) -> dict[str, dict]:
    """What the features of a table must say, by code, read from census.db without the code that builds the map."""
    with closing(sqlite3.connect(path)) as census:

        def by_code(columns: str, source: str) -> dict:
            """Each row by its first column: the second, or all the others."""
            rows = census.execute(f"select {columns} from {source}").fetchall()
            return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}

        name = "coalesce(name, publisher_name)"
        names = by_code("code, name", "local_authorities")
        boards = by_code("code, name", "health_geographies")
        region_2022 = by_code("icb_2022, nhs_region, nhs_region_name", "nhs_regions_2021")
        region_2024 = by_code("icb_2024, nhs_region, nhs_region_name", "nhs_regions_2021")
        welsh = by_code("local_authority, health_board, health_board_name", "health_boards_2022")
        icb_2022 = by_code("code, icb_2022", "lsoas_2011")
        areas = by_code(f"code, {name}, local_authority_2019", "small_areas")
        newer = by_code(f"code, {name}, local_authority_2024, icb_2024", "lsoas_2021")
        figures = census.execute(
            "select area_code, nation, year, deprivation.rank, decile from deprivation join indices on id = index_id"
            f" where index_id in ({', '.join('?' * len(INDICES[table]))})",
            INDICES[table],
        ).fetchall()
    expected = {}
    for code, nation, imd_year, rank, decile in figures:
        year = {"Northern Ireland": 2001, "England": 2021 if imd_year == 2025 else 2011}.get(nation, 2011)
        if table.startswith("lsoa"):
            name = (newer if year == 2021 else areas)[code][0]
            expected[code] = {"lsoa_code": code, "area_name": name, "imd_decile": decile, "imd_rank": rank}
            expected[code]["year"] = year
            continue
        row = {"code": code, "imd_decile": decile, "imd_year": imd_year, "year": year}
        row["nation"] = nation.lower().replace(" ", "_")
        if year == 2021:
            row["area_name"], row["la_code"], row["icb_code"] = newer[code]
            row["la_year"] = 2024
            row["nhser_code"], row["nhser_name"] = region_2024[row["icb_code"]]
        else:
            row["area_name"], row["la_code"] = areas[code]
            row["la_year"] = {"England": 2019, "Wales": 2019, "Scotland": 2011}.get(nation)
        if nation == "England" and year == 2011:
            row["icb_code"] = icb_2022[code]
            row["nhser_code"], row["nhser_name"] = region_2022[row["icb_code"]]
        if nation == "England":
            row["icb_name"] = boards[row["icb_code"]]
        if nation == "Wales":
            row["lhb_code"], row["lhb_name"] = welsh[row["la_code"]]
        if nation == "Northern Ireland":
            row["la_code"] = None
        row["la_name"] = names.get(row["la_code"])
        expected[code] = {name: value for name, value in row.items() if value is not None}
    return expected


# What the tiles hold


@pytest.mark.parametrize("table", INDICES)
@pytest.mark.parametrize("zoom", [10, 12])
def test_every_area_is_in_the_tiles_with_the_figures_of_the_database(built, table, zoom):
    found = stored(built.path, table, zoom, "lsoa_code" if table.startswith("lsoa") else "code")
    assert len(found) > 500
    assert found == of_census(built.census, table)


@pytest.mark.parametrize("table", INDICES)
def test_low_zooms_have_all_properties_too(built, table):
    for zoom in (3, 5, 7):
        found = stored(built.path, table, zoom, "lsoa_code" if table.startswith("lsoa") else "code")
        expected = of_census(built.census, table)
        assert found
        assert all(properties == expected[code] for code, properties in found.items())


def test_wales_is_of_2019_in_both_eras_and_nations_are_in_lower_case(built):
    eras = {era: stored(built.path, f"uk_master_{era}", 10, "code") for era in (2011, 2021)}
    for era, found in eras.items():
        assert {properties["nation"] for properties in found.values()} == set(PLACES)
        years = {(p["nation"], p["year"], p["imd_year"], p.get("la_year")) for p in found.values()}
        english = ("england", 2011, 2019, 2019) if era == 2011 else ("england", 2021, 2025, 2024)
        others = {("wales", 2011, 2019, 2019), ("scotland", 2011, 2020, 2011), ("northern_ireland", 2001, 2017, None)}
        assert years == {english, *others}
    others = [{c: p for c, p in found.items() if p["nation"] != "england"} for found in eras.values()]
    assert others[0] == others[1]


def overlays_of(census: Path) -> dict[str, set[tuple]]:
    """What the overlays must hold: code and year, or code, name, nation and year."""
    with closing(sqlite3.connect(census)) as db:
        regions = {
            (code, name, "england", 2022)
            for code, name in db.execute(
                "select nhs_region, nhs_region_name from lsoas_2011 join nhs_regions_2021 using (icb_2022)"
            )
        }
        boards = {
            (code, name, "england", 2024)
            for code, name in db.execute(
                "select code, name from health_geographies where code in (select icb_2024 from lsoas_2021)"
            )
        }
        welsh = {
            (code, name, "wales", 2022)
            for code, name in db.execute(
                "select health_board, health_board_name from health_boards_2022"
                " where local_authority in (select local_authority_2019 from small_areas)"
            )
        }
        older = {
            (code, {"S": 2011}.get(code[0], 2019))
            for (code,) in db.execute("select local_authority_2019 from small_areas where nation <> 'Northern Ireland'")
        }
        newer = {
            (code, 2024)
            for (code,) in db.execute(
                "select code from local_authorities where vintages like '%2024%' and nation in ('England', 'Wales')"
                " and coalesce(successor, code) in (select local_authority from small_areas"
                " union select local_authority from lsoas_2021)"
            )
        }
    return {"la_tiles": older | newer, **dict(zip(OVERLAYS[1:], (regions, boards, welsh), strict=True))}


def overlays_in(path: Path, zoom: int) -> dict[str, set[tuple]]:
    """What the overlays do hold at a zoom, as `overlays_of` has it."""
    found = {}
    for table in OVERLAYS:
        names = ("lad_code", "year") if table == "la_tiles" else tuple(NAMED)
        features = stored(path, table, zoom).values()
        found[table] = {tuple(properties[name] for name in names) for properties in features}
    return found


@pytest.mark.parametrize("zoom", [7, 10, 12])
def test_overlays_have_the_authorities_and_boards_with_the_true_years(built, zoom):
    assert overlays_in(built.path, zoom) == overlays_of(built.census)


def test_a_board_is_its_areas_together(built):
    """Against the boundaries of its areas: the same ground, but for holes in which no area lies."""
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        for feature in tile_tables.features(census, "icb_tiles_2023"):
            outlines = [
                polygon
                for (text,) in maps.execute(
                    f"select shape from boundaries where vintage = 2021 and code in {(*feature.codes, '')}"
                )
                for polygon in shapes.polygons(text)
            ]
            union = dissolve.dissolve(outlines, lambda *_: ())
            assert all(len(polygon) == 1 for polygon in union)
            one = shapely.union_all([shapely.Polygon(outer) for (outer,) in union])
            areas = shapely.union_all([shapely.Polygon(outer, inner).buffer(0) for outer, *inner in outlines])
            holes = [shapely.Polygon(hole) for part in shapely.get_parts(areas) for hole in part.interiors]
            assert one.symmetric_difference(shapely.union_all([areas, *holes])).area < 0.0001 * areas.area


def test_a_hole_is_filled_unless_another_area_lies_in_it():
    def square(at, side):
        return [(at, at), (at + side, at), (at + side, at + side), (at, at + side)]

    boxes, outlines = [], [[square(0, 1000), square(100, 500)]]
    for others, rings in (([], 1), ([[[square(100, 500)]]], 2), ([[[square(2000, 9)]]], 1)):
        [polygon] = dissolve.dissolve(outlines, lambda *box, there=others: boxes.append(box) or there)
        assert len(polygon) == rings
    assert boxes == [(100, 100, 600, 600)] * 3


# Addresses


@pytest.mark.parametrize("tier", [*TIERS, None])
@pytest.mark.parametrize("table", PROPERTIES)
def test_each_table_answers_at_each_of_its_zooms(extract_site, table, tier):
    name = f"{table}_{tier}" if tier else table
    place = PLACES["wales" if table.startswith("lhb") else "england"]
    for zoom in TIERS[tier or "z11_14"]:
        column, row = tile_of(*place, zoom)
        answer = get(extract_site, f"/public.{name}/{zoom}/{column}/{row}.pbf")
        if tier is None and table not in OVERLAYS:
            assert (answer.status_code, answer.json()["reason"]) == (404, "no_layer")
            continue
        if zoom == 0 and answer.status_code == 204:
            continue  # so far away an extract's areas may all be too small to be drawn
        assert answer.status_code == 200, zoom
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        [(layer, content)] = decoded(answer.content).items()
        assert layer == f"public.{name}"
        assert content["features"]
        for feature in content["features"]:
            for property_, value in feature["properties"].items():
                assert type(value) is PROPERTIES[table][property_], property_


@pytest.mark.parametrize("nation", PLACES)
@pytest.mark.parametrize("zoom", [13, 14])
def test_tiles_beyond_the_deepest_stored_zoom_have_the_areas_there(extract_site, built, nation, zoom):
    """Against the boundaries: every area that surely reaches into the tile, none that is far away."""
    expected = of_census(built.census, "uk_master_2021")
    column, row = tile_of(*PLACES[nation], zoom)
    answer = get(extract_site, f"/public.uk_master_2021_z11_14/{zoom}/{column}/{row}.pbf")
    content = decoded(answer.content)["public.uk_master_2021_z11_14"]
    within, margin = content["extent"], content["extent"] // mvt.MARGIN
    found = {feature["properties"]["code"]: feature for feature in content["features"]}
    assert all(feature["properties"] == expected[code] for code, feature in found.items())
    parent = get(extract_site, f"/public.uk_master_2021_z11_14/12/{column >> zoom - 12}/{row >> zoom - 12}.pbf")
    scale, mask = 1 << zoom - 12, (1 << zoom - 12) - 1
    west, north = (column & mask) * within, (row & mask) * within
    own = shapely.box(-margin, -margin, within + margin, within + margin)
    for feature in decoded(parent.content)["public.uk_master_2021_z11_14"]["features"]:
        code, whole = feature["properties"]["code"], shapely.geometry.shape(feature["geometry"])
        moved = shapely.transform(whole, lambda points: points * scale - [west, north]).buffer(0).intersection(own)
        cut = shapely.geometry.shape(found[code]["geometry"]) if code in found else shapely.Polygon()
        assert cut.buffer(0).symmetric_difference(moved).area <= moved.length + 3, code
        assert cut.is_empty or own.contains(shapely.box(*cut.bounds)) or own.covers(shapely.box(*cut.bounds))
    assert found


def test_a_tile_of_its_own_tier_is_sent_as_it_is_stored(extract_site, built):
    column, row = tile_of(*PLACES["england"], 12)
    with closing(sqlite3.connect(built.path)) as maps:
        [data] = maps.execute(
            "select tile_data from tiles_uk_master_2021 where zoom_level = 12 and tile_column = ? and tile_row = ?",
            (column, (1 << 12) - 1 - row),
        ).fetchone()
    address = f"/public.uk_master_2021_z11_14/12/{column}/{row}.pbf"
    answer = get(extract_site, address, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(data)
    assert answer.content == gzip.decompress(data)
    plain = get(extract_site, address, headers={"accept-encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.content) == (False, answer.content)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=3600", "an address without a version is kept an hour"
    assert answer.headers["vary"] == "accept-encoding"
    assert CODE.decode() in answer.headers["etag"]
    again = get(extract_site, address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = asyncio.run(extract_site.client.head(BASE + address))
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert head.headers["content-length"]


def test_another_tier_s_name_gives_the_same_tile_under_that_name(extract_site):
    column, row = tile_of(*PLACES["england"], 9)
    tiles = {}
    for tier in TIERS:
        answer = get(extract_site, f"/public.icb_tiles_2023_{tier}/9/{column}/{row}.pbf")
        [(layer, tiles[tier])] = decoded(answer.content).items()
        assert layer == f"public.icb_tiles_2023_{tier}"
    assert all(content == tiles["z8_10"] for content in tiles.values())


def test_a_key_in_the_query_changes_nothing(extract_site):
    column, row = tile_of(*PLACES["wales"], 14)
    address = f"/public.lhb_tiles_2022_z11_14/14/{column}/{row}.pbf"
    plain = get(extract_site, address)
    for query in ("api_key=abc", "Subscription-Key=abc", "v=other", "v=", "a=1&a=2&%ff"):
        answer = get(extract_site, f"{address}?{query}")
        assert (answer.status_code, answer.content) == (plain.status_code, plain.content) == (200, plain.content)
        assert dict(answer.headers) == dict(plain.headers)


def test_no_log_has_the_key(server):
    base, log = server
    column, row = tile_of(*PLACES["england"], 13)
    paths = {
        f"/public.la_tiles_z11_14/13/{column}/{row}.pbf": 200,
        "/public.la_tiles/99/0/0.pbf": 404,
        "/public.la_tiles.json": 200,
    }
    for path, status in paths.items():
        assert httpx.get(f"{base}{BASE}{path}?api_key=the-very-key", timeout=60).status_code == status
    assert "the-very-key" not in log.read_text()


@pytest.mark.parametrize(
    "path, status, reason",
    [
        ("/public.uk_master_2021_z5_7/5/1/1.pbf", 204, None),
        ("/public.uk_master_2021_z11_14/14/1/1.pbf", 204, None),
        ("/public.uk_master_2021_z11_14/15/1/1.pbf", 404, "no_tile"),
        ("/public.uk_master_2021_z11_14/5/32/1.pbf", 404, "no_tile"),
        ("/public.uk_master_2021_z11_14/5/1/1.png", 404, "no_tile"),
        ("/public.uk_master_2021_z11_14/5/1/x.pbf", 404, "no_tile"),
        ("/uk_master_2021_z11_14/5/1/1.pbf", 404, "no_tile"),
        ("/public.uk_master_2021_z0_9/5/1/1.pbf", 404, "no_layer"),
        ("/public.uk_master_1991_z0_4/1/1/1.pbf", 404, "no_layer"),
        ("/public.uk_latest/1/1/1.pbf", 404, "no_layer"),
        ("/public.sqlite_master.json", 404, "no_layer"),
        ("/public.uk_master_2021.json", 404, "no_layer"),
        ("/", 404, "no_tile"),
    ],
)
def test_what_is_no_tile_says_why(extract_site, path, status, reason):
    answer = get(extract_site, path)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    if reason:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reason"] == reason
    else:
        assert (answer.content, answer.headers["cache-control"]) == (b"", "public, max-age=3600")


@pytest.mark.parametrize(
    "name", ["channel_islands_tiles", "channel_islands_tiles_z0_4", "channel_islands_tiles_z11_14"]
)
def test_the_islands_have_no_tiles_and_the_answer_says_why(extract_site, name):
    for path in (f"/public.{name}/0/0/0.pbf", f"/public.{name}.json"):
        answer = get(extract_site, path)
        assert answer.status_code == 404
        for island in ("Guernsey", "Jersey", "Isle of Man"):
            assert island in answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_tiles_are_only_read(extract_site, method):
    path = f"{BASE}/public.la_tiles/0/0/0.pbf"
    answer = asyncio.run(extract_site.client.request(method, path))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    options = asyncio.run(extract_site.client.options(path))
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["access-control-allow-origin"] == "*"


def test_the_index_leads_to_every_table_and_each_to_its_tiles(extract_site):
    listed = get(extract_site, "/index.json").json()
    wanted = {f"{table}_{tier}" for table in PROPERTIES for tier in TIERS} | set(OVERLAYS)
    assert listed.keys() == {f"public.{name}" for name in wanted}
    for name, row in listed.items():
        assert row.keys() == {"id", "name", "schema", "type", "description", "detailurl"}
        assert (row["id"], row["schema"], f"public.{row['name']}") == (name, "public", name)
        detail = asyncio.run(extract_site.client.get(row["detailurl"].removeprefix("http://localhost"))).json()
        table = re.sub(r"_z\d+_\d+$", "", row["name"])
        types = {"text": str, "int4": int}
        assert {one["name"]: types[one["type"]] for one in detail["properties"]} == PROPERTIES[table]
        assert (detail["id"], detail["geometrytype"]) == (name, "MultiPolygon")
        assert (detail["minzoom"], detail["maxzoom"]) == (0, 14)
        assert detail["detailurl"] == row["detailurl"]
        assert detail["tileurl"] == f"http://localhost{BASE}/{name}/{{z}}/{{x}}/{{y}}.pbf"
        west, south, east, north = detail["bounds"]
        assert -9 < west < detail["center"][0] < east < 2
        assert 49 < south < detail["center"][1] < north < 61
        column, line = tile_of(*detail["center"], 4)
        tile = asyncio.run(extract_site.client.get(f"{BASE}/{name}/4/{column}/{line}.pbf"))
        assert tile.status_code == 200
        assert {index["id"] for index in detail["editions"]} == set(INDICES.get(table, ()))
        assert "Government Licence" in detail["attribution"]
        assert ("erived" in (detail["derived"] or "")) == (table in OVERLAYS)
        if table in OVERLAYS:
            assert re.search(r"lookup of 20\d\d", detail["derived"])
        assert "Westminster" in detail["extract"]
        assert "extract" in detail["description"]
    wales = get(extract_site, "/public.lhb_tiles_2022.json").json()
    assert wales["bounds"][2] < -2.5, "the extent is the table's own"


def test_tiles_are_below_the_setting_and_a_base_url(built, tmp_path):
    folder = site_of(built.census, tmp_path)
    settings_ = json.loads((folder / "settings.json").read_text()) | {"base_url": "/census/"}
    (folder / "metadata.yml").unlink()
    whole = yaml.safe_load((ROOT / "metadata.yml").read_text())
    whole["plugins"]["api"]["rcpch_v2_base_path"] = "/other/v2/"
    whole["plugins"]["api"]["rcpch_base_path"] = "/other"  # version 1 is at a base above it, and tiles go first
    (folder / "metadata.yml").write_text(yaml.safe_dump(whole))
    site = Datasette(config_dir=folder, settings=settings_)
    detail = asyncio.run(site.client.get("/other/v2/tiles/public.la_tiles.json")).json()
    assert detail["tileurl"] == "http://localhost/census/other/v2/tiles/public.la_tiles/{z}/{x}/{y}.pbf"
    assert asyncio.run(site.client.get("/other/v2/tiles/public.la_tiles/0/0/0.pbf")).status_code == 200
    assert asyncio.run(site.client.get("/tiles/uk_latest/0/0/0.pbf")).status_code == 200


# What is left out


def test_without_lookup_or_shapely_the_rest_is_there_and_says_so(built, tmp_path, monkeypatch):
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    with closing(sqlite3.connect(census)) as db, db:
        db.execute("delete from nhs_regions_2021")
    stamp(census)
    monkeypatch.setattr(map_file, "find_spec", lambda _: None)
    said = []
    with few_zooms(("uk_master_2011", "uk_master_2021", *OVERLAYS)):
        counted = map_file.build(census, maps.map_of(census), None, said.append)
    assert counted["uk_master_2021"] > 0 == counted["icb_tiles_2023"] == counted["nhser_tiles_2021"]
    assert any("Shapely" in line for line in said)
    found = stored(maps.map_of(census), "uk_master_2011", 3, "code")
    assert not [p for p in found.values() if "nhser_code" in p]
    assert [p for p in found.values() if "icb_code" in p]
    assert {p["year"] for p in stored(maps.map_of(census), "la_tiles", 3).values()} == {2024}
    (tmp_path / "site").mkdir()
    site = datasette_of(site_of(census, tmp_path / "site"))
    assert "nhs_regions_2021" in get(site, "/public.nhser_tiles_2021.json").json()["detail"]
    for name in ("icb_tiles_2023", "lhb_tiles_2022_z0_4"):
        answer = get(site, f"/public.{name}/0/0/0.pbf")
        assert answer.status_code == 404
        assert "Shapely" in answer.json()["detail"]
    assert "Shapely" in get(site, "/public.la_tiles.json").json()["description"]
    assert "public.icb_tiles_2023" not in get(site, "/index.json").json()


def test_without_tippecanoe_there_are_no_tiles_and_a_reason(built, tmp_path, monkeypatch):
    monkeypatch.setattr(tippecanoe, "program", lambda: None)
    census = tmp_path / "census.db"
    shutil.copy(built.census, census)
    map_file.build(census, maps.map_of(census), None, lambda _: None)
    (tmp_path / "site").mkdir()
    answer = get(datasette_of(site_of(census, tmp_path / "site")), "/public.uk_master_2021_z0_4/0/0/0.pbf")
    assert (answer.status_code, answer.json()["reason"]) == (404, "no_layer")
    assert "tippecanoe" in answer.json()["detail"]


@pytest.mark.parametrize(
    "change",
    [
        "update nhs_regions_2021 set nhs_region_name = 'X'",
        "update health_boards_2022 set health_board_name = 'X'",
    ],
)
def test_another_lookup_is_another_map(built, tmp_path, change):
    """The digest of what the map carries has the lookups in it."""
    with closing(sqlite3.connect(built.census)) as census, closing(sqlite3.connect(built.path)) as maps:
        [figures] = maps.execute("select value from metadata where name = 'figures'").fetchone()
        assert map_figures.figures_digest(census) == figures
    shutil.copy(built.census, tmp_path / "census.db")
    with closing(sqlite3.connect(tmp_path / "census.db")) as census:
        census.execute(change)
        assert map_figures.figures_digest(census) != figures


# Tiles as whole numbers

POINT = st.tuples(st.integers(-40, 1064), st.integers(-40, 1064))


@st.composite
def polygons(draw):
    """A valid polygon, perhaps with a hole, around a centre: points by angle, so that it never crosses itself."""
    points = draw(st.lists(POINT, min_size=3, max_size=12, unique=True))
    hull = shapely.MultiPoint(points).convex_hull
    if hull.geom_type != "Polygon" or hull.area < 50:
        hull = shapely.box(*points[0], points[0][0] + 30, points[0][1] + 20)
    centre = hull.centroid
    size = draw(st.integers(0, 6))
    hole = shapely.box(round(centre.x), round(centre.y), round(centre.x) + size, round(centre.y) + size)
    return hull.difference(hole) if size and hull.contains(hole) and hull.exterior.distance(hole) > 1 else hull


@settings(max_examples=150, deadline=None)
@given(st.lists(polygons(), min_size=1, max_size=4), st.integers(1, 2), st.data())
def test_a_cut_tile_is_the_part_of_the_whole_with_its_properties(shapes, levels, data):
    """Against Shapely and another program's encoder and decoder: ground, winding, extent and properties."""
    column, row = (data.draw(st.integers(0, (1 << levels) - 1)) for _ in "xy")
    features = [{"geometry": shape, "properties": {"n": n, "t": f"é{n % 2}"}} for n, shape in enumerate(shapes)]
    options = {"y_coord_down": True, "extents": 1024}
    tile = mapbox_vector_tile.encode([{"name": "layer", "features": features}], default_options=options)
    before = {f["properties"]["n"]: f for f in decoded(tile)["layer"]["features"]}
    cut = mvt.overzoomed(tile, "other", levels, column, row)
    content = decoded(cut)["other"] if cut else {"extent": 1024, "features": []}
    assert content["extent"] == 1024
    after = {f["properties"]["n"]: f for f in content["features"]}
    assert len(after) == len(content["features"])
    box = shapely.box(-16, -16, 1040, 1040)
    for n, feature in before.items():
        scale, move = 1 << levels, (column * 1024, row * 1024)
        whole = shapely.transform(shapely.geometry.shape(feature["geometry"]), lambda p, s=scale, m=move: p * s - m)
        expected = whole.buffer(0).intersection(box)
        part = shapely.geometry.shape(after[n]["geometry"]) if n in after else shapely.Polygon()
        assert part.buffer(0).symmetric_difference(expected).area <= expected.length + 3
        assert part.is_empty or box.covers(shapely.box(*part.bounds))
        if n in after:
            assert after[n]["properties"] == feature["properties"]
            assert after[n]["geometry"]["type"] in ("Polygon", "MultiPolygon"), "the winding says what is a hole"


def test_a_renamed_tile_differs_in_its_name_alone(built):
    with closing(sqlite3.connect(built.path)) as maps:
        [data] = maps.execute("select tile_data from tiles_uk_latest where zoom_level = 9 limit 1").fetchone()
    tile = gzip.decompress(data)
    renamed = mvt.renamed(tile, "é" * 100)
    assert decoded(renamed) == {"é" * 100: decoded(tile)["uk_latest"]}
    assert mvt.renamed(renamed, "uk_latest") != renamed
    assert decoded(mvt.renamed(renamed, "uk_latest")) == decoded(tile)


# In a browser


@pytest.fixture
def dashboard(chromium, server):  # noqa: F811
    """A page on another origin that shows the tiles as the map component does; `wrong` is what went wrong."""
    base, _ = server

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=ROOT / "tests"))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    context = chromium.new_context(viewport={"width": 900, "height": 700})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.wrong, page.tiles = [], []
    page.on("console", lambda line: page.wrong.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))

    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # which the map itself gives up, as it jumps to another zoom
            page.wrong.append(f"{request.url} {request.failure}")

    def answered(response):
        if BASE in response.url:
            page.tiles.append(response.url)
        if response.status >= 400:
            page.wrong.append(f"{response.status} {response.url}")

    page.on("requestfailed", failed)
    page.on("response", answered)
    query = urlencode({"site": base, "tiles": f"{base}{BASE}/", "key": "a key"})
    page.goto(f"http://127.0.0.1:{served.server_port}/imd_map.html?{query}")
    page.wait_for_function("window.ready")
    yield page
    context.close()
    served.shutdown()


def quiet(page) -> list[str]:
    """What went wrong but for the browser's remarks on its own graphics."""
    return [line for line in page.wrong if "GPU stall" not in line and "WebGL" not in line]


@pytest.mark.parametrize("era", ["2011", "2021"])
def test_a_browser_draws_every_nation_with_the_deciles_of_the_database(dashboard, built, era):
    expected = of_census(built.census, f"uk_master_{era}")
    for nation, place in PLACES.items():
        for zoom in (3.5, 6, 9, 12, 14.5):
            dashboard.evaluate("([...given]) => show(...given)", [era, nation, [], place, zoom])
            drawn = dashboard.evaluate("(table) => drawn(table)", f"uk_master_{era}")
            assert drawn, (nation, zoom)
            assert {row["nation"] for row in drawn} == {nation}
            [tier] = [tier for tier, zooms in TIERS.items() if min(int(zoom), 14) in zooms]
            for row in drawn:
                assert row.pop("layer") == f"public.uk_master_{era}_{tier}"
                assert row == expected[row["code"]]
    assert dashboard.evaluate("window.errors") == []
    assert quiet(dashboard) == []
    assert all("api_key=a%20key" in url for url in dashboard.tiles)


def test_a_browser_draws_the_overlays_as_lines(dashboard, built):
    wanted = overlays_of(built.census)
    for zoom in (4.5, 6.5, 9.5, 13.5):
        for nation, overlays in (("wales", ["la_tiles", "lhb_tiles_2022"]), ("england", list(OVERLAYS[:3]))):
            dashboard.evaluate("([...given]) => show(...given)", ["2021", "all", overlays, PLACES[nation], zoom])
            for table in overlays:
                held = dashboard.evaluate("(table) => held(table)", table)
                names = ("lad_code", "year") if table == "la_tiles" else tuple(NAMED)
                assert held, (table, zoom)
                assert {tuple(row[name] for name in names) for row in held} <= wanted[table]
                if zoom < 9:
                    assert dashboard.evaluate("(table) => drawn(table)", table), (table, zoom)
    dashboard.evaluate("([...given]) => show(...given)", ["2021", "all", list(OVERLAYS), [-3.2, 52.2], 7.2])
    picture(dashboard, "imd-map-wales")
    dashboard.evaluate("([...given]) => show(...given)", ["2021", "all", list(OVERLAYS), PLACES["england"], 13.4])
    picture(dashboard, "imd-map-westminster")
    assert dashboard.evaluate("window.errors") == []
    assert quiet(dashboard) == []


# The whole UK


@pytest.mark.parametrize(
    "table, file, columns",
    [
        (
            "nhs_regions_2021",
            "ICB22_ICB24_NHSER21_EN_derived.csv",
            ("ICB22CD", "ICB24CD", "NHSER21CD", "NHSER21NM", "NHSER21CDH"),
        ),
        ("health_boards_2022", "UA22_LHB22_WA_LU.csv", ("UA22CD", "LHB22CD", "LHB22NM")),
    ],
)
def test_the_lookups_of_the_uk_are_the_files(full_build, real_mirror, table, file, columns):
    with next(real_mirror.rglob(file)).open(newline="", encoding="utf-8-sig") as lines:
        rows = sorted(tuple(row[column] for column in columns) for row in csv.DictReader(lines))
    with closing(sqlite3.connect(full_build.path)) as census:
        assert census.execute(f"select * from {table} order by 1").fetchall() == rows
        [(status, attribution)] = census.execute("select status, attribution from publications where id = ?", (table,))
    assert status == "complete"
    assert ("derived" in attribution) == (table == "nhs_regions_2021")


@pytest.mark.parametrize("table", INDICES)
def test_every_area_of_the_uk_is_in_the_tiles_with_its_decile(full_build, full_maps, table):
    counts = {"uk_master_2011": 42619, "uk_master_2021": 43530, "lsoa_tiles_2011": 34753, "lsoa_tiles_2021": 33755}
    expected = of_census(full_build.path, table)
    assert len(expected) == counts[table]
    assert stored(full_maps.path, table, 10, "lsoa_code" if table.startswith("lsoa") else "code") == expected


@pytest.mark.parametrize("table", ["uk_master_2011", "uk_master_2021"])
def test_every_area_of_the_uk_is_in_the_deepest_tiles(full_build, full_maps, table):
    codes = set()
    with closing(sqlite3.connect(full_maps.path)) as maps:  # codes alone: to decode all is a matter of minutes
        for (data,) in maps.execute(f"select tile_data from tiles_{table} where zoom_level = 12"):
            codes.update(re.findall(rb"[EWS]01[0-9]{6}|95[A-Z]{2}[0-9]{2}[A-Z][0-9]", gzip.decompress(data)))
    assert {code.decode() for code in codes} == of_census(full_build.path, table).keys()


def test_the_overlays_of_the_uk_have_every_authority_region_and_board(full_build, full_maps):
    wanted = overlays_of(full_build.path)
    assert [len(wanted[table]) for table in OVERLAYS] == [32 + 339 + 318, 7, 42, 7]
    for zoom in (10, 12):
        assert overlays_in(full_maps.path, zoom) == wanted
