"""The site: what imd_by_postcode answers, the notices, and what stands in the logs."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from census.build import derive
from census.cli import build as build_db
from census.domain import postcode as form
from census.lookup import messages
from sources.registry import publications
from tests.canned import canned_sql
from tests.conftest import ROOT, datasette_of, site_of

CONTRACT = """
    status message postcode terminated nation area_code area_name local_authority_code local_authority_name index_id
    year rank of decile decile_basis quintile quintile_basis income_rank income_decile employment_rank
    employment_decile education_rank education_decile health_rank health_decile crime_rank crime_decile housing_rank
    housing_decile living_environment_rank living_environment_decile idaci_rank idaci_decile licence attribution
    edition
""".split()
IMD_BY_POSTCODE = canned_sql()["imd_by_postcode"]
STATUSES = {"found", "terminated", "not_covered", "unknown", "invalid"}


def get(site, path: str):
    return asyncio.run(site.client.get(path))


def imd(site, postcode: str, index: str = "") -> dict:
    """The one row of imd_by_postcode."""
    path = f"/census/imd_by_postcode.json?postcode={quote_plus(postcode)}&index={quote_plus(index)}&_shape=array"
    answer = get(site, path)
    assert answer.status_code == 200, answer.text
    [row] = answer.json()
    assert set(CONTRACT) <= set(row)
    assert row["status"] in STATUSES
    return row


EXPECTED = [
    ("SW1A 1AA", "england_2019", dict(area_name="Westminster 018C", rank=24862, of=32844, decile=8, year=2019)),
    ("sw1a1aa", "2019", dict(area_code="E01004736", local_authority_name="Westminster", decile_basis="published")),
    ("CF14 3LX", "wales_2019", dict(area_name="Cardiff 025D", area_publisher_name="Gabalfa 4", rank=1362, of=1909)),
    ("CF14 3LX", "latest", dict(decile=8, index_id="wales_2025", quintile_basis="computed", nation="Wales")),
    (
        "CF14 3LX",
        "2025",
        dict(area_name="Cardiff 025D", area_publisher_name="Gabalfa 4", rank=1479, of=1917, year=2025),
    ),
    ("SW1A 1AA", "", dict(index_id="england_2025", rank=24593, of=33755, decile=8, living_environment_decile=1)),
    ("SW1A 1AA", "2019", dict(uk_composite_rank=32398, uk_composite_decile=8, lsoa_2021="E01004736", idaci_decile=10)),
    ("ML1 1AA", "scotland_2020", dict(area_name="Motherwell South - 03", rank=192, of=6976, decile=1)),
    ("BT2 7DX", "northern_ireland_2017", dict(area_name="Shaftesbury 1", rank=163, of=890, decile_basis="computed")),
    ("SY10 0AA", "wales_2019", dict(local_authority_name="Powys", rank=1038, quintile=3)),
]


@pytest.fixture(params=["extract_site", "full_site"])
def site(request):
    """The site over the extract and, where the real publications are at hand, over the whole UK."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("postcode, index, expected", EXPECTED)
def test_a_postcode_has_its_published_figures(site, postcode, index, expected):
    row = imd(site, postcode, index)
    assert (row["status"], row["message"]) == ("found", None)
    assert {name: row[name] for name in expected} == expected


def test_an_index_may_be_left_empty(site):
    assert imd(site, "BT2 7DX")["index_id"] == "northern_ireland_2017"


@pytest.mark.parametrize(
    "postcode, status, named",
    [
        ("JE2 3AB", "not_covered", ["JE2 3AB", "Jersey"]),
        ("GY1 1AA", "not_covered", ["GY1 1AA", "Guernsey"]),
        ("ZZ99 9ZZ", "unknown", ["ZZ99 9ZZ", "ONS Postcode Directory, November 2025"]),
        ("ZZ99 3VZ", "unknown", ["ZZ99 3VZ", "NHS"]),
        ("SWIA 1AA", "invalid", ["'SWIA 1AA'", "SW1A 1AA"]),
        ("", "invalid", ["postcode"]),
        ("x" * 10_000, "invalid", ["10000", "5 to 7"]),
        ("' or 1=1 --", "invalid", ["or 1=1 --"]),
        ("\x00", "invalid", ["U+0000"]),
    ],
)
def test_what_has_no_figures_says_why(site, postcode, status, named):
    row = imd(site, postcode, "latest")
    assert row["status"] == status
    for what in named:
        assert what in row["message"]
    figures = [
        name for name in row if name.endswith(("_rank", "_decile", "_basis")) or name in ("rank", "decile", "year")
    ]
    assert len(figures) > 20
    assert {row[name] for name in figures} == {None}
    assert row["licence"]
    dated = "small areas as of 2022-04 in 110 of 121 postcode areas, 2025-08 to 2025-10 in the others"
    assert row["edition"].startswith(f"ONS Postcode Directory, November 2025 ({dated}); census.db ")


def test_a_postcode_without_an_area_is_told_how_far_its_postcode_area_goes(extract_site):
    """The directory is blamed for nothing that only the file that was loaded lacks."""
    row = imd(extract_site, "BT1 1FZ")
    assert row["status"] == "not_covered"
    assert (
        "as it was loaded here, gives it no small area (the newest postcode with one in BT is of 2022-04)"
        in row["message"]
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/postcode/SW1A1AA", "as of April 2022 in SW."),
        ("/postcode/HS12BB", "as of August 2025 in HS."),
        ("/postcode/BT11FZ", "in BT the newest one that this database gives a small area is of April 2022"),
    ],
)
def test_a_page_says_how_far_its_own_postcode_area_goes(extract_site, path, told):
    assert told in asyncio.run(extract_site.client.get(path)).text


@pytest.mark.parametrize(
    ("months", "told"),
    [
        ([], None),
        ([None], None),
        ([202510], "small areas as of 2025-10"),
        ([202510, 202510, None], "small areas as of 2025-10"),
        ([202204, 202510, 202204], "small areas as of 2022-04 in 2 of 3 postcode areas, 2025-10 in the others"),
        ([202204, 202510], "small areas as of 2025-10 in 1 of 2 postcode areas, 2022-04 in the others"),
        (
            [202508, 202510, 202204, 202510, 202509],
            "small areas as of 2025-10 in 2 of 5 postcode areas, 2022-04 to 2025-09 in the others",
        ),
    ],
)
def test_the_dates_of_a_directory_are_its_postcode_areas(months, told):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table postcode_areas (postcode_area, live_postcodes, small_areas_of)")
        connection.executemany("insert into postcode_areas values (?, 1, ?)", enumerate(months))
        assert derive.dates_of_areas(connection) == told


def test_a_retired_postcode_has_its_figures_and_says_when_it_was_retired(extract_site, extract_db):
    connection = sqlite3.connect(extract_db)
    for nation in ("England", "Wales", "Scotland", "Northern Ireland"):
        code, month = connection.execute(
            "select postcode, terminated from postcodes join small_areas on code = lsoa_2011"
            " where terminated is not null and nation = ? limit 1",
            (nation,),
        ).fetchone()
        row = imd(extract_site, code)
        assert (row["status"], row["terminated"], row["nation"]) == ("terminated", month, nation)
        assert row["rank"]
        assert f"{str(month)[:4]}-{str(month)[4:]}" in row["message"]


def test_a_retired_postcode_without_an_area_says_both(extract_site, extract_db):
    connection = sqlite3.connect(extract_db)
    code, month = connection.execute(
        "select postcode, terminated from postcodes where lsoa_2011 is null and terminated is not null limit 1"
    ).fetchone()
    row = imd(extract_site, code)
    assert row["status"] == "not_covered"
    assert code in row["message"]
    assert f"{str(month)[:4]}-{str(month)[4:]}" in row["message"]


def test_an_unknown_postcode_of_an_extract_is_told_that_it_is_one(extract_site):
    row = imd(extract_site, "M1 1AE")
    assert row["status"] == "unknown"
    for what in ("M1 1AE", "extract", "ONS Postcode Directory, November 2025", "Westminster, Camden"):
        assert what in row["message"]
    assert row["edition"].endswith("(extract)")


@pytest.mark.parametrize("index", ["wales_2019", "2020", "england_2099", "2026", "i" * 10_000])
def test_a_named_index_is_never_answered_by_another(extract_site, index):
    row = imd(extract_site, "SW1A 1AA", index)
    assert row["status"] == "found"
    for what in (f"'{index[:40]}'", "England", "england_2019", "england_2025"):
        assert what in row["message"]
    assert row["area_name"] == "Westminster 018C"
    assert (row["rank"], row["decile"], row["index_id"], row["income_rank"]) == (None,) * 4


def test_northern_ireland_postcodes_carry_their_own_condition(extract_site):
    assert "Northern Ireland End User Licence" in imd(extract_site, "BT2 7DX")["licence"]
    assert "Land & Property Services" in imd(extract_site, "BT2 7DX")["licence"]
    assert "Northern Ireland" not in imd(extract_site, "SW1A 1AA")["licence"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_has_exactly_one_row(extract_db, postcode, index):
    connection = sqlite3.connect(extract_db)
    for name, function in form.FUNCTIONS.items():
        connection.create_function(name, 1, function, deterministic=True)
    for name, function in messages.FUNCTIONS.items():
        connection.create_function(name, -1, function, deterministic=True)
    try:
        rows = connection.execute(IMD_BY_POSTCODE, {"postcode": postcode, "index": index}).fetchall()
    except UnicodeEncodeError:
        return  # half a surrogate pair; no such text arrives over HTTP
    assert len(rows) == 1
    assert rows[0][0] in STATUSES
    assert (rows[0][0] == "invalid") == (form.normalise(postcode) is None)


def test_every_figure_of_an_answer_is_the_table_s(extract_site, extract_db):
    connection = sqlite3.connect(extract_db)
    connection.row_factory = sqlite3.Row
    for postcode, index, _ in EXPECTED:
        row = imd(extract_site, postcode, index)
        index_id = row["index_id"]
        table = connection.execute("select table_name from indices where id = ?", (index_id,)).fetchone()[0]
        published = connection.execute(f"select * from {table} where area_code = ?", (row["area_code"],)).fetchone()
        assert row["rank"] == published["imd_rank"]
        assert row["income_rank"] == published["income_rank"]
        if "imd_decile" in published.keys():  # noqa: SIM118, a Row
            assert row["decile"] == published["imd_decile"]


@pytest.mark.parametrize("site_name", ["extract_site", "full_site"])
def test_the_query_reads_no_large_table_from_end_to_end(request, site_name):
    site = request.getfixturevalue(site_name)
    parameters = {"postcode": "SW1A 1AA", "index": ""}
    plan = asyncio.run(site.get_database("census").execute("explain query plan " + IMD_BY_POSTCODE, parameters))
    scans = [row["detail"] for row in plan.rows if row["detail"].startswith("SCAN")]
    assert not [scan for scan in scans if re.search(r"postcodes|small_areas|imd_|local_authorities", scan)], scans


def test_pages_are_served_and_say_that_this_is_an_extract(extract_site):
    for path in (
        "/",
        "/census",
        "/census/small_areas",
        "/census/imd_by_postcode?postcode=SW1A1AA",
        "/census/deprivation",
    ):
        answer = get(extract_site, path)
        assert answer.status_code == 200, path
        assert re.search(r'class="message-warning">[^<]*\bextract\b[^<]*\bWestminster\b', answer.text), path
    assert "Open Government Licence v3.0" in get(extract_site, "/census/imd_england_2019").text


def test_a_table_of_a_publication_left_out_says_so(mirror, tmp_path):
    output = tmp_path / "wales_alone.db"  # under another name than census.db it gets no downloads
    left_out = ",".join(p.id for p in publications() if p.id != "wales_2019")
    arguments = ["--full", "--accept-changed", "--mirror", str(mirror), "--output", str(output), "--skip", left_out]
    assert build_db.main(arguments) == 0
    (tmp_path / "site").mkdir()
    site = datasette_of(site_of(output, tmp_path / "site"))
    notices = {
        table: re.findall('<p class="message-warning">(.*?)</p>', get(site, f"/census/{table}").text)
        for table in ("imd_england_2019", "imd_wales_2019")
    }
    assert [told for told in notices["imd_england_2019"] if "English indices of deprivation 2019" in told]
    assert not [told for told in notices["imd_wales_2019"] if "left out" in told]
    row = imd(site, "SW1A 1AA")
    assert row["status"] == "unknown"
    assert "without the ONS Postcode Directory" in row["message"]


def test_inspect_data_that_fits_is_used_and_any_other_ignored_aloud(extract_db, tmp_path, capsys):
    for name in ("fits", "not"):
        (tmp_path / name).mkdir()
        site_of(extract_db, tmp_path / name)
    other = tmp_path / "not/inspect-data.json"
    described = json.loads(other.read_text())
    described["census"]["hash"] = "0" * 64
    described["census"]["tables"]["green_space"]["count"] = 9
    other.unlink()
    other.write_text(json.dumps(described))
    fits, ignored = datasette_of(tmp_path / "fits"), datasette_of(tmp_path / "not")
    assert get(fits, "/census.json").status_code == get(ignored, "/census.json").status_code == 200
    assert fits.get_database("census").is_mutable is False
    assert ignored.get_database("census").is_mutable is True
    tables = {table["name"]: table["count"] for table in get(ignored, "/census.json").json()["tables"]}
    assert tables["green_space"] == 371
    [warning] = [line for line in capsys.readouterr().err.splitlines() if "inspect-data.json" in line]
    assert "census.db" in warning


# A real server


def test_no_log_line_holds_a_postcode(server):
    base, log = server
    asked = [
        "/census/imd_by_postcode.json?postcode=SW1A+1AA&index=england_2019&_shape=array",
        "/census/imd_by_postcode?postcode=sw1a1aa",
        "/census/imd_by_postcode.csv?postcode=SW1A%201AA",
        "/census/postcodes/SW1A~201AA.json",
        "/census/postcodes/SW1A~209ZZ",
        "/census/no_such_query.json?postcode=SW1A+1AA",
        "/SW1A+1AA",
        "/census.json?sql=select+*+from+nowhere+where+postcode+%3D+%27SW1A+1AA%27",
        "/census.json?sql=select+%3Ap+from+nowhere&p=SW1A+1AA",
        "/census?sql=select+%27SW1A+1AA",
        "/census.csv?sql=select+abs(-9223372036854775808)%2C%27SW1A+1AA%27",
        "/census/postcodes.json?postcode__no_such=SW1A+1AA",
        "/census/postcodes.csv?_stream=1&postcode=SW1A+1AA&_where=nothing+%3D+1",
        "/census/postcodes.json?_next=SW1A+1AA&_sort=nothing",
        "/census/green_space_by_postcode.json?postcode=SW1A+1AA&_shape=array",
        "/census/imd_quantile_by_postcode?postcode=SW1A+1AA&quantile=SW1A+1AA",
        "/census/postcodes_in_small_area.csv?code=SW1A+1AA&after=SW1A+1AA",
        "/download/SW1A1AA.csv.gz",
        "/graphql?query=%7Bpostcodes_row(postcode%3A%22SW1A+1AA%22)%7Bpostcode%7D%7D",
        "/graphql?query=%7Bpostcodes_row(postcode%3A%22SW1A+1AA%22)%7Bnothing%7D%7D",
        "/graphql?query=%7B%22SW1A+1AA%22",
        "/graphql/SW1A1AA?query=%7Bindices%7Bnodes%7Bid%7D%7D%7D",
    ]
    statuses = set()
    for path in asked:
        try:
            with urllib.request.urlopen(base + path, timeout=10) as answer:
                statuses.add(answer.status)
                answer.read()
        except urllib.error.HTTPError as error:
            statuses.add(error.code)
    assert {200, 400, 404} <= statuses
    said = log.read_text()
    assert "Uvicorn running" in said
    assert not re.search(r"sw1a|1aa\b", said, re.IGNORECASE), said


def test_an_unforeseen_error_leaves_its_type_and_place_but_not_its_message(tmp_path, extract_db):
    folder = site_of(extract_db, tmp_path)
    plugins = tmp_path / "more"
    plugins.mkdir()
    (plugins / "broken.py").write_text(
        "from datasette import hookimpl\n"
        "def broken(request):\n"
        "    raise KeyError(request.args['postcode'])\n"
        "@hookimpl\n"
        "def register_routes():\n"
        "    return [('^/broken$', broken)]\n"
    )
    for plugin in (ROOT / "plugins").glob("*.py"):
        (plugins / plugin.name).symlink_to(plugin)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("datasette"),
            ".",
            "--plugins-dir",
            plugins,
            "--get",
            "/broken?postcode=SW1A1AA",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "KeyError" in done.stderr
    assert "broken.py" in done.stderr
    assert "SW1A" not in done.stderr
