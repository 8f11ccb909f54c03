"""append.py on any system: Linux, macOS and Windows, as its users run it.

Nothing here needs a server, or what only Unix has; nor does it need tests/conftest.py:

    CENSUS_DB=census.db python -m pytest --noconftest tests/site/test_append_anywhere.py

CENSUS_DB names a census.db of the extract (or of the whole UK), which may have been built on another system. Without it
the database of the other tests is used.
"""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POSTCODES = ["SW1A 1AA", "cf143lx", " ML1 1AA", "BT2 7DX", "JE2 3AB", "EC1A 9ZZ", "nonsense", ""]
STATUSES = ["found"] * 4 + ["not_covered", "unknown", "invalid", "invalid"]


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> Path:
    """Return the census.db to look postcodes up in."""
    named = os.environ.get("CENSUS_DB")
    return Path(named).resolve() if named else request.getfixturevalue("extract_db")


@pytest.fixture
def append(database: Path, tmp_path: Path):
    """Return a function that runs append.py in a folder of its own, as a command."""

    def run(*arguments: str, **options) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, str(ROOT / "append.py"), *arguments, "--database", str(database)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, **options)

    return run


def rows_of(content: bytes, encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(encoding), newline="")))


def test_every_postcode_has_its_status_and_the_palace_its_published_figures(append, tmp_path):
    lines = ["id,postcode", *(f"{n},{postcode}" for n, postcode in enumerate(POSTCODES))]
    (tmp_path / "in.csv").write_bytes("\n".join(lines).encode())
    done = append("in.csv", "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    rows = rows_of((tmp_path / "out.csv").read_bytes())
    assert [row["postcode"] for row in rows] == POSTCODES
    assert [row["imd_status"] for row in rows] == STATUSES
    palace = rows[0]
    assert (palace["imd_index_id"], palace["imd_area_code"]) == ("england_2025", "E01004736")
    assert (palace["imd_rank"], palace["imd_of"], palace["imd_decile"]) == ("24593", "33755", "8")


def test_a_named_index_of_another_edition_has_its_own_rank(append, tmp_path):
    (tmp_path / "in.csv").write_bytes(b"postcode\nSW1A 1AA\n")
    done = append("in.csv", "-o", "out.csv", "--index", "england_2019", "--quantile", "5")
    assert done.returncode == 0, done.stderr
    [palace] = rows_of((tmp_path / "out.csv").read_bytes())
    assert (palace["imd_rank"], palace["imd_data_quantile"]) == ("24862", "4")


FORMS = [(encoding, end) for end in ("\n", "\r\n") for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16")]
EVERY_FORM = "CENSUS_DB" in os.environ or os.environ.get("CENSUS_THOROUGH") == "1"


@pytest.mark.parametrize("encoding, end", FORMS if EVERY_FORM else [*FORMS[:2], *FORMS[6:]])
def test_encoding_and_line_ends_of_the_table_stay(append, tmp_path, encoding, end):
    (tmp_path / "in.csv").write_bytes(f"café,postcode{end}Zoë,SW1A 1AA{end}".encode(encoding))
    done = append("in.csv", "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out.csv").read_bytes()
    text = written.decode(encoding)
    assert rows_of(written, encoding)[0]["café"] == "Zoë"
    assert text.count(end) == text.count("\n") == 2


def test_files_may_have_names_with_spaces_and_accents(append, tmp_path):
    (tmp_path / "my café").mkdir()
    (tmp_path / "my café" / "ta ble.csv").write_bytes(b"postcode\nSW1A 1AA\n")
    done = append("my café/ta ble.csv", "-o", "my café/out put.csv")
    assert done.returncode == 0, done.stderr
    assert len(rows_of((tmp_path / "my café" / "out put.csv").read_bytes())) == 1


def test_standard_input_becomes_standard_output_byte_for_byte(append):
    done = append("-", "-o", "-", input=b"postcode\r\nSW1A 1AA\r\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\r\n") == done.stdout.count(b"\n") == done.stdout.count(b"\r") == 2


def test_nothing_is_replaced_without_force_and_no_part_is_left(append, tmp_path):
    (tmp_path / "in.csv").write_bytes(b"postcode\nSW1A 1AA\n")
    (tmp_path / "out.csv").write_bytes(b"kept")
    done = append("in.csv", "-o", "out.csv")
    assert done.returncode == 1
    assert b"--force" in done.stderr
    assert (tmp_path / "out.csv").read_bytes() == b"kept"
    assert append("in.csv", "-o", "out.csv", "--force").returncode == 0
    assert len(rows_of((tmp_path / "out.csv").read_bytes())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_wrong_row_is_named_without_its_cells_and_leaves_nothing(append, tmp_path):
    (tmp_path / "in.csv").write_bytes(b"postcode\nSW1A 1AA\nCF14 3LX,more\n")
    done = append("in.csv", "-o", "out.csv")
    assert done.returncode == 1
    assert b"Row 3" in done.stderr
    assert b"CF14" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
