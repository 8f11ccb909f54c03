"""Every answer of the site, the commands and the build is the recorded one; see tests/golden."""

import asyncio
import re
import sqlite3
from urllib.parse import unquote

import pytest
from datasette.app import Datasette

from tests.conftest import ROOT
from tests.golden import commands, database, records
from tests.golden.normal import Known
from tests.golden.site import Request, Site, forget_schemas, requests

HOW = "\n\nIf this is meant, record it: make golden. To see whole answers: python -m tests.golden --whole DIR."
IN_FRONT = ("/api/v1/", "/rcpch-census-platform/", "/deprivation/", "/tiles/")  # of Datasette's own routes
EXTRACT = records.read("extract")


@pytest.fixture(scope="module")
def site(extract_site, extract_db) -> Site:
    forget_schemas()
    yield Site(extract_site, Known.of(extract_db))
    forget_schemas()


@pytest.fixture(scope="module")
def sets() -> records.Sets:
    return records.Sets(recorded=True)


@pytest.fixture(scope="module")
def build(extract_db) -> dict[str, str]:
    return database.records(extract_db)


def check(group: str, name: str, now: str) -> None:
    """Fails with the difference where a record is another than the one kept."""
    if diff := records.difference(f"{group}: {name}", records.read(group).get(name), now):
        pytest.fail(diff + HOW, pytrace=False)


@pytest.mark.parametrize("asked", requests(), ids=str)
def test_a_request_is_answered_as_recorded(asked: Request, site, sets):
    check(asked.group, asked.name, site.record(asked, site.answer(asked), sets.name))


@pytest.mark.parametrize("run", commands.runs(), ids=str)
def test_a_command_does_what_is_recorded(run, extract_db):
    check("commands", run.title, commands.record(run, extract_db))


@pytest.mark.parametrize("program", commands.PROGRAMS)
def test_the_help_of_a_command_is_the_recorded_one(program):
    check("commands", f"{program} --help", commands.options_of(program))


@pytest.mark.parametrize("name", EXTRACT)
def test_a_table_of_the_extract_is_the_recorded_one(name, build):
    check("extract", name, build.get(name, ""))


def test_nothing_is_recorded_that_is_not_asked(build):
    asked: dict[str, set[str]] = {"extract": set(build)}
    for request in requests():
        asked.setdefault(request.group, set()).add(request.name)
    asked["commands"] = {run.title for run in commands.runs()} | {f"{name} --help" for name in commands.PROGRAMS}
    recorded = {name: set(records.read(name)) for name in records.names() if name not in (records.SETS, "full")}
    assert recorded == asked


# The list is complete


def paths_of() -> set[str]:
    """The paths that are asked for by GET, decoded and without a query."""
    return {unquote(request.path.partition("?")[0]) for request in requests() if request.method == "GET"}


def json_of(datasette: Datasette, path: str):
    return asyncio.run(datasette.client.get(path)).json()


def test_each_route_of_the_site_is_asked_for(extract_site):
    asyncio.run(extract_site.invoke_startup())
    routes = [pattern for pattern, _ in extract_site._routes()]
    paths = {unquote(request.path.partition("?")[0]) for request in requests()}
    paths = {path for path in paths if not path.startswith(IN_FRONT) or "swagger" in path}
    reached = {next((route for route in routes if route.match(path)), None) for path in paths}
    assert [route.pattern for route in routes if route not in reached] == []


def test_each_query_and_each_table_is_asked_for_in_each_format(extract_site, extract_db):
    names = set(extract_site.metadata("queries", database="census"))
    assert len(names) >= 11
    with sqlite3.connect(extract_db) as connection:
        tables = connection.execute("select name from sqlite_master where type in ('table', 'view')").fetchall()
    names |= {name for (name,) in tables if not database.OWN_OF_SQLITE.fullmatch(name) and not name.endswith("_fts")}
    wanted = {f"/census/{name}{end}" for name in names for end in ("", ".json", ".csv")}
    assert sorted(wanted - paths_of()) == []


def test_each_route_of_the_api_is_asked_for(extract_site):
    bases = [value for name, value in extract_site.plugin_config("api").items() if name.endswith("_base_path")]
    assert len(bases) == 3
    documents = [json_of(extract_site, "/api/v1/openapi.json")]
    documents += [json_of(extract_site, f"{base}/schema/") for base in bases if base != "/deprivation/v1"]
    lacking = []
    for document in documents:
        for template, methods in document["paths"].items():
            route = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)))
            for method in methods:
                asked = [request for request in requests() if request.method == method.upper()]
                if not any(route.fullmatch(unquote(request.path.partition("?")[0])) for request in asked):
                    lacking.append((method, template))
    assert lacking == []


def test_each_layer_of_tiles_is_asked_for(extract_site, extract_db):
    with sqlite3.connect(extract_db.with_name("maps") / "uk.mbtiles") as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where name glob 'tiles_*'")}
    assert tables
    platform = json_of(extract_site, "/deprivation/v2/tiles/index.json")
    layers = {f"/deprivation/v2/tiles/{name}" for name in platform}
    assert len(layers) > 10
    layers |= {f"/tiles/{name}" for name in ("uk_latest", "uk_2011", "local_authorities")}
    for end in (r"\.json", r"/\d+/\d+/\d+\.pbf"):
        asked = {layer for layer in layers for path in paths_of() if re.fullmatch(re.escape(layer) + end, path)}
        assert sorted(layers - asked) == []


def test_each_file_of_the_pages_is_asked_for():
    wanted = {f"/static/{path.relative_to(ROOT / 'static')}" for path in (ROOT / "static").rglob("*") if path.is_file()}
    assert sorted(wanted - paths_of()) == []
