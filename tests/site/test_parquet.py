"""Every table as Parquet: read back with DuckDB and compared with census.db row by row."""

import sqlite3
import sys

import duckdb
import pyarrow.parquet
import pytest
import yaml

from census.cli import build as build_db
from census.schema import hosted
from census.schema.tables import all_tables
from sources import registry
from tests.conftest import ROOT, command

TABLES = all_tables(registry.publications() + hosted.data_sets())
TOLD = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text()))["databases"]["census"]["tables"]


@pytest.fixture(scope="module", params=["extract_db", "full_build"])
def written(request, tmp_path_factory):
    """The database, and the folder with its tables as Parquet."""
    made = request.getfixturevalue(request.param)
    database = made if request.param == "extract_db" else made.path
    folder = tmp_path_factory.mktemp("parquet") / "out"
    done = command("--output", database, "--parquet", folder)
    assert done.returncode == 0, done.stderr
    assert f"{len(TABLES)} tables" in done.stdout
    return database, folder


def test_every_row_of_every_table_is_there_as_it_was(written):
    database, folder = written
    assert {file.stem for file in folder.iterdir()} == set(TABLES)
    ours, theirs = sqlite3.connect(f"file:{database}?mode=ro", uri=True), duckdb.connect()
    compared = 0
    for name, table in TABLES.items():
        columns = ", ".join(f'"{column}"' for column in table.columns)
        wanted = ours.execute(f"select {columns} from {name} order by {table.key}")
        found = theirs.execute(f"select {columns} from read_parquet('{folder / name}.parquet')")
        while rows := wanted.fetchmany(50_000):
            assert found.fetchmany(len(rows)) == rows, name
            compared += len(rows)
        assert not found.fetchmany(1), name
    assert compared > 50_000


def test_every_file_says_what_it_is_whose_and_under_which_licence(written):
    database, folder = written
    [digest] = sqlite3.connect(database).execute("select digest from edition").fetchone()
    for name, table in TABLES.items():
        schema = pyarrow.parquet.read_schema(folder / f"{name}.parquet")
        told = {key.decode(): value.decode() for key, value in schema.metadata.items()}
        assert told["licence"] == TOLD[name]["license"]
        assert told["licence_url"] == TOLD[name]["license_url"]
        assert told["description"] == TOLD[name]["description"]
        assert told["database_digest"] == digest
        assert told["primary_key"] == table.key
        for field in schema:
            assert field.metadata[b"description"].decode() == TOLD[name]["columns"][field.name]
    attribution = pyarrow.parquet.read_schema(folder / "postcodes.parquet").metadata[b"attribution"].decode()
    assert "Royal Mail" in attribution


def test_a_folder_with_other_things_in_it_is_left_as_it_is(extract_db, tmp_path, capsys):
    (tmp_path / "thesis.docx").write_text("mine")
    assert build_db.main(["--output", str(extract_db), "--parquet", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.docx"]


def test_it_is_written_anew_over_its_own(extract_db, tmp_path):
    for _ in range(2):
        assert build_db.main(["--output", str(extract_db), "--parquet", str(tmp_path / "p")]) == 0
    assert len(list((tmp_path / "p").iterdir())) == len(TABLES)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_without_pyarrow_the_way_to_it_is_said(extract_db, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert build_db.main(["--output", str(extract_db), "--parquet", str(tmp_path / "p")]) == 1
    assert "make parquet" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_no_database_no_parquet(tmp_path, capsys):
    assert build_db.main(["--output", str(tmp_path / "none.db"), "--parquet", str(tmp_path / "p")]) == 1
    assert str(tmp_path / "none.db") in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
