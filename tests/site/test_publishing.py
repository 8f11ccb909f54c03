"""What is published beside the queries: lists, downloads, GraphQL, maps, licences, and who may read it from where."""

import asyncio
import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from html import unescape
from pathlib import Path

import datasette_graphql.utils
import pytest
import yaml

from census.build import downloads
from census.schema import hosted, manifest
from census.schema.tables import all_tables
from census.schema.views import VIEWS
from tests.conftest import ROOT, datasette_of, site_of

METADATA = yaml.safe_load((ROOT / "metadata.yml").read_text())
CENSUS = METADATA["databases"]["census"]
WHOLE = {"lsoas_2011": 34753, "lsoas_2021": 35672, "data_zones_2011": 6976, "soas_2001": 890}
WALK = """
{
  postcodes_row(postcode: "SW1A 1AA") {
    postcode
    lsoa_2011 {
      name
      deprivation_list { nodes { rank of decile index_id { id title year } } }
    }
    local_authority { name }
  }
}
"""


def get(site, path: str, **options):
    return asyncio.run(site.client.get(path, **options))


def post(site, path: str, **options):
    return asyncio.run(site.client.post(path, **options))


SCHEMAS: dict[str, dict] = {"extract_site": {}, "full_site": {}}


@pytest.fixture(params=SCHEMAS)
def site(request, monkeypatch):
    # GraphQL keeps one schema for the whole process, and we serve two databases.
    monkeypatch.setattr(datasette_graphql.utils, "_schema_cache", SCHEMAS[request.param])
    return request.getfixturevalue(request.param)


@pytest.fixture
def db(site):
    connection = sqlite3.connect(f"file:{Path(site.get_database('census').path)}?mode=ro", uri=True)
    yield connection
    connection.close()


def with_setting(folder: Path, old: str, new: str) -> Path:
    """The site's `folder` with one line of its metadata.yml changed."""
    text = (ROOT / "metadata.yml").read_text()
    assert text.count(old) == 1
    (folder / "metadata.yml").unlink()
    (folder / "metadata.yml").write_text(text.replace(old, new))
    return folder


def tables_of() -> list[str]:
    return [name for name in {**CENSUS["tables"], "domain_weights": {}} if name not in VIEWS]


def licence_of(table: str) -> str:
    """The composite index is mySociety's, one licence is not certain, all else is under the Open Government Licence."""
    return {
        "imd_uk_composite": "Creative Commons Attribution 4.0 International (CC BY 4.0)",
        "natural_green_space_inequalities": "Open Government Licence v3.0, to be confirmed with Natural England",
    }.get(table, "Open Government Licence v3.0")


WAY_ROUND = re.compile(r'<p class="note"><strong>[^<]*\b1\b[^<]*\bmost deprived\b')


# Lists


@pytest.mark.parametrize("table", WHOLE)
def test_a_list_is_whole_as_csv_by_datasette(site, db, table):
    answer = get(site, f"/census/{table}.csv?_stream=on&_size=max")
    assert answer.status_code == 200
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    cursor = db.execute(f"select * from {table} order by code")
    assert header == [column[0] for column in cursor.description]
    assert rows == [["" if cell is None else str(cell) for cell in row] for row in cursor]
    if db.execute("select scope from edition").fetchone()[0] == "complete":
        assert len(rows) == WHOLE[table]


@pytest.mark.parametrize("table", ["small_areas", *WHOLE])
def test_a_list_has_facets_search_and_sorting(site, table):
    page = unescape(get(site, f"/census/{table}").text)
    for facet in CENSUS["tables"][table]["facets"]:
        assert f'data-column="{facet}"' in page
    assert 'type="search" name="_search"' in page
    assert get(site, f"/census/{table}?_facet=name").status_code == 400, "no facets but the named ones"
    name = {"lsoas_2011": "Cardiff 025D", "data_zones_2011": "Motherwell South - 03", "soas_2001": "Shaftesbury 1"}.get(
        table, "Cardiff 025D"
    )
    found = get(site, f"/census/{table}.json", params={"_search": name, "_shape": "array"}).json()
    assert [row["name"] for row in found] == [name]
    sort = get(site, f"/census/{table}.json?_sort_desc=name&_shape=array&_size=20").json()
    assert [row["name"] for row in sort] == sorted((row["name"] for row in sort), reverse=True)


def test_a_list_is_filtered_by_nation_and_authority(site, db):
    facets = get(site, "/census/lsoas_2011.json?nation=Wales").json()["facet_results"]
    nations = {r["value"]: r["count"] for r in facets["nation"]["results"]}
    assert nations == {"Wales": db.execute("select count(*) from lsoas_2011 where nation = 'Wales'").fetchone()[0]}
    cardiff = [r for r in facets["local_authority"]["results"] if r["value"] == "W06000015"]
    assert cardiff[0]["label"] == "Cardiff"


# Downloads


@pytest.fixture
def listing(site):
    answer = get(site, "/download.json")
    assert answer.status_code == 200
    return {table["table"]: table for table in answer.json()}


def test_every_table_is_listed_with_size_rows_licence_and_attribution(site, db, listing):
    assert set(listing) == set(tables_of())
    page = unescape(get(site, "/download").text)
    for name, table in listing.items():
        assert table["rows"] == db.execute(f"select count(*) from {name}").fetchone()[0]
        assert table["licence"] == licence_of(name)
        assert table["licence_url"].startswith("https://")
        assert {Path(file["name"]).suffixes[0] for file in table["files"]} == {".csv", ".json"}
        for file in table["files"]:
            assert f"/download/{file['name']}" in page
            assert file["url"].endswith(f"/download/{file['name']}")
    assert any("Royal Mail" in line for line in listing["postcodes"]["attributions"])
    assert any("Land & Property Services" in line for line in listing["postcodes"]["attributions"])


def test_the_rows_of_a_download_stand_a_line_each_whatever_is_in_them():
    for text in ("plain", 'a"},{"b', "},{", "line\nbreak"):
        rows = [(1, text), (2, None), (3, "end")]
        lines = downloads._json(["a", "b"], rows).split(b",\n")
        assert [tuple(json.loads(line).values()) for line in lines] == rows


def test_every_download_is_its_table_row_for_row(site, db, listing):
    for name, table in listing.items():
        if name == "postcodes" and table["rows"] > 1_000_000:
            continue  # the next test
        columns = [column[1] for column in db.execute(f"pragma table_info({name})")]
        rows = sorted(map(repr, db.execute(f"select {', '.join(columns)} from {name}")))
        for file in table["files"]:
            answer = get(site, f"/download/{file['name']}")
            assert answer.headers["content-type"] == "application/gzip"
            assert f'filename="{file["name"]}"' in answer.headers["content-disposition"]
            assert 'rel="license"' in answer.headers["link"]
            assert len(answer.content) == file["bytes"] == int(answer.headers["content-length"])
            assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
            text = gzip.decompress(answer.content).decode()
            if ".csv" in file["name"]:
                header, *found = csv.reader(io.StringIO(text, newline=""))
                assert header == columns
                cells = [["" if c is None else str(c) for c in row] for row in db.execute(f"select * from {name}")]
                assert sorted(found) == sorted(cells), name
            else:
                found = json.loads(text)
                assert all(list(row) == columns for row in found)
                assert sorted(repr(tuple(row.values())) for row in found) == rows, name


def test_the_download_of_all_postcodes_is_whole(full_site, full_build):
    db = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True)
    [digest] = db.execute("select digest from edition").fetchone()
    folder = manifest.folder_of(full_build.path, digest)
    table = manifest.listed(full_build.path, digest)["postcodes"]
    assert table["rows"] == 2_720_556
    stored = db.execute("select * from postcodes order by postcode")
    with (
        gzip.open(folder / "postcodes.csv.gz", "rt", newline="") as text,
        gzip.open(folder / "postcodes.json.gz") as lines,
    ):
        reader = csv.reader(text)
        columns = next(reader)
        assert next(lines) == b"[\n"
        rows = 0
        for row, as_csv, line in zip(stored, reader, lines, strict=False):
            assert as_csv == ["" if cell is None else str(cell) for cell in row]
            if not rows % 50:  # parsing each would take a minute
                assert list(json.loads(line.rstrip(b",\n")).items()) == list(zip(columns, row, strict=True))
            rows += 1
        assert rows == table["rows"]
        assert next(lines, b"]\n") == b"]\n"
        assert next(reader, None) is None
    assert get(full_site, "/download/postcodes.csv.gz", headers={"range": "bytes=0-9"}).status_code == 200


def test_a_download_is_not_sent_twice_and_head_sends_none(extract_site):
    first = get(extract_site, "/download/indices.csv.gz")
    again = get(extract_site, "/download/indices.csv.gz", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = asyncio.run(extract_site.client.head("/download/indices.csv.gz"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]


@pytest.mark.parametrize("name", ["nothing.csv.gz", "manifest.json", "indices.csv", "..~2Fcensus.db"])
def test_what_is_no_download_is_not_found(extract_site, name):
    assert get(extract_site, f"/download/{name}").status_code == 404


def test_downloads_of_another_build_are_never_given(extract_db, tmp_path):
    site = datasette_of(site_of(extract_db, tmp_path))
    (tmp_path / "downloads").unlink()
    shutil.copytree(extract_db.with_name("downloads"), tmp_path / "downloads")
    assert get(site, "/download/indices.csv.gz").status_code == 200
    [folder] = (tmp_path / "downloads").iterdir()
    folder.rename(folder.with_name("0" * 16))
    answer = get(site, "/download/indices.csv.gz")
    assert answer.status_code == 404
    assert "build_db.py" in answer.text
    listing = get(site, "/download.json")
    assert (listing.status_code, list(listing.json())) == (404, ["error"])
    assert "build_db.py" in listing.json()["error"]
    assert listing.json()["error"] in get(site, "/download").text
    assert "/download/" not in get(site, "/download").text
    assert "/download/" not in get(site, "/census/indices").text


def test_a_spreadsheet_opens_the_lists(extract_site):
    """A list as Datasette exports it for one, with labels: one header, a line a row, nothing that starts a formula."""
    answer = get(extract_site, "/census/soas_2001.csv?_stream=on&_labels=on&_size=max&_dl=on")
    assert "attachment" in answer.headers["content-disposition"]
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert {len(row) for row in rows} == {len(header)}
    assert "local_authority_label" in header
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]


# Licences


def test_every_table_and_view_shows_licence_edition_and_which_way_round(site, db):
    tables = {**CENSUS["tables"], "domain_weights": {}}
    for name in tables:
        page = unescape(get(site, f"/census/{name}?_size=3").text)
        assert licence_of(name) in page, name
        assert "census.db " in page, name
        columns = [column[1] for column in db.execute(f"pragma table_info({name})")]
        ranked = any(column.endswith(("rank", "decile", "quintile")) for column in columns)
        assert bool(WAY_ROUND.search(page)) is ranked, name
    for line in ("Contains OS data © Crown copyright and database right 2025", "Royal Mail copyright"):
        assert line in unescape(get(site, "/census/postcodes?_size=1").text)
        assert line in unescape(get(site, "/census/postcode_places?_size=1").text)
    assert "Northern Ireland End User Licence" in get(site, "/census/postcodes?_size=1").text
    assert "licence from Land & Property Services" in unescape(get(site, "/census/postcodes?_size=1").text)


def test_a_row_s_page_says_which_way_round(extract_site):
    page = get(extract_site, "/census/imd_england_2019/E01004736")
    assert page.status_code == 200
    assert WAY_ROUND.search(page.text)


# The home page and others


def test_the_home_page_leads_with_a_postcode_and_the_three_things(site):
    page = get(site, "/").text
    before, things = page.split('<div class="doors">')
    assert re.search(r'<form[^>]* action="/search" method="get"[^>]*>\s*<label for="q">[^<]*\bpostcode\b', before, re.I)
    sections = things.split("</div>")[0].split("<section>")[1:]
    for section, table in zip(sections, ("deprivation", "green_space", "lsoas_2021"), strict=True):
        assert "<h2>" in section
        assert f'href="/census/{table}"' in section
    assert 'name="viewport" content="width=device-width' in page
    links = set(re.findall(r'href="(/[^"#]*)"', page))
    assert len(links) > 20
    for link in links:
        assert get(site, link, headers={"accept": "text/html"}).status_code == 200, link


def test_an_answer_of_one_row_stands_upright_and_leaves_out_what_is_empty(extract_site):
    page = get(extract_site, "/census/imd_by_postcode?postcode=CF14+3LX&index=wales_2019").text
    assert re.search(r'<th scope="row">decile</th><td class="col-decile figure">8</td>', page)
    assert '<th scope="row">income_<wbr>rank</th>' in page
    assert "idaci_<wbr>rank</th>" not in page, "Wales has none"
    assert '_shape=array">JSON</a>' in page


def test_sql_of_one_s_own_is_answered_with_our_functions(extract_site):
    sql = "select postcode_problem('SW1!') p, normalise_postcode('sw1a1aa') n, imd_quantile('wales_2019', 1362, 3) q"
    [row] = get(extract_site, "/census.json", params={"sql": sql, "_shape": "array"}).json()
    assert (row["n"], row["q"]) == ("SW1A 1AA", 3)
    assert "'!'" in row["p"]
    page = get(extract_site, "/census", params={"sql": sql})
    assert page.status_code == 200
    assert 'id="sql-editor"' in page.text


# Other origins


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/census/imd_by_postcode.json?postcode=CF14+3LX&index=wales_2019&_shape=array",
        "/census/imd_by_postcode.csv?postcode=CF14+3LX",
        "/census/postcodes/SW1A~201AA.json",
        "/census/nothing.json",
        "/census.json?sql=select+nonsense",
        "/graphql?query=%7Bindices%7Bnodes%7Bid%7D%7D%7D",
        "/download.json",
        "/download/indices.csv.gz",
        "/-/versions.json",
        "/-/static/app.css",
        "/nothing",
    ],
)
def test_every_answer_may_be_read_from_any_origin(extract_site, path):
    answer = get(extract_site, path, headers={"Origin": "https://audit.example"})
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert answer.headers["referrer-policy"] == "strict-origin"
    assert "set-cookie" not in answer.headers


def test_a_preflight_request_is_answered(extract_site):
    headers = {
        "Origin": "https://audit.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = asyncio.run(extract_site.client.options("/graphql", headers=headers))
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize(
    "path", ["/census/imd_by_postcode.json?postcode=SW1A+1AA", "/census/postcodes", "/download", "/"]
)
def test_a_method_that_does_not_read_is_not_allowed(extract_site, method, path):
    answer = asyncio.run(extract_site.client.request(method, path))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["access-control-allow-origin"] == "*"


# GraphQL


def test_graphql_walks_from_a_postcode_to_its_area_index_and_authority(site):
    answer = post(site, "/graphql", json={"query": WALK})
    assert answer.status_code == 200, answer.text
    row = answer.json()["data"]["postcodes_row"]
    assert row["lsoa_2011"]["name"] == "Westminster 018C"
    assert row["local_authority"]["name"] == "Westminster"
    [figures] = row["lsoa_2011"]["deprivation_list"]["nodes"]
    assert (figures["rank"], figures["of"], figures["decile"]) == (24862, 32844, 8)
    assert figures["index_id"] == {"id": "england_2019", "title": "English indices of deprivation 2019", "year": 2019}
    by_get = get(site, "/graphql/census", params={"query": WALK})
    assert by_get.json() == answer.json()


def test_graphql_has_a_page(extract_site):
    datasette_graphql.utils._schema_cache.clear()
    page = get(extract_site, "/graphql", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "graphiql" in page.text.lower()


NESTED = (
    "{ small_areas(first: 1000) { nodes { " + " ".join(f"a{i}: local_authority {{ name }}" for i in range(9)) + " } } }"
)
BOMB = "{ ...a } " + " ".join(
    f"fragment {a} on Query {{ ...{b} x{b}: indices {{ nodes {{ id }} }} ...{b} }}"
    for a, b in zip("abcdefghijklmnopq", "bcdefghijklmnopqr", strict=True)
)


@pytest.mark.parametrize(
    "options, status, named",
    [
        ({"content": b"{"}, 400, "GraphQL request"),
        ({"content": b"[1]"}, 400, "JSON object"),
        ({"content": b"\xff\xfe"}, 400, "GraphQL request"),
        ({"json": {"query": "{ nonsense"}}, 400, "Syntax Error"),
        ({"json": {"query": ["a"]}}, 400, "query"),
        ({"json": {"query": "{" + "[" * 3000}}, 400, "GraphQL request"),
        ({"json": {"query": "{ a }", "padding": "x" * 10_000}}, 413, "10,000 bytes"),
        ({"json": {"query": NESTED}}, 400, "25,000"),
        ({"json": {"query": NESTED.replace("1000", "$n"), "variables": {"n": 1000}}}, 400, "25,000"),
        ({"json": {"query": BOMB}}, 400, "25,000"),
        ({"json": {"query": "{ postcodes { nodes { " * 6}}, 400, "Syntax Error"),
        ({"json": {"query": "{ postcodes(first: 100000000) { nodes { postcode } } }"}}, 400, "1,000"),
        ({"json": {"query": "{ __schema { a: types { name } b: types { name } } }"}}, 400, "aliases"),
        ({"json": {"query": "{ __schema { types { fields { type { fields { name } } } } } }"}}, 400, "introspection"),
        ({"json": {"query": "{ postcodes(first: -1) { nodes { postcode } } }"}}, 400, "1,000"),
        ({"json": {"query": "{ nothing { nodes { postcode } } }"}}, 400, "'nothing'"),
    ],
)
def test_graphql_beyond_its_limits_is_refused_with_a_reason(extract_site, options, status, named):
    answer = post(extract_site, "/graphql", **options)
    assert (answer.status_code, named in answer.json()["errors"][0]["message"]) == (status, True), answer.text[:300]


def test_graphql_asked_twice_in_one_address_is_refused(extract_site):
    answer = get(extract_site, "/graphql?query=%7Bindices%7Bnodes%7Bid%7D%7D%7D&query=%7B__typename%7D")
    assert answer.status_code == 400
    assert re.search(r"\bquery\b", answer.json()["errors"][0]["message"])


def test_graphql_at_another_path_has_the_same_limits(extract_db, tmp_path):
    datasette_graphql.utils._schema_cache.clear()
    folder = with_setting(site_of(extract_db, tmp_path), "    enabled: true ", "    path: /gql\n    enabled: true ")
    answer = get(datasette_of(folder), "/gql", params={"query": NESTED})
    assert (answer.status_code, "25,000" in answer.json()["errors"][0]["message"]) == (400, True)


def test_graphql_of_no_database_is_not_found(extract_site):
    assert post(extract_site, "/graphql/nothing", json={"query": "{ a }"}).status_code == 404


def test_graphql_that_takes_too_long_is_stopped(extract_db, tmp_path):
    datasette_graphql.utils._schema_cache.clear()
    site = datasette_of(
        with_setting(site_of(extract_db, tmp_path), "    time_limit_ms: 1000 ", "    time_limit_ms: 5 ")
    )
    answer = post(
        site, "/graphql", json={"query": "{ small_areas(first: 400) { nodes { local_authority { name } } } }"}
    )
    assert answer.status_code == 503
    assert " 5 ms" in answer.json()["errors"][0]["message"]


def test_graphql_is_switched_off_by_one_setting(extract_db, tmp_path):
    folder = with_setting(site_of(extract_db, tmp_path), "    enabled: true ", "    enabled: false ")

    program = (
        "import asyncio, json, pathlib, datasette.app;"
        " settings = json.loads(pathlib.Path('settings.json').read_text());"
        " site = datasette.app.Datasette(config_dir=pathlib.Path('.'), settings=settings);"
        " ask = lambda path: asyncio.run(site.client.get(path));"
        " answers = [ask('/graphql?query=%7Bindices%7Bnodes%7Bid%7D%7D%7D'), ask('/')];"
        " print(json.dumps([[answer.status_code, answer.text] for answer in answers]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    off, home = json.loads(done.stdout)
    assert off[0] == 404
    assert "GraphQL" in json.loads(off[1])["errors"][0]["message"]
    assert home[0] == 200
    assert "GraphQL" not in home[1]


# Maps


@pytest.mark.parametrize(
    "path, has_map",
    [
        ("/census/small_areas", True),
        ("/census/local_authorities", True),
        ("/census/nearest_postcodes?latitude=51.501&longitude=-0.1416", True),
        ("/census/postcodes", False),
        ("/census/postcodes?lsoa_2011=E01004736", False),
        ("/census/postcode_places?postcode=SW1A+1AA", False),
        ("/census/green_space", False),
    ],
)
def test_a_map_is_where_it_helps_and_never_pages_through_all_postcodes(site, path, has_map):
    page = get(site, path)
    assert page.status_code == 200
    assert ("datasette-cluster-map.js" in page.text) is has_map
    if has_map:
        assert "https://tile.openstreetmap.org/{z}/{x}/{y}.png" in page.text
        assert "OpenStreetMap</a> contributors" in page.text
        for script in re.findall(r'src="(/-/static-plugins/[^"]+)"', page.text):
            assert get(site, script).status_code == 200


# Another version's database


def test_a_database_of_another_version_is_refused_in_one_sentence(extract_db, tmp_path):
    folder = site_of(extract_db, tmp_path)
    connection = sqlite3.connect(folder / "census.db")
    connection.execute("drop view edition_notes")
    connection.commit()
    connection.close()
    done = subprocess.run(
        [Path(sys.executable).with_name("datasette"), ".", "--get", "/"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode != 0
    for what in ("census.db", "view edition_notes", "make extract", "make full"):
        assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_every_table_of_the_build_is_tested_here():
    from sources.registry import publications

    assert set(tables_of()) == set(all_tables(publications() + hosted.data_sets()))


def test_what_a_reader_types_is_never_html(extract_site):
    typed = "<script>alert(1)</script>"
    for query, told in CENSUS["queries"].items():
        page = get(extract_site, f"/census/{query}", params=dict.fromkeys(told["params"], typed))
        assert page.status_code == 200
        assert typed not in page.text, query
        assert "&lt;script&gt;" in page.text, query
