"""Nothing is published that is not described: tables, views, columns, queries, SQL functions, plugins, settings."""

import ast
import asyncio
import json
import re
import sqlite3

import pytest
import yaml
from cogapp import Cog

import guide
from census.domain import postcode
from census.lookup import messages
from census.schema import hosted
from census.web.sql import sandbox
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
METADATA = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text()))
CENSUS = METADATA["databases"]["census"]
ENTRIES = ("title", "description", "source", "source_url", "license", "license_url", "about", "about_url")


@pytest.fixture(scope="module")
def db(extract_db):
    connection = sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True)
    yield connection
    connection.close()


def test_the_site_and_the_database_are_described():
    assert all(METADATA[entry] for entry in ENTRIES)
    assert CENSUS["title"]
    assert CENSUS["description"]


def test_every_table_and_view_is_described_and_nothing_else(db):
    built = {
        row[0]
        for row in db.execute(
            "select name from sqlite_master where type in ('table', 'view')"
            " and name not like '%\\_fts%' escape '\\' and name not like 'sqlite%'"
        )
    }
    assert set(CENSUS["tables"]) == built
    for name, told in CENSUS["tables"].items():
        for entry in ENTRIES:
            assert told.get(entry), f"{name}: {entry}"


def test_every_column_is_described_in_a_sentence(db):
    for name, told in CENSUS["tables"].items():
        columns = [row[1] for row in db.execute(f"pragma table_xinfo({name})")]
        assert list(told["columns"]) == columns or set(told["columns"]) == set(columns), name
        for column, description in told["columns"].items():
            assert description.endswith("."), f"{name}.{column}: {description}"
            assert "- " not in description, f"{name}.{column}: a word cut in two"


def test_every_rank_and_band_says_which_way_round_it_is():
    checked = 0
    for name, told in CENSUS["tables"].items():
        for column, description in told["columns"].items():
            if re.fullmatch(r"(.+_)?(rank|decile|quintile|quartile|vigintile)", column):
                assert re.search(r"\b1\b.*\bmost deprived\b", description), f"{name}.{column}: {description}"
                checked += 1
    assert checked > 90


def test_every_address_is_one():
    for name, told in {**CENSUS["tables"], **CENSUS["queries"], "the site": METADATA}.items():
        for entry in ("source_url", "license_url", "about_url"):
            if entry in told:
                assert re.fullmatch(r"(https://|/census/)\S+", told[entry]), f"{name}: {entry}"


@pytest.mark.parametrize("name", CENSUS["queries"])
def test_every_query_says_what_it_answers_which_way_round_and_under_which_licence(name):
    told = CENSUS["queries"][name]
    for entry in ("title", "description_html", "license", "license_url", "source", "source_url", "params"):
        assert told.get(entry), entry
    text = " ".join(told["description_html"].split())
    if "green_space" in told["sql"]:
        assert re.search(r"<strong>[^<]*\b(?:more|less) green space\b", text)
    elif "decile" in told["sql"]:
        assert re.search(r"<strong>[^<]*\b1\b[^<]*\bmost deprived\b", text)
    assert {"licence", "attribution"} <= set(re.findall(r"\w+", text.lower())), "the columns that have them"
    assert f'href="{name}?' in text, "a working example"
    assert f'href="{name}.json?' in text
    assert "_shape=array" in text
    asked = set(re.findall(r"(?<!:):([a-z]+)\b", re.sub(r"'[^']*'", "''", told["sql"])))
    assert asked == set(told["params"]), "every parameter of the SQL has its field"
    for parameter in told["params"]:
        assert f"<code>{parameter}</code>" in text or parameter in ("postcode", "q", "code"), parameter
    assert f"`{name}`" in README


def test_every_address_to_embed_names_the_index():
    for name, told in CENSUS["queries"].items():
        if "index" in told["params"]:
            links = re.findall(r'href="([^"]+\.json[^"]*)"', told["description_html"])
            assert links
            assert all("index=" in link for link in links), name
    for address in re.findall(r"/census/(?:imd\w+|deprivation_in\w+)\.json\?\S+", README):
        assert "index=" in address, address


def test_every_sql_function_is_described(extract_site):
    asyncio.run(extract_site.client.get("/-/versions.json"))
    plain, ours = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    extract_site._prepare_connection(ours, "census")
    ours.set_authorizer(None)  # which lets nobody ask for the list
    names = "select distinct name from pragma_function_list"
    added = {row[0] for row in ours.execute(names)} - {row[0] for row in plain.execute(names)} - {"escape_fts"}
    assert added == {*postcode.FUNCTIONS, *messages.FUNCTIONS, "imd_quantile", "distance_m", "number_between"}
    for name in added:
        assert re.search(rf"^\| `{name}\(", README, re.MULTILINE), name


def test_every_plugin_is_described():
    plugins = sorted((ROOT / "plugins").glob("*.py"))
    assert plugins
    for plugin in plugins:
        assert ast.get_docstring(ast.parse(plugin.read_text())), plugin.name
        assert f"`{plugin.name}`" in README, plugin.name
    dependencies = re.findall(r'"(datasette-[a-z-]+|csvs-to-sqlite)', (ROOT / "pyproject.toml").read_text())
    assert len(dependencies) == 3
    for name in dependencies:
        assert name in README, name


def test_the_tables_of_the_readme_are_as_generated(extract_db, monkeypatch):
    monkeypatch.setenv("CENSUS_DB", str(extract_db))
    guide.facts.cache_clear()
    Cog().callable_main(["cog", "--check", "-I", str(ROOT), str(ROOT / "README.md")])  # `make tables` writes them anew


def test_every_setting_is_described():
    for name in json.loads((ROOT / "settings.json").read_text()):
        assert f"`{name}`" in README, name
    for plugin in ("datasette-graphql", "connections", "sql_gate", "api"):
        for name in METADATA["plugins"][plugin]:
            assert f"`{name}`" in README, name


def test_the_security_page_has_the_bounds_that_hold():
    page = (ROOT / "docs" / "security.md").read_text()
    safe = vars(sandbox)
    for name in ("LENGTH", "COLUMN", "SQL_LENGTH", "EXPR_DEPTH", "COMPOUND_SELECT", "FUNCTION_ARG"):
        assert re.search(rf"\b{safe['LIMITS'][getattr(sqlite3, f'SQLITE_LIMIT_{name}')]:,}\b", page), name
    assert f"{safe['MOST_BYTES'] // 1_000_000} MB" in page
    assert f"at most {safe['MOST_TRIMMED']} characters" in page
    for name, value in (METADATA["plugins"]["connections"] | METADATA["plugins"]["sql_gate"]).items():
        assert re.search(rf"`{name}`.*\b{value:,}\b", page), name
    settings = json.loads((ROOT / "settings.json").read_text())
    assert settings["num_sql_threads"] > METADATA["plugins"]["sql_gate"]["at_once"]
    for test in set(re.findall(r"`(test_\w+\.py)`", page)):
        assert list((ROOT / "tests").rglob(test)), test
    for file in set(re.findall(r"`((?:plugins|census/\w+)/[\w/]+\.py)`", page)):
        assert (ROOT / file).exists(), file


def test_every_variable_of_the_caddyfile_is_described():
    page = (ROOT / "docs" / "public.md").read_text()
    caddyfile = (ROOT / "Caddyfile").read_text()
    for name in set(re.findall(r"\{\$([A-Z0-9_]+)", caddyfile)):
        assert f"`{name}`" in page, name
        assert f"# {name} " in caddyfile, name


def test_every_public_function_of_the_sources_has_its_docstring():
    for path in [
        *(ROOT / "sources").glob("*.py"),
        *(ROOT / "census").rglob("*.py"),
        ROOT / "build_db.py",
        ROOT / "serve_many.py",
    ]:
        body = ast.parse(path.read_text()).body
        body += [inside for node in body if isinstance(node, ast.ClassDef) for inside in node.body]
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node) or node.name == "close", f"{path.name}: {node.name}"


def test_no_answer_of_datasette_s_own_gives_one_licence_for_all(extract_site):
    """Datasette's JSON of a table carries the licence of the site, which must be true of every table."""
    licences = {told["license"] for told in CENSUS["tables"].values()}
    assert len(licences) > 1
    answer = asyncio.run(extract_site.client.get("/census/imd_uk_composite.json?_size=1")).json()
    assert answer["license"] == METADATA["license"]
    assert METADATA["license"] not in licences
    assert re.search(r"\btables?\b", METADATA["license"]), "whose pages name theirs"
