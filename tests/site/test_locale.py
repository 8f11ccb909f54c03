"""Every program works whatever the locale: files are UTF-8, and what a terminal cannot show is escaped."""

import os
import subprocess
import sys

import pytest

from census.terminal import as_utf8
from tests.conftest import ROOT
from tests.workbooks import row, xlsx

NO_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*command, cwd=ROOT, **more) -> subprocess.CompletedProcess:
    """Run a program of this repository where Python takes every text for ASCII."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=environment | NO_LOCALE | more,
        capture_output=True,
        timeout=200,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"codec can't" not in done.stderr + done.stdout, done.stderr
    return done


def test_python_takes_every_text_for_ascii_here():
    said = run("-c", "import locale, sys; print(locale.getpreferredencoding(False), sys.stdout.errors)")
    assert said.stdout.split()[0] in (b"ANSI_X3.4-1968", b"US-ASCII", b"ASCII")


def test_a_database_is_built_and_checked(tmp_path):
    (tmp_path / "café").mkdir()
    database = tmp_path / "café" / "census.db"
    built = run(ROOT / "build_db.py", "--output", database)
    assert built.returncode == 0, built.stderr
    checked = run(ROOT / "build_db.py", "--check", database)
    assert checked.returncode == 0, checked.stderr
    assert b"postcodes" in checked.stdout
    refused = run(ROOT / "build_db.py", "--check", tmp_path / "né.db")
    assert (refused.returncode, b"there is no such file" in refused.stderr) == (1, True)


@pytest.mark.parametrize("made", ["csv", "workbook"])
def test_figures_are_added(extract_db, tmp_path, made):
    table = tmp_path / "é.csv"
    table.write_bytes("café,postcode\nZoë,SW1A 1AA\n".encode())
    if made == "workbook":
        table.write_bytes(xlsx(row(1, A="café", B="postcode") + row(2, A="Zoë", B="SW1A 1AA")))
    options = ["--database", extract_db, "--prefix", "é_", "--columns", "decile,message"]
    done = run(ROOT / "append.py", table, "-o", tmp_path / "ö.csv", *options)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "ö.csv").read_text("utf-8-sig").splitlines()
    assert written == ["café,postcode,é_status,é_decile,é_message", "Zoë,SW1A 1AA,found,8,"]
    done = run(ROOT / "append.py", table, "-o", "-", "--postcode", "café", "--database", extract_db)
    assert (done.returncode, b"invalid 1" in done.stderr) == (0, True)


def test_a_text_of_the_command_line_is_read_as_utf_8_and_a_broken_one_stays():
    assert as_utf8("é") == "é"
    assert as_utf8("caf\udce9") == "caf\udce9"


@pytest.mark.parametrize("program", ["build_db.py", "append.py", "serve_many.py", "deploy/release.py"])
def test_its_help_is_shown(program):
    done = run(ROOT / program, "--help")
    assert (done.returncode, b"usage:" in done.stdout) == (0, True)


def test_a_release_is_rehearsed():
    run(ROOT / "deploy" / "release.py", "--dry-run")


def test_the_guide_is_built(extract_db, tmp_path):
    more = {"CENSUS_DB": str(extract_db), "NO_MKDOCS_2_WARNING": "1"}
    done = run("-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site", **more)
    assert done.returncode == 0, done.stderr


def test_the_tests_are_run():
    done = run("-m", "tests", "unit", "--", "--collect-only", "-q", "-p", "no:cacheprovider", "-k", "test_postcode")
    assert done.returncode == 0, done.stdout + done.stderr
