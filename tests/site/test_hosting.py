"""Hosted data sets: what is taken in as it stands, and what is refused with file, line and column."""

import asyncio
import contextlib
import csv
import dataclasses
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import datasette_graphql.utils
import frictionless
import pytest
import yaml

from census.build import extracts, hosting
from census.build.database import Build
from census.build.load import load_hosted
from census.cli import build as build_db
from census.schema import data_package
from census.schema import hosted as hosted_data
from sources.publication import SourceError
from sources.registry import publications
from tests.conftest import ROOT, datasette_of, site_of

TOLD = {
    "title": "Asthma clinics",
    "description": "Clinics for children with asthma.",
    "source": "A hospital",
    "source_url": "https://hospital.example/clinics",
    "licence": "CC BY 4.0",
    "licence_url": "https://creativecommons.org/licenses/by/4.0/",
    "attribution": "A hospital, licensed under CC BY 4.0.",
    "columns": {
        "clinic": {"type": "text", "description": "Code of the clinic."},
        "authority": {"type": "text", "description": "Local authority.", "joins": "local_authorities"},
        "children": {"type": "integer", "description": "Children seen, 2025."},
        "wait": {"type": "number", "description": "Mean wait, days, 2025."},
        "opened": {"type": "date", "description": "Date of opening."},
    },
    "key": ["clinic"],
}
HEADER = "clinic,authority,children,wait,opened"
ROWS = [
    ["00123", "E09000033", "17", "3.50", "2001-02-03"],
    ["NA", "E06000060", "", "0", ""],
    ["null", "", "-4", "", "1999-12-31"],
    ['a "quoted", cell\nof two lines', "W06000015", "0", "12", ""],
    [" spaces kept ", "S12000050", "9007199254740993", "1", ""],
    ["=1+1", "N09000003", "1", "1", ""],
    ["é€😀", "", "1", "1", ""],
]


def offer(folder: Path, told=None, text: str | bytes | None = None, name: str = "asthma_clinics") -> Path:
    """Writes a data set into `folder`: TOLD with the changes of `told`, and ROWS or `text`."""
    says = {**TOLD, **(told or {})}
    says = {entry: value for entry, value in says.items() if value is not None}
    (folder / f"{name}.yml").write_text(yaml.safe_dump(says, sort_keys=False))
    path = folder / f"{name}.csv"
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text)
    else:
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([HEADER.split(","), *ROWS])
    return folder


TYPES = {type_: field_type for field_type, type_ in data_package.TYPES.items()}


def package_of(told: dict, name: str = "asthma_clinics") -> dict:
    """Returns the Data Package that says what `told`, a description of the old form, does."""
    fields = [
        {"name": c, "type": TYPES[s["type"]], "description": s["description"]} for c, s in told["columns"].items()
    ]
    joined = {column: says["joins"] for column, says in told["columns"].items() if "joins" in says}
    keys = [{"fields": c, "reference": {"resource": t, "fields": hosted_data.JOINS[t]}} for c, t in joined.items()]
    schema = {"fields": fields, "primaryKey": told["key"], "foreignKeys": keys}
    return {
        "name": name,
        **{entry: told[entry] for entry in ("title", "description", "attribution")},
        "sources": [{"title": told["source"], "path": told["source_url"]}],
        "licenses": [{"title": told["licence"], "path": told["licence_url"]}],
        "resources": [{"name": name, "path": f"{name}.csv", "schema": schema}],
    }


def offer_package(folder: Path, package: dict, text: str | None = None, suffix: str = "yaml") -> None:
    """Writes a data set into `folder`: a Data Package, and ROWS or `text`."""
    offer(folder, text=text)
    (folder / "asthma_clinics.yml").unlink()
    dump = json.dumps if suffix == "json" else yaml.safe_dump
    (folder / f"asthma_clinics.datapackage.{suffix}").write_text(dump(package))


def host(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes `folder` the only one of hosted data sets."""
    for function in (hosted_data.data_sets, hosted_data.describe):
        patch.setattr(function, "__defaults__", (folder,))


@pytest.fixture
def hosted(tmp_path, monkeypatch) -> Path:
    """An empty folder of hosted data sets, and the only one."""
    folder = tmp_path / "hosted"
    folder.mkdir()
    host(monkeypatch, folder)
    return folder


def build(tmp_path, capsys) -> tuple[int, str, Path]:
    output = tmp_path / "out" / "census.db"
    status = build_db.main(["--output", str(output)])
    return status, capsys.readouterr().err, output


# What is taken in


PLACES = {
    "columns": {
        "area": {"type": "text", "description": "Area.", "joins": "small_areas"},
        "postcode": {"type": "text", "description": "Postcode.", "joins": "postcodes"},
        "newer": {"type": "text", "description": "LSOA of 2021.", "joins": "lsoas_2021"},
    },
    "key": None,
}
SOME_NOT_HELD = "area,postcode,newer\nE01004736,SW1A 1AA,E01035711\nE01004736,,\nE01000001,,\n,M1 1AE,\n,,E01034473\n"


@pytest.fixture(scope="module")
def taken(tmp_path_factory) -> SimpleNamespace:
    """One build with three data sets, ours, the guide's and one of places: its path, what it said, the folder."""
    folder, output = tmp_path_factory.mktemp("hosted"), tmp_path_factory.mktemp("taken") / "census.db"
    offer(folder)
    guide = (ROOT / "docs" / "hosting.md").read_text()
    described, rows = (
        guide.split(f'title="asthma_clinics.{end}"\n')[1].split("```")[0] for end in ("datapackage.yaml", "csv")
    )
    (folder / "of_the_guide.datapackage.yaml").write_text(described.replace("asthma_clinics", "of_the_guide"))
    (folder / "of_the_guide.csv").write_text(rows)
    offer(folder, PLACES, SOME_NOT_HELD, "places")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        host(patch, folder)
        assert build_db.main(["--output", str(output)]) == 0
    return SimpleNamespace(folder=folder, path=output, said=said.getvalue())


def test_a_data_set_becomes_a_table_with_every_cell_as_it_stands(taken, monkeypatch):
    db = sqlite3.connect(taken.path)
    found = db.execute("select * from asthma_clinics order by rowid").fetchall()
    assert found == [
        ("00123", "E09000033", 17, 3.5, "2001-02-03"),
        ("NA", "E06000060", None, 0.0, None),
        ("null", None, -4, None, "1999-12-31"),
        ('a "quoted", cell\nof two lines', "W06000015", 0, 12.0, None),
        (" spaces kept ", "S12000050", 9007199254740993, 1.0, None),
        ("=1+1", "N09000003", 1, 1.0, None),
        ("é€😀", None, 1, 1.0, None),
    ]
    types = {row[1]: (row[2], row[5]) for row in db.execute("pragma table_info(asthma_clinics)")}
    assert types == {
        "clinic": ("TEXT", 1),
        "authority": ("TEXT", 0),
        "children": ("INTEGER", 0),
        "wait": ("REAL", 0),
        "opened": ("TEXT", 0),
    }
    [key] = db.execute("pragma foreign_key_list(asthma_clinics)").fetchall()
    assert key[2:5] == ("local_authorities", "authority", "code")
    assert "idx_asthma_clinics_authority" in {row[1] for row in db.execute("pragma index_list(asthma_clinics)")}
    row = db.execute(
        "select status, rows, licence, file, tables from publications where id = 'asthma_clinics'"
    ).fetchone()
    assert row == ("hosted", 7, "CC BY 4.0", "asthma_clinics.csv", "asthma_clinics")
    host(monkeypatch, taken.folder)
    assert build_db.main(["--check", str(taken.path)]) == 0


def test_a_data_set_is_described_and_licensed_like_the_others(taken, tmp_path, monkeypatch):
    host(monkeypatch, taken.folder)
    site = datasette_of(site_of(taken.path, tmp_path))
    page = asyncio.run(site.client.get("/census/asthma_clinics")).text
    for text in ("Asthma clinics", "CC BY 4.0", "Children seen, 2025.", "A hospital, licensed under CC BY 4.0."):
        assert text in page
    listing = asyncio.run(site.client.get("/download.json")).json()
    [told] = [table for table in listing if table["table"] == "asthma_clinics"]
    assert told["licence"] == "CC BY 4.0"
    walk = '{ asthma_clinics(filter: {clinic: {eq: "00123"}}) { nodes { children authority { name } } } }'
    datasette_graphql.utils._schema_cache.clear()
    answer = asyncio.run(site.client.post("/graphql", json={"query": walk})).json()
    assert answer["data"]["asthma_clinics"]["nodes"] == [{"children": 17, "authority": {"name": "Westminster"}}]


def test_the_example_of_the_guide_is_taken_in(taken):
    found = sqlite3.connect(taken.path).execute("select * from of_the_guide").fetchall()
    assert found == [("00123", "E09000033", 412, "2001-02-03"), ("00124", "E08000025", None, "2019-09-30")]


def test_an_extract_leaves_out_rows_of_areas_and_postcodes_that_it_does_not_hold(taken):
    assert "places.csv: 3 of 5 rows are left out" in taken.said
    named = "line 4, column area, E01000001; line 5, column postcode, M1 1AE; line 6, column newer, E01034473"
    assert named in taken.said
    db = sqlite3.connect(taken.path)
    expected = [("E01004736", "SW1A 1AA", "E01035711"), ("E01004736", None, None)]
    assert db.execute("select * from places").fetchall() == expected
    assert db.execute("select rows from publications where id = 'places'").fetchone() == (5,)


def test_a_build_without_the_directory_leaves_out_what_joins_it(hosted, mirror, tmp_path, capsys):
    told = {"columns": {"postcode": {"type": "text", "description": "Postcode.", "joins": "postcodes"}}, "key": None}
    offer(hosted, told, "postcode\nSW1A 1AA\n")
    output = tmp_path / "few.db"
    skipped = ",".join(p.id for p in publications() if p.id != "green_space")
    arguments = ["--full", "--accept-changed", "--mirror", str(mirror), "--output", str(output), "--skip", skipped]
    assert build_db.main(arguments) == 0
    assert "asthma_clinics.csv: 1 of 1 rows are left out" in capsys.readouterr().out
    assert sqlite3.connect(output).execute("select count(*) from asthma_clinics").fetchone() == (0,)


# What is refused


def line(*cells: str) -> str:
    return f"{HEADER}\n00123,E09000033,17,3.50,2001-02-03\n{','.join(cells)}\n"


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> Iterator[Build]:
    """A build from the extract as it is before it loads the hosted data sets."""
    output = tmp_path_factory.mktemp("extract") / "census.db"
    with contextlib.closing(Build(output, publications(), None, build_db.progress)) as building:
        extracts.load(building)
        yield building


@pytest.mark.parametrize(
    "text, named",
    [
        (line("1", "E99999999", "1", "1", ""), ["line 3, column authority", "'E99999999'"]),
        (line("1", "E09000099", "1", "1", ""), ["line 3, column authority", "E09000099", "local_authorities"]),
        (line("1", "", "one", "1", ""), ["line 3, column children", "integer", "'one'"]),
        (line("1", "", "1.0", "1", ""), ["line 3, column children", "integer", "'1.0'"]),
        (line("1", "", "007", "1", ""), ["line 3, column children", "integer", "'007'"]),
        (line("1", "", "9" * 30, "1", ""), ["line 3, column children", "integer"]),
        (line("1", "", "-0", "1", ""), ["line 3, column children", "integer", "'-0'"]),
        (line("1", "", "1", "0.12345678901234567890", ""), ["line 3, column wait", "number"]),
        (line("1", "", "1", "9" * 400, ""), ["line 3, column wait", "number"]),
        (line("1", "", "1", "1", "20010203"), ["line 3, column opened", "date", "'20010203'"]),
        (line("1", "", "1", "1e5", ""), ["line 3, column wait", "number", "'1e5'"]),
        (line("1", "", "1", "NaN", ""), ["line 3, column wait", "number", "'NaN'"]),
        (line("1", "", "1", "1", "3/2/2001"), ["line 3, column opened", "date", "'3/2/2001'"]),
        (line("1", "", "1", "1", "2001-02-30"), ["line 3, column opened", "date", "'2001-02-30'"]),
        (line("1", "", "1"), ["line 3, column wait"]),
        (line("1", "", "1", "1", "", "more"), ["line 3:", "opened"]),
        (line('"1', "", "1", "1", ""), ["line 3:"]),
        (line('1"x"', "", '"1"x', "1", ""), ["line 3:"]),
        (line("00123", "", "1", "1", ""), ["line 3, column clinic", "00123", "line 2"]),
        (line("", "", "1", "1", ""), ["line 3, column clinic", "key"]),
        (line("1", "E10000014", "1", "1", ""), ["line 3, column authority", "E10…", "'E10000014'"]),
        (line("1", "", "1", "1", "31/03/2026"), ["line 3, column opened", "'31/03/2026'", "2026-01-31"]),
        (line("", "", "", "", "") + "2,,1,1,\n", ["line 3: all of its cells are empty"]),
        (line(" ", "", "\t", "", ""), ["line 3: all of its cells are empty"]),
        (HEADER.replace(",", ";") + "\n", ["line 1:", "comma", HEADER.replace(",", ";")]),
        (line("1", "", "x", "1", "") + "2,E1,1,y,\n", ["line 3, column children", "'x'", "line 4, column wait", "'y'"]),
        (HEADER + "\n" + "x,,x,,\n" * 30, ["39"]),
        (f"{HEADER}\n\n", ["line 2, column clinic"]),
        (f"{HEADER}\n", ["no rows"]),
        ("", ["no rows"]),
        ("clinic,authority\n1,\n", ["line 1:", "clinic, authority, children, wait, opened", "found clinic, authority"]),
        (f"{HEADER}\n1,,1,1,\n".encode() + b"caf\xe9,,1,1,\n", ["line 3:", "UTF-8"]),
        (f"{HEADER}\na\0b,,1,1,\n", ["line 2"]),
        (line("é" * 5_000, "", "1", "1", ""), ["line 3:", "10,002", "10,000"]),
    ],
)
def test_a_cell_that_cannot_be_taken_as_it_stands_is_named(hosted, extract, text, named):
    offer(hosted, text=text)
    extract.publications = hosted_data.data_sets()
    with pytest.raises(SourceError) as refused:
        load_hosted(extract)
    for what in ("asthma_clinics.csv", *named):
        assert what in str(refused.value)


@pytest.mark.parametrize(
    ("key", "rows", "named"),
    [
        (["wait"], ["a,,1,1,", "b,,1,2,", "c,,1,1.0,"], "line 4, column wait: 1.0 is in line 2 already"),
        (["wait"], ["a,,1,0,", "b,,1,-0.0,"], "line 3, column wait: -0.0 is in line 2 already"),
        (
            ["children", "wait"],
            ["a,,1,2.50,", "b,,1,2.5,"],
            "line 3, column children, wait: 1, 2.5 is in line 2 already",
        ),
        (["opened"], ["a,,1,1,2001-02-03", "b,,1,1,2001-02-03"], "line 3, column opened: 2001-02-03 is in line 2"),
        (["wait"], ["a,,1,,", "b,,1,1,"], "line 2, column wait: empty"),
    ],
)
def test_keys_of_one_value_are_one_however_they_are_written(hosted, extract, key, rows, named):
    offer(hosted, told={"key": key}, text="\n".join([HEADER, *rows, ""]))
    extract.publications = hosted_data.data_sets()
    with pytest.raises(SourceError) as refused:
        load_hosted(extract)
    assert named in str(refused.value)


def test_a_build_with_such_a_cell_ends_and_writes_nothing(hosted, tmp_path, capsys):
    offer(hosted, text=line("1", "", "one", "1", ""))
    status, said, output = build(tmp_path, capsys)
    assert status == 1
    assert "asthma_clinics.csv, line 3, column children" in said
    assert not output.exists()


@pytest.mark.parametrize(
    "told, named",
    [
        *(({entry: None}, [entry]) for entry in hosted_data.REQUIRED),
        ({"licence": ["CC BY"]}, ["licence"]),
        ({"licence": "  "}, ["licence"]),
        ({"columns": {"rowid": {"type": "text", "description": "x"}}}, ["column 'rowid'"]),
        ({"licence_url": "creative commons"}, ["licence_url", "'creative commons'"]),
        ({"owner": "me"}, ["owner"]),
        ({"columns": ["clinic"]}, ["columns"]),
        ({"columns": {"clinic": {"type": "text"}}}, ["column clinic", "description"]),
        ({"columns": {"clinic": {"description": "Code."}}}, ["column clinic", "type", *hosted_data.TYPES]),
        ({"columns": {"Clinic no": {"type": "text", "description": "x"}}}, ["column 'Clinic no'"]),
        ({"columns": {"group": {"type": "text", "description": "x"}}}, ["column 'group'", "SQL"]),
        (
            {"columns": {"clinic": {"type": "text", "description": "x", "joins": "hospitals"}}},
            ["column clinic", "joins", *hosted_data.JOINS, "'hospitals'"],
        ),
        (
            {"columns": {"clinic": {"type": "integer", "description": "x", "joins": "postcodes"}}},
            ["column clinic", "text"],
        ),
        ({"publisher": ["x"]}, ["publisher"]),
        ({"columns": {"clinic": {"type": ["text"], "description": "x"}}}, ["column clinic", "type", "['text']"]),
        ({"columns": {"current_date": {"type": "text", "description": "x"}}}, ["column 'current_date'", "SQL"]),
        ({"key": [["clinic"]]}, ["key", "['clinic']"]),
        ({"key": ["hospital"]}, ["key", "hospital"]),
        ({"key": "clinic"}, ["key", "[clinic]", "'clinic'"]),
        ({"edition": 2026}, ["edition"]),
        ({"license": "x"}, ["license", *hosted_data.REQUIRED]),
    ],
)
def test_a_data_set_that_says_too_little_is_refused(hosted, tmp_path, capsys, told, named):
    offer(hosted, told)
    status, said, output = build(tmp_path, capsys)
    assert status == 1
    [refused] = [line for line in said.splitlines() if "asthma_clinics.yml" in line]
    for what in named:
        assert what in refused.split("asthma_clinics.yml: ")[1]
    assert not output.exists()


def test_a_file_that_belongs_to_nothing_is_named(hosted, tmp_path, capsys):
    offer(hosted)
    (hosted / "asthma_clinics.yml").unlink()
    said = build(tmp_path, capsys)[1]
    assert "asthma_clinics.csv" in said
    assert "asthma_clinics.datapackage.yaml" in said
    offer_package(hosted, package_of(TOLD))
    offer(hosted)
    said = build(tmp_path, capsys)[1]
    assert "asthma_clinics.datapackage.yaml and asthma_clinics.yml" in said
    (hosted / "asthma_clinics.datapackage.yaml").unlink()
    (hosted / "asthma_clinics.csv").unlink()
    said = build(tmp_path, capsys)[1]
    assert "asthma_clinics.yml has no asthma_clinics.csv" in said
    (hosted / "asthma_clinics.yml").unlink()
    (hosted / "notes.txt").write_text("?")
    assert "notes.txt" in build(tmp_path, capsys)[1]
    (hosted / "notes.txt").unlink()


@pytest.mark.parametrize(
    "name, what",
    [
        ("postcodes", "table postcodes"),
        ("edition_notes", "table edition_notes"),
        ("imd_by_postcode", "query imd_by_postcode"),
        ("postcode_directory", "publication postcode_directory"),
        ("idx_postcodes_cell", "name"),
        ("sqlite_master", "name"),
        ("Clinics", "name"),
    ],
)
def test_a_data_set_of_a_name_that_is_taken_or_none_is_refused(hosted, tmp_path, capsys, name, what):
    offer(hosted, name=name)
    status, said, output = build(tmp_path, capsys)
    assert status == 1
    [refused] = [line for line in said.splitlines() if f"{name}." in line]
    assert what in refused.split(f"{name}.", 1)[1]
    assert not output.exists()


def test_what_csvs_to_sqlite_would_change_is_found_out(tmp_path, monkeypatch):
    file = tmp_path / "asthma_clinics.csv"
    columns = ["clinic", "children"]
    monkeypatch.setattr(hosting, "MARK", "")
    cells = [["NA", "1"], ["b", "2"]]
    stored = hosting.through_csvs_to_sqlite("asthma_clinics", columns, cells)
    with pytest.raises(hosting.SourceError, match=r"row 1, column clinic: 'NA'.*''"):
        hosting._compare(file, columns, cells, stored)
    with pytest.raises(hosting.SourceError, match=r"\b2\b.*\b1\b"):
        hosting._compare(file, columns, cells, cells[:1])


def test_the_example_is_small_and_its_weights_add_up():
    path = ROOT / "sources" / "hosted" / "domain_weights.csv"
    rows = list(csv.DictReader(path.open()))
    assert len(rows) <= 200
    for index in {row["index_id"] for row in rows}:
        total = sum(float(row["weight_percent"]) for row in rows if row["index_id"] == index)
        assert total == pytest.approx(99.9 if index == "england_2019" else 100), index


def test_the_documentation_offers_what_is_accepted():
    guide = (ROOT / "docs" / "hosting.md").read_text()
    words = (
        *data_package.TYPES,
        *data_package.JOINS,
        *data_package.CONSTRAINTS,
        "attribution",
        "conditions",
        "version",
    )
    for word in (*words, "sources", "licenses", "fields", "primaryKey", "foreignKeys"):
        assert f"`{word}`" in guide, word


# The Data Package


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_data_package_says_what_the_old_form_says(tmp_path, suffix):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    told = {"edition": "2026", "publisher": "A trust", "conditions": "Tell us."}
    offer(old, told)
    package = package_of(TOLD) | {"version": "2026", "contributors": [{"title": "A trust"}], "conditions": "Tell us."}
    offer_package(new, package, suffix=suffix)
    [from_old], [from_new] = hosted_data.data_sets(old), hosted_data.data_sets(new)
    assert dataclasses.replace(from_old, hosted=None) == dataclasses.replace(from_new, hosted=None)
    assert hosted_data.described(old / "asthma_clinics.csv") == hosted_data.described(new / "asthma_clinics.csv")


def with_schema(change) -> dict:
    package = package_of(TOLD)
    change(package["resources"][0]["schema"])
    return package


def with_field(**properties) -> dict:
    """The package with these properties of the field `children`."""
    return with_schema(lambda schema: schema["fields"][2].update(properties))


SCHEMA = "resources[0].schema"


@pytest.mark.parametrize(
    "package, named",
    [
        (package_of(TOLD) | {"title": " "}, ["title is missing"]),
        (package_of(TOLD) | {"licenses": []}, ["licenses must be a list of one"]),
        (package_of(TOLD) | {"licenses": [{"name": "CC-BY-4.0"}]}, ["licenses[0].title is missing"]),
        (package_of(TOLD) | {"licenses": [{"title": "x", "path": "y"}]}, ["licenses[0].path", "https://", "'y'"]),
        (package_of(TOLD) | {"sources": [{"path": "https://x.example"}]}, ["sources[0].title is missing"]),
        (package_of(TOLD) | {"version": 2026}, ["version must be a text"]),
        (package_of(TOLD) | {"licence": "x"}, ["unknown entry licence", "licenses"]),
        (package_of(TOLD) | {"resources": []}, ["resources must be a list of one"]),
        (package_of(TOLD) | {"resources": [{"name": "x", "path": "x.csv"}]}, ["asthma_clinics.csv", "'x.csv'"]),
        (
            package_of(TOLD) | {"resources": [{"path": "asthma_clinics.csv", "dialect": {"delimiter": ";"}}]},
            ["resources[0]: unknown entry dialect"],
        ),
        (
            package_of(TOLD) | {"resources": [{"path": "asthma_clinics.csv", "encoding": "cp1252"}]},
            ["resources[0].encoding must be utf-8", "'cp1252'"],
        ),
        (package_of(TOLD) | {"resources": [{"path": "asthma_clinics.csv"}]}, [f"{SCHEMA} must be a Table Schema"]),
        (with_schema(lambda schema: schema.update(fields=[])), [f"{SCHEMA}.fields must be a list"]),
        (with_schema(lambda schema: schema.update(missingValues=["NA"])), [f"{SCHEMA}.missingValues", "empty cell"]),
        (with_schema(lambda schema: schema.update(fieldsMatch="subset")), [f"{SCHEMA}: unknown entry fieldsMatch"]),
        (with_schema(lambda schema: schema.update(primaryKey="hospital")), [f"{SCHEMA}.primaryKey names hospital"]),
        (with_schema(lambda schema: schema["fields"].append(schema["fields"][0])), ["two fields of one name"]),
        (with_field(type="boolean"), ["column children", "string, integer, number, date", "'boolean'"]),
        (with_field(description=""), ["column children has no description"]),
        (with_field(format="%d/%m/%Y"), ["field children.format", "'%d/%m/%Y'"]),
        (with_field(bareNumber=False), ["field children: unknown entry bareNumber"]),
        (with_field(constraints={"minimum": "few"}), ["column children: constraint minimum", "'few'"]),
        (with_field(constraints={"pattern": "("}), ["column children: constraint pattern", "'('"]),
        (with_field(constraints={"exclusiveMinimum": 1}), ["constraint exclusiveMinimum", "minimum, maximum"]),
        (with_field(constraints=["required"]), ["column children: constraints"]),
        (
            with_schema(lambda schema: schema["foreignKeys"][0]["reference"].update(resource="hospitals")),
            [f"{SCHEMA}.foreignKeys[0].reference", "local_authorities.code", "hospitals.code"],
        ),
        (
            with_schema(lambda schema: schema["foreignKeys"][0].update(fields=["authority", "clinic"])),
            [f"{SCHEMA}.foreignKeys[0] must have one of fields"],
        ),
        (
            with_schema(lambda schema: schema["foreignKeys"][0].update(fields="hospital")),
            [f"{SCHEMA}.foreignKeys[0].fields names hospital"],
        ),
        (
            with_schema(lambda schema: schema["foreignKeys"][0].update(fields="children")),
            ["column children", "of type string"],
        ),
    ],
)
def test_a_data_package_that_says_too_little_or_too_much_is_refused(hosted, package, named):
    offer_package(hosted, package)
    with pytest.raises(SourceError) as refused:
        hosted_data.data_sets(hosted)
    for what in ("asthma_clinics.datapackage.yaml: ", *named):
        assert what in str(refused.value)


@pytest.mark.parametrize(
    "field, constraints, row, named",
    [
        (2, {"minimum": 5}, "1,,4,1,", "line 3, column children: expected 5 or more (minimum), found '4'"),
        (2, {"maximum": 17}, "1,,18,1,", "line 3, column children: expected 17 or less (maximum), found '18'"),
        (2, {"required": True}, "1,,,1,", "line 3, column children: empty, and a value is required"),
        (2, {"unique": True}, "1,,17,1,", "line 3, column children: 17 is in line 2 already, and this is unique"),
        (2, {"enum": [17, 18]}, "1,,19,1,", "line 3, column children: expected one of 17, 18 (enum), found '19'"),
        (0, {"pattern": "[0-9]{5}"}, "1,,1,1,", "line 3, column clinic: expected the pattern [0-9]{5} (pattern)"),
        (0, {"minLength": 2}, "1,,1,1,", "line 3, column clinic: expected 2 characters or more (minLength), found '1'"),
        (0, {"maxLength": 5}, "123456,,1,1,", "line 3, column clinic: expected 5 characters or fewer (maxLength)"),
        (4, {"maximum": date(2020, 1, 1)}, "1,,1,1,2020-01-02", "line 3, column opened: expected 2020-01-01 or less"),
    ],
)
def test_a_cell_that_breaks_a_constraint_is_named(hosted, extract, field, constraints, row, named):
    package = with_schema(lambda schema: schema["fields"][field].update(constraints=constraints))
    offer_package(hosted, package, f"{HEADER}\n00123,E09000033,17,3.50,2001-02-03\n{row}\n")
    extract.publications = hosted_data.data_sets()
    with pytest.raises(SourceError) as refused:
        load_hosted(extract)
    [problem] = str(refused.value).splitlines()
    assert f"asthma_clinics.csv, {named}" in problem


def test_an_empty_cell_breaks_no_constraint_but_that_it_is_required(hosted, extract):
    bounds = {"unique": True, "minimum": 5, "maximum": 20, "enum": [17]}
    package = with_schema(lambda schema: schema["fields"][2].update(constraints=bounds))
    offer_package(hosted, package, f"{HEADER}\n1,,17,1,\n2,,,1,\n3,,,1,\n")
    [publication] = hosted_data.data_sets()
    extract.db.conn.execute("create table asthma_clinics (clinic, authority, children, wait, opened)")
    assert hosting.load(extract, publication) == 3
    assert extract.db.conn.execute("select children from asthma_clinics").fetchall() == [(17,), (None,), (None,)]
    extract.db.conn.execute("drop table asthma_clinics")


def test_the_example_is_valid_by_the_standard_s_own_library(extract_db, tmp_path):
    """The tables that it refers to are in the package then, as they are in the database."""
    for path in (ROOT / "sources" / "hosted").iterdir():
        shutil.copy(path, tmp_path)
    package = yaml.safe_load((tmp_path / "domain_weights.datapackage.yaml").read_text())
    ids = [id_ for (id_,) in sqlite3.connect(extract_db).execute("select id from indices")]
    package["resources"].append({"name": "indices", "path": "indices.csv"})
    (tmp_path / "datapackage.json").write_text(json.dumps(package))
    (tmp_path / "indices.csv").write_text("\n".join(["id", *ids, ""]))
    report = frictionless.Package(tmp_path / "datapackage.json").validate()
    assert report.valid, report.flatten()
    (tmp_path / "indices.csv").write_text("\n".join(["id", *ids[1:], ""]))
    assert not frictionless.Package(tmp_path / "datapackage.json").validate().valid
