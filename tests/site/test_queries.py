"""The canned queries: what each answers, in every status, for every nation, and to nonsense."""

import asyncio
import math
import random
import re
import sqlite3
from fractions import Fraction
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from census.cli import build as build_db
from sources.registry import publications
from tests.conftest import ROOT, datasette_of, site_of

QUERIES = yaml.safe_load((ROOT / "metadata.yml").read_text())["databases"]["census"]["queries"]
BY_POSTCODE = ["imd_by_postcode", "imd_quantile_by_postcode", "green_space_by_postcode"]
NATIONS = {"England": "SW1A 1AA", "Wales": "CF14 3LX", "Scotland": "ML1 1AA", "Northern Ireland": "BT2 7DX"}
INDICES = {p.index.id: p.index for p in publications() if p.index}
WALES_2025_DECILES = (191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917)
LARGE = 50_000  # rows; no query reads a table of more from end to end


def get(site, path: str):
    return asyncio.run(site.client.get(path))


def ask(site, query: str, **parameters) -> list[dict]:
    """The rows of a canned query; each has its licence, attribution and edition.

    Of `parameters` those that the query declares, so that one test asks several queries; others would be a 400.
    """
    parameters = {name: value for name, value in parameters.items() if name in QUERIES[query]["params"]}
    answer = get(site, f"/census/{query}.json?{urlencode(parameters | {'_shape': 'array'})}")
    assert answer.status_code == 200, answer.text
    rows = answer.json()
    assert rows
    for row in rows:
        assert row["licence"].startswith("Open Government Licence v3.0")
        assert "Open Government Licence" in row["attribution"]
        assert "; census.db " in row["edition"]
    return rows


def one(site, query: str, **parameters) -> dict:
    """The only row of a canned query."""
    [row] = ask(site, query, **parameters)
    return row


@pytest.fixture(params=["extract_site", "full_site"])
def site(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def db(site):
    connection = sqlite3.connect(f"file:{Path(site.get_database('census').path)}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def sql_of_extract(extract_site):
    """A connection to the extract with every SQL function of the site."""
    connection = sqlite3.connect(f"file:{extract_site.get_database('census').path}?mode=ro", uri=True)
    get(extract_site, "/-/versions.json")  # its plugins are loaded with the first request
    extract_site._prepare_connection(connection, "census")
    yield connection
    connection.close()


def test_the_names_of_the_queries_are_the_contract():
    assert list(QUERIES) == [
        "imd_by_postcode",
        "imd_quantile_by_postcode",
        "green_space_by_postcode",
        "green_space_by_local_authority",
        "small_areas_by_name",
        "postcodes_in_small_area",
        "deprivation_by_small_area",
        "deprivation_in_local_authority",
        "deprivation_in_health_geography",
        "compare_editions",
        "nearest_postcodes",
    ]


# By postcode


@pytest.mark.parametrize("query", BY_POSTCODE)
@pytest.mark.parametrize("nation", NATIONS)
def test_a_live_postcode_of_each_nation_is_found(site, query, nation):
    row = one(site, query, postcode=NATIONS[nation], quantile="5")
    assert (row["status"], row["postcode"], row["nation"]) == ("found", NATIONS[nation], nation)
    assert row["area_code"]
    assert ("Land & Property Services" in row["licence"]) is (nation == "Northern Ireland")


@pytest.mark.parametrize("query", BY_POSTCODE)
@pytest.mark.parametrize("nation", NATIONS)
def test_a_retired_postcode_of_each_nation_says_when(site, db, query, nation):
    postcode, month = db.execute(
        "select postcode, terminated from postcodes join small_areas on code = lsoa_2011"
        " where terminated is not null and nation = ? limit 1",
        (nation,),
    ).fetchone()
    row = one(site, query, postcode=postcode, quantile="5")
    assert (row["status"], row["terminated"], row["nation"]) == ("terminated", month, nation)
    assert f"{str(month)[:4]}-{str(month)[4:]}" in row["message"]


@pytest.mark.parametrize("query", BY_POSTCODE)
@pytest.mark.parametrize(
    "postcode, status, named",
    [
        ("JE2 3AB", "not_covered", ["JE2 3AB", "Jersey"]),
        ("ZZ99 9ZZ", "unknown", ["ZZ99 9ZZ", "ONS Postcode Directory"]),
        ("ZZ99 3VZ", "unknown", ["ZZ99 3VZ", "NHS"]),
        ("CF1O 1AA", "unknown", ["CF1O 1AA", "CF10 1AA looks alike and is known here: was that meant?"]),
        ("c07\u200b0aa", "unknown", ["C07 0AA", "CO7 0AA looks alike and is known here: was that meant?"]),
        ("CF10 1A1", "invalid", ["'CF10 1A1'", "CF10 1AL looks alike and is known here: was that meant?"]),
        ("CFI0 1AA", "invalid", ["'CFI0 1AA'", "CF10 1AA would be."]),
        ("", "invalid", ["postcode"]),
        ("SW1!A1AA", "invalid", ["'SW1!A1AA'", "'!'"]),
        ("x" * 10_000, "invalid", ["10000", "5 to 7"]),
    ],
)
def test_what_has_no_figures_answers_one_row_that_says_why(site, query, postcode, status, named):
    row = one(site, query, postcode=postcode, quantile="5")
    assert row["status"] == status
    for what in named:
        assert what in row["message"]
    figures = [row[c] for c in row if re.search("rank|decile|data_quantile|address|space|area_code", c)]
    assert len(figures) > 3
    assert set(figures) == {None}


@pytest.mark.parametrize("index", INDICES.values(), ids=lambda index: index.id)
def test_every_quantile_is_the_publisher_s_or_its_rule_s(site, db, index):
    asked = {"postcode": NATIONS[index.nation], "index": index.id}
    told = db.execute("select published_bands from indices where id = ?", (index.id,)).fetchone()[0] or ""
    published = [index.bands[name] for name in told.split(", ") if name]
    for q in [*range(2, 25), 50, 99, 100]:
        row = one(site, "imd_quantile_by_postcode", quantile=str(q), **asked)
        rank, n = Fraction(row["rank"]), index.areas
        by_rule = math.ceil(rank * q / n) if index.band_rule == "ceil" else math.floor((rank - 1) * q / n) + 1
        if index.id == "wales_2025" and q in (5, 10):
            decile = sum(rank > most for most in (0, *WALES_2025_DECILES))
            by_rule = decile if q == 10 else math.ceil(decile / 2)
        assert (row["index_id"], row["requested_quantile"], row["data_quantile"]) == (index.id, q, by_rule)
        basis = "published" if q in published else "computed"
        assert row["data_quantile_basis"] == basis, (q, row)
    deciles = one(site, "imd_by_postcode", **asked)
    for q, name in ((10, "decile"), (5, "quintile")):
        row = one(site, "imd_quantile_by_postcode", quantile=str(q), **asked)
        assert (row["data_quantile"], row["data_quantile_basis"]) == (deciles[name], deciles[f"{name}_basis"])


def test_wales_has_its_own_rule_where_the_usual_one_is_wrong(site, db):
    """Ranks at the upper edge of a decile: ceil is wrong for nine of the 1,909 areas."""
    areas = db.execute(
        "select area_code, rank, decile from deprivation where index_id = 'wales_2019'"
        " and decile <> (rank * 10 + 1908) / 1909"
    ).fetchall()
    assert len(areas) <= 9
    if "extract" not in one(site, "imd_by_postcode", postcode="CF14 3LX")["edition"]:
        assert len(areas) == 9
    for area, rank, decile in areas:
        postcode = db.execute("select postcode from postcodes where lsoa_2011 = ? limit 1", (area,)).fetchone()[0]
        row = one(site, "imd_quantile_by_postcode", postcode=postcode, quantile="10", index="wales_2019")
        assert (row["rank"], row["data_quantile"], row["data_quantile_basis"]) == (rank, decile, "published")


@pytest.mark.parametrize(
    "quantile", ["", "1", "0", "-5", "101", "5.0", "05", "five", "1e1", "9" * 10_000, "5; drop", "null"]
)
def test_what_is_no_quantile_is_named_and_nothing_is_guessed(extract_site, quantile):
    row = one(extract_site, "imd_quantile_by_postcode", postcode="SW1A 1AA", quantile=quantile, index="england_2019")
    assert row["status"] == "found"
    assert re.search(r"\b2\b.*\b100\b", row["message"])
    assert not quantile or f"'{quantile[:40]}'" in row["message"]
    assert (row["requested_quantile"], row["data_quantile"], row["data_quantile_basis"]) == (None, None, None)
    assert row["rank"] == 24862


@pytest.mark.parametrize("index", ["wales_2019", "2020", "england", "i" * 10_000])
def test_a_quantile_is_never_of_another_index_than_the_named_one(extract_site, index):
    row = one(extract_site, "imd_quantile_by_postcode", postcode="SW1A 1AA", quantile="5", index=index)
    for what in (f"'{index[:40]}'", "England", "england_2019", "england_2025"):
        assert what in row["message"]
    assert (row["index_id"], row["rank"], row["data_quantile"], row["data_quantile_basis"]) == (None,) * 4


# Editions


@pytest.fixture
def split(db) -> dict:
    """A live postcode of England whose LSOA of 2011 was split: the mirror's directory gives it none of 2021."""
    return dict(
        db.execute(
            "select postcode, postcodes.lsoa_2011, rank, decile from postcodes"
            " join deprivation on area_code = postcodes.lsoa_2011 and index_id = 'england_2019'"
            " where terminated is null and postcodes.lsoa_2021 is null limit 1"
        ).fetchone()
    )


@pytest.fixture
def merged(db) -> dict:
    """A live postcode of England whose LSOA of 2011 was merged with others in 2021."""
    return dict(
        db.execute(
            "select postcode, postcodes.lsoa_2011, postcodes.lsoa_2021 from lsoa_changes"
            " join postcodes on postcodes.lsoa_2011 = lsoa_changes.lsoa_2011"
            " where change = 'M' and terminated is null and postcodes.lsoa_2011 like 'E%' limit 1"
        ).fetchone()
    )


@pytest.mark.parametrize("query", ["imd_by_postcode", "imd_quantile_by_postcode"])
@pytest.mark.parametrize("index", ["", "latest", " LATEST "])
def test_only_an_index_without_a_name_falls_back_and_says_so(site, split, query, index):
    row = one(site, query, postcode=split["postcode"], quantile="10", index=index)
    assert (row["status"], row["index_id"], row["year"]) == ("found", "england_2019", 2019)
    assert (row["area_code"], row["rank"], row["of"]) == (split["lsoa_2011"], split["rank"], 32844)
    assert row["decile" if "decile" in row else "data_quantile"] == split["decile"]
    for what in (split["postcode"], "LSOA of 2021", "English indices of deprivation 2025", "england_2019"):
        assert what in row["message"]


@pytest.mark.parametrize("query", ["imd_by_postcode", "imd_quantile_by_postcode"])
@pytest.mark.parametrize("index", ["england_2025", "2025", "ENGLAND_2025"])
def test_a_named_index_without_figures_for_the_postcode_has_none(site, split, query, index):
    row = one(site, query, postcode=split["postcode"], quantile="10", index=index)
    assert (row["status"], row["index_id"], row["year"], row["of"]) == ("found", "england_2025", 2025, 33755)
    for what in (split["postcode"], "LSOA of 2021", "English indices of deprivation 2025"):
        assert what in row["message"]
    assert "2019" not in row["message"]
    figures = [row[c] for c in row if re.search("(?<!composite_)(rank|decile|quintile|basis)$|data_quantile", c)]
    assert len(figures) > 2
    assert set(figures) | {row["area_code"]} == {None}


@pytest.mark.parametrize("query", ["imd_by_postcode", "imd_quantile_by_postcode"])
def test_a_postcode_with_an_area_of_2021_alone_has_figures_of_2025_alone(site, db, query):
    """The directory gives a new postcode no LSOA of 2011 where its LSOA of 2021 was made of several."""
    new = dict(
        db.execute(
            "select postcode, postcodes.lsoa_2021, rank, index_id from postcodes"
            " join deprivation on area_code = postcodes.lsoa_2021"
            " where postcodes.lsoa_2011 is null and index_id like '%2025' order by postcode limit 1"
        ).fetchone()
    )
    for index in ("", "latest", "2025"):
        row = one(site, query, postcode=new["postcode"], quantile="10", index=index)
        found = (row["status"], row["message"], row["index_id"], row["area_code"], row["rank"])
        assert found == ("found", None, new["index_id"], new["lsoa_2021"], new["rank"])
    row = one(site, query, postcode=new["postcode"], quantile="10", index="2019")
    assert (row["status"], row["year"], row["rank"], row["area_code"]) == ("found", 2019, None, None)
    gardens = one(site, "green_space_by_postcode", postcode=new["postcode"])
    assert gardens["houses_address_count"] is None
    for message in (row["message"], gardens["message"]):
        assert new["postcode"] in message
        assert "LSOA of 2011" in message


@pytest.mark.parametrize("index", ["england_2019", "2019"])
def test_the_older_edition_is_answered_by_its_name_alone(site, index):
    row = one(site, "imd_by_postcode", postcode="SW1A 1AA", index=index)
    assert (row["message"], row["index_id"], row["rank"], row["of"]) == (None, "england_2019", 24862, 32844)


def test_each_edition_answers_on_its_own_areas(site, db, merged):
    for index, geography, areas in (
        ("england_2019", "lsoa_2011", "small_areas"),
        ("england_2025", "lsoa_2021", "lsoas_2021"),
    ):
        row = one(site, "imd_by_postcode", postcode=merged["postcode"], index=index)
        rank, name = db.execute(
            f"select rank, name from deprivation join {areas} on code = area_code where area_code = ? and index_id = ?",
            (merged[geography], index),
        ).fetchone()
        assert (row["area_code"], row["area_name"], row["rank"]) == (merged[geography], name, rank)
        assert (row["lsoa_2011"], row["lsoa_2021"]) == (merged["lsoa_2011"], merged["lsoa_2021"])
        assert row["message"] is None


@pytest.mark.parametrize("nation", NATIONS)
def test_the_composite_stands_apart_under_its_own_licence(site, db, nation):
    row = one(site, "imd_by_postcode", postcode=NATIONS[nation])
    published = db.execute(
        "select uk_imd_e_rank, uk_imd_e_pop_decile from imd_uk_composite where area_code = ?", (row["lsoa_2011"],)
    ).fetchone()
    assert (row["uk_composite_rank"], row["uk_composite_decile"]) == tuple(published)
    assert row["uk_composite_licence"] == "Creative Commons Attribution 4.0 International (CC BY 4.0)"
    assert "mySociety" in row["uk_composite_attribution"]
    assert "mySociety" not in row["attribution"]
    columns = list(row)
    assert columns.index("idaci_rank") < columns.index("idaopi_rank") < columns.index("uk_composite_rank")


def test_a_postcode_without_figures_has_no_composite(site):
    row = one(site, "imd_by_postcode", postcode="JE2 3AB")
    assert {row[c] for c in row if c.startswith("uk_composite")} == {None}


def test_two_editions_stand_side_by_side_with_their_warning(site):
    row = one(site, "compare_editions", postcode="CF14 3LX")
    assert [row[c] for c in ("newer_index_id", "newer_rank", "newer_of", "newer_decile")] == [
        "wales_2025",
        1479,
        1917,
        8,
    ]
    assert [row[c] for c in ("older_index_id", "older_rank", "older_of", "older_decile")] == [
        "wales_2019",
        1362,
        1909,
        8,
    ]
    assert (row["status"], row["message"], row["lsoa_2011"], row["change"]) == ("found", None, "W01001758", "U")
    assert "change" in row["warning"]
    for year in ("2019", "2025"):
        single = one(site, "imd_by_postcode", postcode="CF14 3LX", index=year)
        which = "newer" if year == "2025" else "older"
        shared = [c for c in single if f"{which}_{c}" in row]
        assert len(shared) > 30
        assert {c: row[f"{which}_{c}"] for c in shared} == {c: single[c] for c in shared}
    assert "Index of Multiple Deprivation 2025" in row["attribution"]
    assert "Index of Multiple Deprivation 2019" in row["attribution"]


def test_two_editions_of_an_area_by_its_code(site, db, split, merged):
    row = one(site, "compare_editions", code="e01004736")
    assert (row["status"], row["newer_rank"], row["older_rank"]) == (None, 24593, 24862)
    row = one(site, "compare_editions", code=split["lsoa_2011"])
    parts = [r[0] for r in db.execute("select lsoa_2021 from lsoa_changes where lsoa_2011 = ?", (split["lsoa_2011"],))]
    assert len(parts) > 1
    assert (row["newer_rank"], row["older_rank"], row["lsoa_2021"]) == (None, split["rank"], None)
    assert all(part in row["message"] for part in parts)
    part = one(site, "compare_editions", code=parts[0])
    assert (part["older_rank"], part["lsoa_2011"], part["lsoa_2021"]) == (None, None, parts[0])
    assert part["newer_rank"]
    assert split["lsoa_2011"] in part["message"]
    row = one(site, "compare_editions", code=merged["lsoa_2011"])
    assert (row["older_area_code"], row["newer_area_code"]) == (merged["lsoa_2011"], merged["lsoa_2021"])
    assert row["newer_rank"]
    assert row["older_rank"]
    assert merged["lsoa_2011"] in row["message"]
    assert merged["lsoa_2021"] in row["message"]
    back = one(site, "compare_editions", code=merged["lsoa_2021"])
    assert (back["lsoa_2011"], back["older_rank"]) == (None, None), "several led to it"
    assert merged["lsoa_2011"] in back["message"]


@pytest.mark.parametrize(
    "parameters, status, named",
    [
        ({}, None, ["postcode", "LSOA", "data zone", "super output area"]),
        ({"postcode": "SW1A 1AA", "code": "E01004736"}, None, ["postcode", "code", "both"]),
        ({"postcode": "nonsense"}, "invalid", ["'nonsense'"]),
        ({"postcode": "ZZ99 3VZ"}, "unknown", ["ZZ99 3VZ", "NHS"]),
        ({"postcode": "JE2 3AB"}, "not_covered", ["JE2 3AB", "Jersey"]),
        ({"code": "E01999999"}, None, ["'E01999999'"]),
        ({"code": "x" * 10_000}, None, [f"'{'X' * 40}'"]),
    ],
)
def test_what_cannot_be_compared_says_why(site, parameters, status, named):
    row = one(site, "compare_editions", **parameters)
    assert row["status"] == status
    for what in named:
        assert what in row["message"]
    assert {row[c] for c in row if c.startswith(("newer_", "older_"))} | {row["warning"]} == {None}


@pytest.mark.parametrize(
    "nation, index", [("Scotland", "scotland_2020"), ("Northern Ireland", "northern_ireland_2017")]
)
def test_a_nation_with_one_edition_says_so(site, nation, index):
    row = one(site, "compare_editions", postcode=NATIONS[nation])
    assert nation in row["message"]
    assert index in row["message"]
    assert (row["newer_index_id"], row["older_index_id"], row["older_rank"]) == (index, None, None)
    assert row["newer_rank"]


@pytest.mark.parametrize("index", ["", "latest", "2025", "england_2025", "england_2019", "2019"])
def test_the_codes_of_2011_and_2021_are_kept_apart(site, db, split, index):
    part = db.execute("select lsoa_2021 from lsoa_changes where lsoa_2011 = ?", (split["lsoa_2011"],)).fetchone()[0]
    for code, own, other in ((split["lsoa_2011"], "england_2019", part), (part, "england_2025", split["lsoa_2011"])):
        rows = ask(site, "deprivation_by_small_area", code=code, index=index)
        if index in ("", "latest", own, own[-4:]):
            assert {row["index_id"] for row in rows} == {own}
            assert len(rows) > 7
            assert {row["message"] for row in rows} == {None}
        else:
            [row] = rows
            for what in (f"English indices of deprivation {index[-4:]}", code, other):
                assert what in row["message"]
            assert (row["rank"], row["decile"]) == (None, None)


def test_an_area_s_index_that_is_none_is_named(site):
    row = one(site, "deprivation_by_small_area", code="E01004736", index="wales_2025")
    for what in ("'wales_2025'", "England", "england_2019", "england_2025"):
        assert what in row["message"]
    assert (row["rank"], row["index_id"]) == (None, None)


def test_lsoas_of_2021_are_found_and_listed(site, db, merged):
    row = one(site, "small_areas_by_name", q=merged["lsoa_2021"])
    assert (row["code"], row["lsoa_2011"], row["lsoa_2021"], row["kind"]) == (
        merged["lsoa_2021"],
        None,
        merged["lsoa_2021"],
        "LSOA",
    )
    assert row["name"] in {r["name"] for r in ask(site, "small_areas_by_name", q=row["name"], nation="England")}
    rows = ask(site, "postcodes_in_small_area", code=merged["lsoa_2021"])
    expected = db.execute("select postcode from postcodes where lsoa_2021 = ? order by 1", (merged["lsoa_2021"],))
    assert [r["postcode"] for r in rows] == [r[0] for r in expected][:500]
    assert rows[0]["total"] >= len(rows)


def test_a_nearest_postcode_has_its_newest_figures(site, db, split):
    at = db.execute("select latitude, longitude from postcodes where postcode = ?", (split["postcode"],)).fetchone()
    rows = {r["postcode"]: r for r in ask(site, "nearest_postcodes", latitude=at[0], longitude=at[1])}
    for postcode, row in rows.items():
        single = one(site, "imd_by_postcode", postcode=postcode)
        assert {c: row[c] for c in ("index_id", "area_code", "area_name", "rank", "decile")} == {
            c: single[c] for c in ("index_id", "area_code", "area_name", "rank", "decile")
        }
    assert {row["index_id"] for row in rows.values()} >= {"england_2019"}


# Health geographies

HEALTH = {
    "lsoas_2011": ("sub_icb_2022", "icb_2022", "total_population_mid_2015", "dependent_children_mid_2015"),
    "lsoas_2021": ("sub_icb_2024", "icb_2024", "total_population_mid_2022", "dependent_children_mid_2022"),
    "data_zones_2011": ("health_board", "health_board", "population", "null"),
}


def assert_counted(db, rows: list[dict], code: str, index: str, table: str) -> None:
    """That `rows` are the deciles of the areas of a health geography, and their people."""
    sub, whole, people, children = HEALTH[table]
    counted = db.execute(
        f"select decile, count(*), sum({people}), sum({children}) from {table}"
        f" join deprivation on area_code = code and index_id = ? where ? in ({sub}, {whole}) group by decile",
        (index, code),
    ).fetchall()
    by_decile = {decile: figures for decile, *figures in counted}
    assert [row["decile"] for row in rows] == list(range(1, 11))
    known = [figures[1] is not None for figures in by_decile.values()]
    for row in rows:
        areas, persons, minors = by_decile.get(row["decile"], [0, 0, None if children == "null" else 0])
        assert (row["message"], row["index_id"], row["health_geography_code"]) == (None, index, code)
        assert (row["areas"], row["people"], row["children"]) == (
            (areas, persons, minors) if all(known) else (areas, None, None)
        )
        assert row["people_note"]
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=0.002)


def test_a_health_board_of_scotland_that_an_extract_holds_whole(site, db):
    rows = ask(site, "deprivation_in_health_geography", code="s08000028")
    assert_counted(db, rows, "S08000028", "scotland_2020", "data_zones_2011")
    assert sum(row["areas"] for row in rows) == 36
    assert rows[0]["health_geography_name"] == "Western Isles"


def test_every_health_geography_of_the_uk(full_site, full_build):
    db = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True)
    checked = 0
    for code, nation, older, newer in db.execute(
        "select code, nation, areas_2011, areas_2021 from health_geographies order by code"
    ).fetchall():
        for areas, index, table in (
            (older, "scotland_2020" if nation == "Scotland" else "england_2019", "lsoas_2011"),
            (newer, "england_2025", "lsoas_2021"),
        ):
            if areas:
                table = "data_zones_2011" if nation == "Scotland" else table
                rows = ask(full_site, "deprivation_in_health_geography", code=code, index=index)
                assert_counted(db, rows, code, index, table)
                assert sum(row["areas"] for row in rows) == areas
                checked += 1
    assert checked > 290


@pytest.mark.parametrize(
    "code, index, expected",
    [
        ("QMF", "", ("E54000029", "england_2025")),
        ("QXU", "england_2019", ("E54000052", "england_2019")),
        ("QXU", "latest", ("E54000063", "england_2025")),
        ("E54000052", "latest", ("E54000052", "england_2019")),
        ("A3A8R", "2019", ("E38000255", "england_2019")),
    ],
)
def test_the_nhs_s_own_codes_lead_to_the_board_of_the_index_s_years(full_site, code, index, expected):
    rows = ask(full_site, "deprivation_in_health_geography", code=code, index=index)
    assert len(rows) == 10
    assert {(row["health_geography_code"], row["index_id"]) for row in rows} == {expected}


@pytest.mark.parametrize(
    "code, index, named",
    [
        ("", "", ["code", "integrated care board", "health board"]),
        ("W11000029", "", ["health_boards_2022"]),
        ("E54099999", "", ["'E54099999'", "integrated care board"]),
        ("x" * 10_000, "", [f"'{'X' * 40}'", "integrated care board"]),
        ("S08000028", "england_2019", ["'england_2019'", "Scotland", "scotland_2020"]),
        ("E54000063", "2019", ["E54000063", "2011", "england_2019", "2024"]),
    ],
)
def test_a_health_geography_without_an_answer_says_why(site, code, index, named):
    row = one(site, "deprivation_in_health_geography", code=code, index=index)
    for what in named:
        assert what in row["message"]
    assert (row["decile"], row["areas"], row["people"], row["people_note"]) == (None,) * 4


def test_an_extract_gives_no_figures_of_a_board_that_it_holds_in_part(extract_site):
    row = one(extract_site, "deprivation_in_health_geography", code="QMJ", index="england_2025")
    assert "NHS North Central London" in row["message"]
    held, whole = map(int, re.search(r"(\d+) of (\d+)", row["message"]).groups())
    assert held < whole
    assert (row["decile"], row["areas"]) == (None, None)


# Green space


def test_public_parks_stand_beside_the_gardens_where_they_were_loaded(made_up_db, tmp_path):
    site = datasette_of(site_of(made_up_db, tmp_path))
    [(postcode, code)] = sqlite3.connect(made_up_db).execute(
        "select postcode, local_authority_2019 from postcodes join small_areas on code = lsoa_2011"
        " where local_authority_2019 = 'S12000007' limit 1"
    )
    parks = sqlite3.connect(made_up_db).execute(
        "select average_distance_to_nearest_m, average_size_of_nearest_m2, average_number_within_1000_m,"
        " average_combined_size_within_1000_m_m2 from green_space_parks where local_authority = ?",
        (code,),
    )
    expected = list(parks.fetchone())
    by_code = one(site, "green_space_by_local_authority", authority=code)
    by_postcode = one(site, "green_space_by_postcode", postcode=postcode)
    for row in (by_code, by_postcode):
        assert [row[c] for c in row if re.match("parks_average", c)] == expected
        assert (row["message"], row["parks_message"]) == (None, None)


@pytest.mark.parametrize(
    "query, asked, told",
    [
        ("green_space_by_postcode", {"postcode": "SW1A 1AA"}, "not loaded"),
        ("green_space_by_local_authority", {"authority": "Westminster"}, "not loaded"),
        ("green_space_by_postcode", {"postcode": "BT2 7DX"}, None),
        ("green_space_by_postcode", {"postcode": "JE2 3AB"}, None),
    ],
)
def test_public_parks_that_were_not_loaded_are_null_and_say_so(site, query, asked, told):
    row = one(site, query, **asked)
    assert {row[c] for c in row if c.startswith("parks_average")} == {None}
    assert row["parks_message"] is None if told is None else told in row["parks_message"]


def test_green_space_is_that_of_the_authority_of_2019(site, db):
    for postcode, code in [("SW1A 1AA", "E09000033"), ("CF14 3LX", "W06000015"), ("ML1 1AA", "S12000050")]:
        row = one(site, "green_space_by_postcode", postcode=postcode)
        published = db.execute("select * from green_space where local_authority = ?", (code,)).fetchone()
        assert row["local_authority_2019_code"] == code
        assert row["message"] is None
        assert {c: row[c] for c in published.keys() if c != "local_authority"} == {  # noqa: SIM118, a Row
            c: published[c]
            for c in published.keys()  # noqa: SIM118
            if c != "local_authority"
        }


def test_a_postcode_of_a_new_authority_answers_with_its_old_district_s_figures_and_says_so(site):
    row = one(site, "green_space_by_postcode", postcode="HP20 1UA")
    assert row["status"] == "found"
    assert row["local_authority_name"] == "Buckinghamshire"
    assert (row["local_authority_2019_code"], row["local_authority_2019_name"]) == ("E07000004", "Aylesbury Vale")
    assert row["total_address_count"] > 50_000
    for what in ("2019", "Aylesbury Vale (E07000004)", "Buckinghamshire (E06000060)"):
        assert what in row["message"]


@pytest.mark.parametrize(
    "today", ["North Yorkshire", "Cumberland", "Somerset", "Buckinghamshire", "North Northamptonshire"]
)
def test_postcodes_of_reorganised_counties_have_figures(full_site, today):
    # Not through the site, which stops a statement after a second: this one may read all postcodes.
    census = sqlite3.connect(f"file:{full_site.get_database('census').path}?mode=ro", uri=True)
    [postcode] = census.execute(
        "select postcode from postcodes join local_authorities on code = local_authority"
        " where name = ? and terminated is null and lsoa_2011 is not null limit 1",
        [today],
    ).fetchone()
    census.close()
    row = one(full_site, "green_space_by_postcode", postcode=postcode)
    assert row["local_authority_name"] == today
    assert row["local_authority_2019_name"] != today
    assert row["total_address_count"] > 10_000
    assert f"{today} ({row['local_authority_code']})" in row["message"]


def test_northern_ireland_has_no_green_space_figures_and_says_so(site):
    row = one(site, "green_space_by_postcode", postcode="BT2 7DX")
    assert row["status"] == "found"
    assert "Great Britain" in row["message"]
    assert "Northern Ireland" in row["message"]
    assert row["total_address_count"] is None


def test_an_empty_authority_lists_england(site, db):
    rows = ask(site, "green_space_by_local_authority")
    assert len(rows) == 317
    assert {row["nation"] for row in rows} == {"England"}
    assert {row["message"] for row in rows} == {None}
    assert [row["local_authority_2019_name"] for row in rows] == sorted(r["local_authority_2019_name"] for r in rows)
    total = db.execute("select sum(total_address_count) from green_space where local_authority like 'E%'").fetchone()[0]
    assert sum(row["total_address_count"] for row in rows) == total


@pytest.mark.parametrize(
    "authority, codes",
    [
        ("E09000033", {"E09000033"}),
        ("w06000015", {"W06000015"}),
        ("Westminster", {"E09000033"}),
        (" westminster ", {"E09000033"}),
        ("E07000004", {"E07000004"}),
        ("E06000060", {"E07000004", "E07000005", "E07000006", "E07000007"}),
        ("Buckinghamshire", {"E07000004", "E07000005", "E07000006", "E07000007"}),
        ("Barnsley", {"E08000016"}),
        ("E08000038", {"E08000016"}),
        ("Aylesbury", {"E07000004"}),
        ("Highland", {"S12000017"}),
    ],
)
def test_an_authority_is_found_by_a_code_of_any_vintage_and_by_name(site, authority, codes):
    rows = ask(site, "green_space_by_local_authority", authority=authority)
    assert {row["local_authority_2019_code"] for row in rows} == codes
    assert len(rows) == len(codes)
    for row in rows:
        assert row["total_address_count"]
        own = row["asked_local_authority_code"] == row["local_authority_2019_code"]
        assert own if row["message"] is None else f"({row['asked_local_authority_code']})" in row["message"]


@pytest.mark.parametrize(
    "authority, named",
    [
        ("Belfast", "Great Britain"),
        ("Atlantis", "'Atlantis'"),
        ("E99999999", "'E99999999'"),
        ("' or 1=1 --", "'' or 1=1 --'"),
        ("x" * 10_000, "10000"),
        ("%", "'%'"),
    ],
)
def test_an_authority_without_figures_says_why_in_one_row(site, authority, named):
    row = one(site, "green_space_by_local_authority", authority=authority)
    assert named in row["message"]
    assert row["local_authority_2019_code"] is None
    assert row["total_address_count"] is None


# Small areas


@pytest.mark.parametrize(
    "q, nation, name",
    [
        ("Motherwell South", "", "Motherwell South - 03"),
        ("motherwell south - 03", "scotland", "Motherwell South - 03"),
        ("Shaftesbury", "Northern Ireland", "Shaftesbury 1"),
        ("Gabalfa", "Wales", "Cardiff 025D"),
        ("Cardiff 025D", "", "Cardiff 025D"),
        ("w01001758", "", "Cardiff 025D"),
        ("Westmin 018C", "", None),
        ("018C Westmin", "", "Westminster 018C"),
    ],
)
def test_full_text_search_finds_areas_by_both_names_and_by_code(site, q, nation, name):
    rows = ask(site, "small_areas_by_name", q=q, nation=nation)
    if name is None:
        [row] = rows
        assert "UK" in row["message"]
        assert f"'{q}'" in row["message"]
        return
    assert name in [row["name"] for row in rows]
    assert {row["message"] for row in rows} == {None}
    assert {row["total"] for row in rows} == {len(rows)}


def test_a_search_with_many_hits_is_cut_and_says_how_many_there_are(full_site, full_build):
    rows = ask(full_site, "small_areas_by_name", q="North")
    connection = sqlite3.connect(full_build.path)
    total = connection.execute(
        "select count(*) from (select code from small_areas where rowid in"
        " (select rowid from small_areas_fts where small_areas_fts match 'north*')"
        " union select code from lsoas_2021 where rowid in"
        " (select rowid from lsoas_2021_fts where lsoas_2021_fts match 'north*'))"
    ).fetchone()[0]
    assert (len(rows), rows[0]["total"]) == (500, total)
    assert total > 500


@pytest.mark.parametrize(
    "q, nation, named",
    [
        ("", "", ["name", "code"]),
        ("x" * 10_000, "", ["10000", "100 "]),
        ("Gabalfa\0", "", ["character"]),
        ("Gabalfa", "Narnia", ["'Narnia'", "England", "Wales", "Scotland", "Northern Ireland"]),
        ("Gabalfa", "England", ["'Gabalfa'", "England"]),
        *((q, "", [f"'{q}'", "UK"]) for q in ('"', "*", "-", "NEAR(", '" OR "a')),
    ],
)
def test_a_search_without_a_hit_says_so_in_one_row(site, q, nation, named):
    row = one(site, "small_areas_by_name", q=q, nation=nation)
    for what in named:
        assert what in row["message"]
    assert row["code"] is None


def test_the_postcodes_of_an_area_come_in_pages_that_together_are_all(site, db):
    code, total = db.execute(
        "select lsoa_2011, count(*) from postcodes where lsoa_2011 is not null group by 1 order by 2 desc limit 1"
    ).fetchone()
    assert total > 1000
    found, after = [], ""
    while len(found) < total:
        rows = ask(site, "postcodes_in_small_area", code=code, after=after)
        assert {row["total"] for row in rows} == {total}
        found += rows
        after = rows[-1]["postcode"]
    assert [row["position"] for row in found] == list(range(1, total + 1))
    expected = db.execute(
        "select postcode, introduced, terminated, local_authority, latitude, longitude from postcodes"
        " where lsoa_2011 = ? order by postcode",
        (code,),
    ).fetchall()
    columns = ["postcode", "introduced", "terminated", "local_authority_code", "latitude", "longitude"]
    assert [tuple(row[c] for c in columns) for row in found] == [tuple(row) for row in expected]
    [beyond] = ask(site, "postcodes_in_small_area", code=code, after=after)
    assert code in beyond["message"]
    assert after in beyond["message"]


@pytest.mark.parametrize(
    "code, after, named",
    [
        ("", "", ["code", "LSOA", "data zone", "super output area"]),
        ("E01999999", "", ["'E01999999'"]),
        ("x" * 10_000, "", [f"'{'X' * 40}'"]),
        ("E01004736", "nonsense", ["after", "'nonsense'"]),
    ],
)
def test_an_area_without_postcodes_says_why(site, code, after, named):
    row = one(site, "postcodes_in_small_area", code=code, after=after)
    for what in named:
        assert what in row["message"]
    assert row["postcode"] is None


@pytest.mark.parametrize("index", INDICES.values(), ids=lambda index: index.id)
def test_every_index_and_domain_of_an_area_is_the_table_s(site, db, index):
    code = db.execute(f"select area_code from {index.table} order by imd_rank limit 1 offset 5").fetchone()[0]
    published = db.execute(f"select * from {index.table} where area_code = ?", (code,)).fetchone()
    rows = {row["domain"]: row for row in ask(site, "deprivation_by_small_area", code=code.lower(), index=index.id)}
    domains = {d: prefix for d, prefix in index.domains.items() if published[f"{prefix}_rank"] is not None}
    assert set(index.domains) - set(domains) <= {"idaci", "idaopi"}, "blank in the mirror's English file of 2025"
    assert list(rows) == ["overall", *sorted(domains, key=list(rows).index)]
    for domain, prefix in {"overall": "imd", **domains}.items():
        row = rows[domain]
        assert row["message"] is None
        assert (row["index_id"], row["of"], row["area_code"]) == (index.id, index.areas, code)
        assert row["rank"] == published[f"{prefix}_rank"]
        if f"{prefix}_decile" in published.keys():  # noqa: SIM118, a Row
            assert (row["decile"], row["decile_basis"]) == (published[f"{prefix}_decile"], "published")
        else:
            assert row["decile_basis"] == "computed"
    assert rows["overall"]["quintile"] in range(1, 6)


@pytest.mark.parametrize("code, named", [("", "code"), ("E01999999", "'E01999999'"), ("x" * 10_000, f"'{'X' * 40}'")])
def test_an_unknown_area_says_so(site, code, named):
    row = one(site, "deprivation_by_small_area", code=code)
    assert named in row["message"]
    assert row["rank"] is None


# Local authorities


def by_year(index) -> int:
    return index.year


@pytest.mark.parametrize(
    "authority, asked, column, code",
    [
        ("Middlesbrough", "england_2019", "local_authority", "E06000002"),
        ("Middlesbrough", "england_2025", "local_authority", "E06000002"),
        ("w06000015", "", "local_authority", "W06000015"),
        ("S12000050", "", "local_authority", "S12000050"),
        ("Belfast", "", "local_authority", "N09000003"),
        ("Aylesbury Vale", "england_2019", "local_authority_2019", "E07000004"),
    ],
)
def test_an_authority_s_deciles_and_extremes_are_those_of_its_areas(site, db, authority, asked, column, code):
    rows = ask(site, "deprivation_in_local_authority", authority=authority, index=asked)
    index = rows[0]["index_id"]
    assert index == (asked or max((i for i in INDICES.values() if i.nation == rows[0]["nation"]), key=by_year).id)
    areas = "small_areas" if INDICES[index].geography == "lsoa_2011" else "lsoas_2021"
    ranked = db.execute(
        f"select code, rank, decile from {areas} join deprivation on area_code = code and index_id = ?"
        f" where {column} = ? order by rank, code",
        (index, code),
    ).fetchall()
    assert {row["local_authority_code"] for row in rows} == {code}
    counted = {row["decile"]: row["areas"] for row in rows if row["part"] == "decile"}
    assert counted == {d: sum(r["decile"] == d for r in ranked) for d in range(1, 11)}
    shares = [row["share"] for row in rows if row["part"] == "decile"]
    assert sum(shares) == pytest.approx(1, abs=0.001)
    most = [(row["area_code"], row["rank"]) for row in rows if row["part"] == "most deprived"]
    assert most == [(r["code"], r["rank"]) for r in ranked[:5]]
    least = [row["rank"] for row in rows if row["part"] == "least deprived"]
    assert least == [r["rank"] for r in ranked[::-1][:5]]
    assert len(rows) == 20


@pytest.mark.parametrize(
    "authority, index, named",
    [
        ("", "", ["code", "name", "authority"]),
        ("Atlantis", "", ["'Atlantis'"]),
        ("shire", "", ["'shire'", "East Riding of Yorkshire"]),
        ("London", "", ["'London'", "City of London (E09000001)"]),
        ("Hampshire", "", ["'Hampshire'", "East Hampshire (E07000085)"]),
        ("x" * 10_000, "", ["10000"]),
        ("Cardiff", "england_2019", ["'england_2019'", "Wales", "wales_2019", "wales_2025"]),
        ("Aylesbury Vale", "england_2025", ["england_2025", "Aylesbury Vale"]),
        ("Cardiff", "i" * 10_000, [f"'{'i' * 40}'", "Wales", "wales_2019", "wales_2025"]),
    ],
)
def test_an_authority_that_is_not_clear_says_why(site, authority, index, named):
    row = one(site, "deprivation_in_local_authority", authority=authority, index=index)
    for what in named:
        assert what in row["message"]
    assert row["part"] is None


@pytest.mark.parametrize("authority", ["Leeds", "Shropshire", "Buckinghamshire", "Brent"])
def test_an_authority_that_an_extract_holds_in_part_has_no_figures_and_says_so(extract_site, authority):
    row = one(extract_site, "deprivation_in_local_authority", authority=authority)
    for what in ("extract", "Westminster, Camden", authority):
        assert what in row["message"]
    assert (row["part"], row["share"], row["areas"]) == (None, None, None)


# Near a point


def distance(a: float, b: float, c: float, d: float) -> float:
    """Metres by the spherical law of cosines, another formula than the site's."""
    a, b, c, d = map(math.radians, (a, b, c, d))
    return 6_371_008.8 * math.acos(min(1, math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(d - b)))


def test_the_nearest_postcodes_are_the_nearest(site, db):
    live = db.execute(
        "select postcode, latitude, longitude from postcodes where terminated is null and latitude is not null"
    ).fetchall()
    for _, latitude, longitude in random.Random(3).sample(live, 6):
        latitude, longitude = round(latitude + 0.0007, 5), round(longitude - 0.0005, 5)
        rows = ask(site, "nearest_postcodes", latitude=latitude, longitude=longitude)
        near = [r for r in live if abs(r[1] - latitude) < 0.2 and abs(r[2] - longitude) < 0.3]
        expected = sorted(distance(latitude, longitude, r[1], r[2]) for r in near)[:20]
        assert [row["metres"] for row in rows] == pytest.approx(expected, abs=2)
        for row in rows:
            assert (
                db.execute("select terminated from postcodes where postcode = ?", (row["postcode"],)).fetchone()[0]
                is None
            )
            assert row["decile"] is None or row["decile"] in range(1, 11)


@pytest.mark.parametrize("point", [(57.36453, -6.89218), (60.63087, -1.30836), (58.33481, -4.90375), (57.6, -5.5)])
def test_where_postcodes_are_sparse_none_that_is_nearer_is_left_out(full_site, full_build, point):
    db = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True)
    live = db.execute("select latitude, longitude from postcodes where terminated is null and latitude is not null")
    near = sorted(distance(*point, *place) for place in live if abs(place[0] - point[0]) < 0.3)
    rows = ask(full_site, "nearest_postcodes", latitude=point[0], longitude=point[1])
    found = [row["metres"] for row in rows if row["metres"] is not None]
    assert found == pytest.approx(near[: len(found)], abs=2)
    assert len(found) == 20 or near[len(found)] > 8_400


def test_buckingham_palace_is_nearest_to_itself(site):
    rows = ask(site, "nearest_postcodes", latitude="51.501", longitude="-0.1416")
    assert (rows[0]["postcode"], rows[0]["decile"], rows[0]["index_id"]) == ("SW1A 1AA", 8, "england_2025")
    assert len(rows) == 20


@pytest.mark.parametrize(
    "latitude, longitude, named",
    [
        ("", "", ["latitude", "longitude"]),
        ("51.5", "", ["latitude", "longitude"]),
        ("north", "0", ["'north'", "latitude", "49 to 61.5"]),
        ("51.5", "1,5", ["'1,5'", "longitude", "-9 to 2.5"]),
        *((text, "0", [f"'{text[:40]}'", "latitude"]) for text in ("-51.5", "1e400", "9" * 10_000, "x" * 10_000)),
        ("61.5", "2.5", ["postcode", "8 km"]),
        ("49", "-9", ["postcode", "8 km"]),
    ],
)
def test_a_point_that_is_none_or_far_away_says_so(site, latitude, longitude, named):
    row = one(site, "nearest_postcodes", latitude=latitude, longitude=longitude)
    for what in named:
        assert what in row["message"]
    assert row["postcode"] is None


# All of them


def test_queries_say_what_was_left_out_of_the_database(mirror, tmp_path):
    left_out = "england_2019,green_space,local_authority_names,lsoa_2011_lookup,lsoa_changes"
    output = tmp_path / "left_out.db"  # under another name than census.db it gets no downloads
    arguments = ["--full", "--accept-changed", "--mirror", str(mirror), "--output", str(output), "--skip", left_out]
    assert build_db.main(arguments) == 0
    (tmp_path / "site").mkdir()
    site = datasette_of(site_of(output, tmp_path / "site"))
    row = one(site, "imd_by_postcode", postcode="AB1 0AA", index="england_2019")
    assert (row["status"], row["area_code"], row["rank"]) == ("found", "E01000001", None)
    assert "lsoa_2011_lookup" in row["message"], "its name is missing too"
    assert "English indices of deprivation 2019" in row["message"]
    for query in BY_POSTCODE:
        row = one(site, query, postcode="AB1 0AA", quantile="5", index="england_2019")
        assert row["status"] == "found"
        assert "left out" in row["message"]
    for authority in ("", "E06000004"):
        row = one(site, "green_space_by_local_authority", authority=authority)
        assert "green space" in row["message"]
        assert "left out" in row["message"]
    for query, parameters, named in (
        ("deprivation_by_small_area", {"index": "2019"}, ["English indices of deprivation 2019", "left out"]),
        ("deprivation_by_small_area", {"index": "2025"}, ["E01000001", "2011", "2021"]),
        ("compare_editions", {}, ["E01000001", "england_2025", "2021"]),
        ("compare_editions", {"code": "E01090000"}, ["English indices of deprivation 2019", "left out"]),
    ):
        row = one(site, query, **{"code": "E01000001", **parameters})
        for what in named:
            assert what in row["message"]
    for query in QUERIES:
        for row in ask(site, query):
            assert row["message"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_opened_without_parameters_helps(site, query):
    rows = ask(site, query)
    if query == "green_space_by_local_authority":
        assert len(rows) == 317
    else:
        [row] = rows
        name = QUERIES[query]["params"][0]
        assert re.search(rf"\b{name}\b", row["message"]), "the parameter to fill"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_a_page_json_and_csv(site, query):
    page = get(site, f"/census/{query}")
    assert page.status_code == 200
    assert QUERIES[query]["title"] in unescape(page.text)
    assert "Open Government Licence v3.0" in page.text
    rows = ask(site, query)
    answer = get(site, f"/census/{query}.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/")
    assert answer.text.splitlines()[0].split(",") == list(rows[0])


@pytest.mark.parametrize("query", QUERIES)
def test_the_examples_of_a_query_s_page_work(site, query):
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', QUERIES[query]["description_html"])]
    assert any(".json?" in link and "_shape=array" in link for link in links)
    for link in links:
        answer = get(site, f"/census/{link}")
        assert answer.status_code == 200, link
        if ".json?" in link:
            for row in answer.json():
                assert row.get("status", "found") == "found"
                assert not row["message"] or "authorities of 2019" in row["message"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_no_large_table_from_end_to_end(site, db, query):
    tables = [
        row[0] for row in db.execute("select name from sqlite_master where type = 'table' and name not like '%fts%'")
    ]
    large = [t for t in tables if db.execute(f"select count(*) from {t}").fetchone()[0] > LARGE]
    assert "postcodes" in large
    views = " ".join(row[0] for row in db.execute("select sql from sqlite_master where type = 'view'"))
    sql = QUERIES[query]["sql"]
    names = set(large) | {alias for t in large for alias in re.findall(rf"\b{t} as (\w+)", sql + views)}
    census = site.get_database("census")
    plan = asyncio.run(census.execute("explain query plan " + sql, dict.fromkeys(QUERIES[query]["params"], "1")))
    scans = [row["detail"] for row in plan.rows if row["detail"].startswith("SCAN")]
    assert scans
    assert [scan for scan in scans if scan.split()[1] in names] == []


TEXT = st.text(max_size=12) | st.sampled_from(
    ["\0", "a\0b", "E01004736", "51.5", "-0.1", "5", "SW1A 1AA", "Cardiff", "latest", '"a', "*"]
)


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_text_has_an_answer(sql_of_extract, query, data):
    parameters = {name: data.draw(TEXT) for name in QUERIES[query]["params"]}
    try:
        cursor = sql_of_extract.execute(QUERIES[query]["sql"], parameters)
    except UnicodeEncodeError:
        return  # half a surrogate pair; no such text arrives over HTTP
    rows = cursor.fetchall()
    assert rows
    columns = [column[0] for column in cursor.description]
    messages = {row[columns.index("message")] for row in rows}
    assert len(rows) == 1 or messages == {None} or query == "green_space_by_local_authority"


def test_imd_quantile_is_null_for_what_has_none(sql_of_extract):
    def ask_sql(*parameters):
        return sql_of_extract.execute("select imd_quantile(?, ?, ?)", parameters).fetchone()[0]

    assert ask_sql("england_2019", 24862, 10) == 8
    assert ask_sql("england_2019", "24862", "10") == 8
    assert ask_sql("wales_2019", 191, 10) == 1
    assert ask_sql("wales_2019", 192, 10) == 2
    assert ask_sql("scotland_2020", 697.5, 10) == 1
    for wrong in [
        ("england_1066", 1, 10),
        ("england_2019", 0, 10),
        ("england_2019", 32845, 10),
        ("england_2019", None, 10),
        ("england_2019", 1, 1),
        ("england_2019", 1, 101),
        ("england_2019", 1, "many"),
        ("england_2019", float("inf"), 10),
        (None, None, None),
        ("england_2019", b"1", 5.5),
    ]:
        assert ask_sql(*wrong) is None, wrong


def test_distance_m_is_right_to_half_a_per_cent(sql_of_extract):
    def ask_sql(*parameters):
        return sql_of_extract.execute("select distance_m(?, ?, ?, ?)", parameters).fetchone()[0]

    # Land's End to John o' Groats is 970 km by geodesic (WGS 84).
    assert ask_sql(50.0657, -5.7132, 58.6373, -3.0689) == pytest.approx(969_600, rel=0.005)
    assert ask_sql(51, 0, 51, 0) == 0
    assert ask_sql(51, 0, None, 0) is None
    assert ask_sql(51, 0, "north", 0) is None
    assert ask_sql(float("inf"), 0, 0, 0) is None
