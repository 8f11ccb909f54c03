"""The platform's contract as a table of requests and answers, and its clients' own way of asking.

`rcpch_contract.csv` was made from the contract and from the publications' own cells: ranks, published bands, and other
bands by the publisher's rule in fractions. It uses no code of this project and never the platform's formula. A row has
the version (v1, v2, both, or v2 with its setting "gone"), the request below the base path, the status, and the members
that the answer must have; of a list of results, those of the first ones.
"""

import csv
import json
import math
import random
import re
import sqlite3
from dataclasses import replace
from urllib.parse import parse_qsl, quote

import pytest
import requests
import yaml
from datasette.utils import StartupError
from hypothesis import example, given
from hypothesis import strategies as st

from census.lookup.database import Lookup
from census.schema.indices import indices as band_rules
from census.web.api import rcpch
from census.web.api.openapi import rcpch_paths
from census.web.responses import pairs
from tests.conftest import ROOT, datasette_of, site_of
from tests.full.test_full import sheet_of, text_of
from tests.site.test_queries import QUERIES
from tests.site.test_rcpch import fits, over_http

TABLE = list(csv.DictReader((ROOT / "tests" / "rcpch_contract.csv").open(newline="")))
VERSIONS = {"v1": rcpch.V1, "v2": rcpch.V2, "gone": replace(rcpch.V2, gone=True)}
BASES = {"v1": ("/deprivation/v1", "/rcpch-census-platform/api/v1"), "v2": ("/deprivation/v2",)}
QUANTILE = "index_of_multiple_deprivation_quantile"


@pytest.fixture(scope="module")
def lookup(extract_db):
    opened = Lookup(extract_db, band_rules())
    yield opened
    opened.close()


def ask(lookup: Lookup, version: str, request: str) -> tuple[int, dict]:
    """Return status and content of an answer, without HTTP."""
    path, _, query = request.partition("?")
    answer = rcpch.answer(lookup, path, quote(query, safe="=&%+").encode(), "http://a", VERSIONS[version])
    return answer.status, json.loads(answer.body)


def assert_has(content: object, expected: object, where: str = "") -> None:
    """Check that `content` has the members of `expected`, at any depth; of a list, its first ones."""
    if isinstance(expected, dict):
        assert isinstance(content, dict), where
        for name, value in expected.items():
            assert name in content, f"{where}/{name}"
            assert_has(content[name], value, f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(content) >= len(expected), where
        for i, value in enumerate(expected):
            assert_has(content[i], value, f"{where}/{i}")
    else:
        assert (content, type(content) is str) == (expected, type(expected) is str), where


def versions_of(row: dict) -> list[str]:
    return ["v1", "v2"] if row["version"] == "both" else [row["version"]]


ROUTED = [row for row in TABLE if row["request"].split("?")[0].strip("/") not in ("health", "schema")]


@pytest.mark.parametrize("row", ROUTED, ids=lambda row: f"{row['version']} {row['request']}"[:90])
def test_each_request_of_the_contract_has_its_answer(lookup, row):
    for version in versions_of(row):
        status, content = ask(lookup, version, row["request"])
        assert status == int(row["status"]), (version, content)
        assert_has(content, json.loads(row["answer"]))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_contract_over_http_at_every_base_path(server, version):
    base, _ = server
    wanted = [row for row in TABLE if version in versions_of(row)]
    some = [row for row in wanted if row not in ROUTED] + random.Random(23).sample(wanted, 40)
    with requests.Session() as client:
        for path in BASES[version]:
            for row in some:
                response = client.get(f"{base}{path}/{row['request']}", headers={"Subscription-Key": "k"}, timeout=10)
                assert response.status_code == int(row["status"]), row
                assert_has(response.json(), json.loads(row["answer"]))
                assert response.headers["access-control-allow-origin"] == "*"


def test_the_table_has_every_nation_year_and_quantile():
    found = set()
    for row in TABLE:
        result = json.loads(row["answer"]).get("result", {})
        if row["status"] == "200" and "year=" in row["request"] and "requested_quantile" in result:
            found.add((result["country"], row["request"].split("year=")[1][:4], result["requested_quantile"]))
    years = {"england": (2019, 2025), "wales": (2019,), "scotland": (2020,), "northern_ireland": (2017,)}
    assert found == {(c, str(y), q) for c, several in years.items() for y in several for q in rcpch.QUANTILES}
    assert len(TABLE) > 500


# Through HTTP


def test_the_root_of_version_2_names_its_lists_and_the_revision(server):
    response = requests.get(f"{server[0]}/deprivation/v2/", timeout=10)
    lists = {"local_authority_districts", "northern_ireland_small_output_areas", "scotland_data_zones", "green_space"}
    assert set(response.json()) == lists
    assert re.fullmatch("[0-9a-f]{40}|unknown", response.headers["x-git-revision"])
    assert "x-git-revision" not in requests.get(f"{server[0]}/deprivation/v1/", timeout=10).headers
    assert "X-Git-Revision" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_document_describes_what_is_served(server, version):
    for base in BASES[version]:
        document = requests.get(f"{server[0]}{base}/schema/", timeout=10).json()
        assert document["openapi"].startswith("3.")
        paths = {f"{base}{path}" for path in rcpch_paths(VERSIONS[version])}
        paths.discard(f"{base}/uk_population_density/{{id}}/")  # not loaded in the demonstration
        assert set(document["paths"]) == paths
        page = requests.get(f"{server[0]}{base}/swagger-ui/", timeout=10)
        assert page.status_code == 200
        assert f"{base}/{QUANTILE}" in page.text
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text.split("<footer")[0])


@pytest.mark.parametrize("key", ["Subscription-Key", "Ocp-Apim-Subscription-Key"])
def test_a_browser_may_send_either_key(server, key):
    headers = {"Origin": "https://audit.example", "Access-Control-Request-Method": "GET"}
    for base in (*BASES["v1"], *BASES["v2"]):
        asked = f"{server[0]}{base}/{QUANTILE}?postcode=SW1A1AA&quantile=5"
        preflight = requests.options(asked, headers=headers | {"Access-Control-Request-Headers": key}, timeout=10)
        allowed = preflight.headers["access-control-allow-headers"].lower().split(", ")
        assert (preflight.status_code, key.lower() in allowed) == (204, True)


def test_a_key_in_the_query_changes_no_answer_and_reaches_no_log(server):
    base, log = server
    asked = f"{base}/deprivation/v2/{QUANTILE}?postcode=SW1A1AA&quantile=5&year=2025"
    plain = requests.get(asked, timeout=10)
    with_key = requests.get(f"{asked}&Subscription-Key=s3cr3tk3y", timeout=10)
    assert (with_key.content, with_key.headers["etag"]) == (plain.content, plain.headers["etag"])
    again = requests.get(f"{asked}&api_key=s3cr3tk3y", headers={"If-None-Match": plain.headers["etag"]}, timeout=10)
    assert again.status_code == 304
    assert "s3cr3tk3y" not in log.read_text()


def test_other_methods_are_refused_in_version_2_too(server):
    for method in ("POST", "PUT", "DELETE"):
        response = requests.request(method, f"{server[0]}/deprivation/v2/boundaries?postcode=SW1A1AA", timeout=10)
        assert (response.status_code, response.json()) == (405, {"detail": f'Method "{method}" not allowed.'})


@pytest.mark.parametrize("path", rcpch_paths(rcpch.V2))
def test_every_described_example_of_version_2_is_answered_as_described(server, path):
    operation = rcpch_paths(rcpch.V2)[path]["get"]
    params = {p["name"]: p["example"] for p in operation["parameters"] if "example" in p}
    code = params.pop("id", None)
    url = f"{server[0]}/deprivation/v2{path.replace('{id}', str(code))}"
    response = requests.get(url, params=params, timeout=10)
    if path.startswith("/uk_population_density/"):  # the whole file is not at hand
        assert (response.status_code, "is not loaded here" in response.json()["detail"]) == (404, True)
        return
    assert response.status_code == 200
    assert fits(response.json(), operation["responses"]["200"]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_address_in_an_answer_leads_on(lookup, version):
    queries = ["green_space/", "local_authority_districts/"]
    queries += [
        "scotland_data_zones/?data_zone_code=S01011471",
        "england_wales_lower_layer_super_output_areas/E01004736/",
    ]
    queries += ["indices_of_multiple_deprivation?postcode=SW1A1AA&year=2025"]
    queries += [f"indices_of_multiple_deprivation?postcode={p}" for p in ("SW1A1AA", "CF143LX", "ML11AA", "BT27DX")]
    for request in queries:
        _, content = ask(lookup, version, request)
        links = [
            value
            for row in content.get("results", [content])
            for value in row.values()
            if isinstance(value, str) and value.startswith("http://a/")
        ]
        for link in links:
            status, led = ask(lookup, version, link.removeprefix("http://a/"))
            assert status == 200, link
            assert led.get("count", 1) == 1, link


# The settings


def settings_site(extract_db, folder, **config):
    site_of(extract_db, folder)
    metadata = yaml.safe_load((folder / "metadata.yml").read_text())
    metadata["plugins"]["api"] = config
    (folder / "metadata.yml").unlink()
    (folder / "metadata.yml").write_text(yaml.safe_dump(metadata))
    return datasette_of(folder)


def test_every_base_path_is_a_setting_and_one_may_lie_below_another(extract_db, tmp_path):
    site = settings_site(
        extract_db, tmp_path, rcpch_base_path="/d", rcpch_v1_base_path="/d/one", rcpch_v2_base_path="/d/one/two"
    )
    asked = f"{QUANTILE}?postcode=SW1A1AA&quantile=9"
    for base, status in (("/d", 200), ("/d/one", 200), ("/d/one/two", 400), ("/deprivation/v2", 404)):
        assert over_http(site, f"{base}/{asked}").status_code == status
    root = over_http(site, "/d/one/two/").json()
    assert root["green_space"] == "http://localhost/d/one/two/green_space/"


def test_terminated_postcodes_are_gone_where_the_setting_says_so(extract_db, tmp_path):
    site = settings_site(extract_db, tmp_path, rcpch_v2_terminated="gone")
    [row, *_] = [row for row in TABLE if row["version"] == "gone" and QUANTILE in row["request"]]
    response = over_http(site, f"/deprivation/v2/{row['request']}")
    assert (response.status_code, response.json()) == (410, json.loads(row["answer"]))
    assert response.headers["cache-control"] == "no-store"
    version_1 = over_http(site, f"/deprivation/v1/{row['request']}")
    assert (version_1.status_code, version_1.headers["postcode-status"]) == (200, "terminated")
    assert (
        "410"
        in over_http(site, "/deprivation/v2/schema/").json()["paths"]["/deprivation/v2/boundaries"]["get"]["responses"]
    )


@pytest.mark.parametrize(
    "config, problem",
    [
        ({"rcpch_v2_base_path": "/api/v1"}, "rcpch_v2_base_path .* not '/api/v1'"),
        ({"rcpch_v1_base_path": "x"}, "rcpch_v1_base_path .* not 'x'"),
        ({"rcpch_v2_base_path": "/deprivation/v1"}, "must be another path"),
        ({"rcpch_v2_terminated": "404"}, "must be figures or gone, not '404'"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(extract_db, tmp_path, config, problem):
    with pytest.raises(StartupError, match=problem):
        settings_site(extract_db, tmp_path, **config)


# A canned query


@pytest.mark.parametrize(
    "path, problem",
    [
        (
            "/census/imd_by_postcode.json?postcode=SW1A+1AA&year=2019",
            "'year' is not a parameter of imd_by_postcode, which takes postcode, index: use index=2019.",
        ),
        (
            "/census/green_space_by_postcode.json?postcode=SW1A+1AA&year=2019&_shape=array",
            "'year' is not a parameter of green_space_by_postcode, which takes postcode.",
        ),
        (
            "/census/compare_editions.json?Postcode=SW1A+1AA",
            "'Postcode' is not a parameter of compare_editions, which takes postcode, code.",
        ),
        (
            "/census/imd_by_postcode.json?postcode=SW1A+1AA&_unheard=1",
            "'_unheard' is not a parameter of imd_by_postcode, which takes postcode, index.",
        ),
    ],
)
def test_a_canned_query_refuses_a_parameter_that_it_does_not_declare(extract_site, path, problem):
    response = over_http(extract_site, path)
    assert (response.status_code, response.json()["error"]) == (400, problem)
    for form in (".csv", ""):
        assert over_http(extract_site, path.replace(".json", form)).status_code == 400


def test_no_canned_query_ignores_a_parameter(extract_site):
    for name, query in QUERIES.items():
        asked = "&".join(f"{p}=" for p in query["params"])
        assert over_http(extract_site, f"/census/{name}.json?{asked}").status_code == 200
        response = over_http(extract_site, f"/census/{name}.json?{asked}&editon=2019")
        assert response.status_code == 400
        assert all(p in response.json()["error"] for p in ("'editon'", name, *query["params"]))


@pytest.mark.parametrize("path", ["/area/E01004736/areas", "/local-authority/E09000033/areas"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_list_of_a_place_refuses_a_year(extract_site, path, form):
    assert over_http(extract_site, f"{path}.{form}?index=england_2019").status_code == 200
    response = over_http(extract_site, f"{path}.{form}?year=2019")
    assert response.status_code == 400
    assert all(named in response.json()["error"] for named in ("'year'", "index=2019"))


# What the guide says of each client


def test_the_guide_s_table_of_clients_is_what_is_answered(lookup):
    """Each row of the table: its request, asked as the client does, has the answer that it states."""
    text = (ROOT / "docs" / "developers" / "rcpch.md").read_text()
    table = text.partition("<!-- differences -->")[2].partition("<!-- /differences -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    assert len(rows) >= 8
    for what, request, stated, *_ in rows:
        version, path = request.strip("`").split("/", 1)
        status, content = ask(lookup, version, path)
        expected = re.fullmatch(r"(\d{3})(?:, `(.+)`)?", stated)
        assert status == int(expected[1]), what
        if expected[2]:
            name, value = expected[2].split(": ", 1)
            for part in name.split("."):
                content = content[int(part)] if isinstance(content, list) else content[part]
            assert content == json.loads(value), what


# The whole UK


@pytest.fixture(scope="module")
def full(full_build):
    opened = Lookup(full_build.path, band_rules(), immutable=True)
    yield opened
    opened.close()


FILES = {
    2019: "File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv",
    2025: "File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv",
}


def test_ten_thousand_english_postcodes_store_the_published_quintile(full, full_build, real_mirror):
    """As the audits ask, in both years: two published deciles are one quintile, for their bounds are the quintiles'."""
    decile = {}
    for year, name in FILES.items():
        header, *rows = text_of(real_mirror, name)
        [at] = [i for i, label in enumerate(header) if label.startswith("Index of Multiple Deprivation (IMD) Decile")]
        decile[year] = {row[0]: int(float(row[at])) for row in rows}
    connection = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True)
    places = connection.execute(
        "select postcode, lsoa_2011, lsoa_2021 from postcodes where terminated is null"
        " and lsoa_2011 like 'E%' and lsoa_2021 like 'E%' order by postcode"
    ).fetchall()
    connection.close()
    moved = 0
    for postcode, area_2011, area_2021 in random.Random(2026).sample(places, 10_000):
        stored = {}
        for year, area in ((2019, area_2011), (2025, area_2021)):
            published = math.ceil(decile[year][area] / 2)
            asked = f"{QUANTILE}?postcode={postcode.replace(' ', '')}&quantile=5"
            for more in (f"&year={year}", f"&index=england_{year}"):
                status, content = ask(full, "v2", asked + more)
                assert (status, content["result"]["data_quantile"]) == (200, published), (year, more)
            stored[year] = published
        moved += stored[2019] != stored[2025]
    assert 0.25 < moved / 10_000 < 0.31


def test_the_names_of_northern_ireland_are_nisra_s(full, real_mirror):
    published = {row[2]: row[3] for row in sheet_of(real_mirror, "NIMDM17_SOAresults.xls", "MDM")[1:]}
    assert len(published) == 890
    for code, name in published.items():
        _, content = ask(full, "v2", f"northern_ireland_small_output_areas/?soa_code={code}")
        assert content["results"][0]["soa_name"] == name


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_livinglens_lacks_the_scores_that_the_mirror_s_file_7_lacks(full, version):
    """It reads 23 scores of 2019; the rebuilt File 7 has three of them and File 9 seven, so 13 are null."""
    _, content = ask(full, version, "indices_of_multiple_deprivation?postcode=SW1A1AA")
    scores = [value for name, value in content.items() if "score" in name]
    assert (len(content), len(scores), scores.count(None)) == (57, 23, 13)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_livinglens_gets_all_that_it_reads_from_a_whole_file_7(made_up_db, version):
    """Over made-up publications with every score: 23 scores as text, 16 ranks and deciles as integers, two texts."""
    opened = Lookup(made_up_db, band_rules())
    [[area]] = [list(row.values()) for row in opened.rows("select area_code from imd_england_2019 limit 1 offset 700")]
    [place] = opened.rows("select postcode from postcodes where lsoa_2011 = ? limit 1", (area,))
    status, content = ask(opened, version, f"indices_of_multiple_deprivation?postcode={place['postcode']}")
    [cells] = opened.rows("select * from imd_england_2019 where area_code = ?", (area,))
    opened.close()
    assert (status, len(content)) == (200, 57)
    by_kind = {kind: [name for name in content if kind in name] for kind in ("score", "_rank", "_decile")}
    assert [len(names) for names in by_kind.values()] == [23, 16, 16]
    for name in by_kind["score"]:
        assert isinstance(content[name], str)
        assert float(content[name]) == cells[name]
    for name in (*by_kind["_rank"], *by_kind["_decile"]):
        assert (type(content[name]), content[name]) == (int, cells[name])
    assert isinstance(content["lsoa"], str)
    assert isinstance(content["type"], str)


@pytest.mark.parametrize("number", [0, 400, -1])
def test_population_density_has_the_cells_of_its_file(made_up_db, mirror, number):
    """Over a made-up file, as the whole one is not at hand."""
    [path] = mirror.rglob("Access_to_Natural_Green_Space_Inequalities__(LSOA).csv")
    with path.open(newline="") as file:
        row = list(csv.DictReader(file))[number]
    opened = Lookup(made_up_db, band_rules())
    status, content = ask(opened, "v2", f"uk_population_density/{row['LSOA11CD']}/")
    absent = ask(opened, "v2", "uk_population_density/E01999999/")
    opened.close()
    assert (status, len(content)) == (200, 70)
    assert (content["year"], content["lsoa"]) == (
        *(2024, f"http://a/england_wales_lower_layer_super_output_areas/{row['LSOA11CD']}/"),
    )
    for label in ("perc_Buff200", "IMD_Decile", "Population_2011", "Buff1k_IMD_Deficit", "RUC11", "Cohort_Children"):
        cell, value = row[label], content[label.lower()]
        assert (str(value) == cell) if isinstance(value, str) else float(cell) == value, label
    assert absent == (404, {"detail": "LSOA not found for the supplied code."})


def test_version_1_has_no_population_density(lookup):
    assert ask(lookup, "v1", "uk_population_density/E01004736/") == (404, {"detail": "Not found."})


# How a query string is read


@given(text=st.text(alphabet="ab=&+1 ", max_size=40))
@example(text="a=1&&b")
@example(text="=x&=")
def test_a_query_string_is_read_as_the_library_reads_it(text):
    read = parse_qsl(text, keep_blank_values=True)
    assert pairs(text.encode()) == read
