"""append.py reads each table of tests/user_tables.py, cell by cell, or refuses it for its reason without a cell."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from census.cli import append
from census.tables import postcode_column
from tests.conftest import THOROUGH
from tests.user_tables import CASES, CELLS


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_table_is_read_or_refused(case, way, extract_db, tmp_path, capsys, monkeypatch):
    table, written = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_bytes(case.content)
    options = ["-o", str(written), "--database", str(extract_db), *(["--postcode", case.asked] if case.asked else [])]
    if way == "file":
        status = append.main([str(table), *options])
    else:
        with table.open("rb") as source:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(source))
            status = append.main(["-", *options])
    told = capsys.readouterr().err
    assert [cell for cell in CELLS if cell in told] == []
    if case.statuses is None:
        assert (status, written.exists()) == (1, False)
        assert [name for name in case.names if name not in told] == []
        return
    assert status == 0, told
    before, after = (rows_of(path.read_bytes(), case.content) for path in (table, written))
    assert [row[: len(cells)] for row, cells in zip(after, before, strict=True)] == before, "each cell as it was"
    names = after[case.above]
    place = names.index("imd_status")
    assert [row[place] for row in after[case.above + 1 :]] == case.statuses.split()
    assert all(row == cells for row, cells in zip(after[: case.above], before, strict=False))
    if case.columns:
        columns = "columns" if len(case.columns) > 1 else "column"
        assert f"postcodes in {columns} " + " and ".join(map(str, case.columns)) in told


def rows_of(written: bytes, content: bytes) -> list[list[str]]:
    """The rows of a text, cut as `content` is."""
    encoding = "cp1252" if b"\xe2n" in content else "utf-8-sig"
    text, delimiter = postcode_column.cut(written.decode(encoding))
    text = text.lstrip("\ufeff")
    if delimiter is None:
        delimiter = postcode_column.delimiter_of(content.decode(encoding).lstrip("\ufeff"), "postcode")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


# What stands in tables of people without a row of names: a name, a postcode or what stands for one, and more.
NAMES = st.sampled_from(["Xylia", "Xylia Xanthe", "O'Xylia", "Xylia postcode unknown", "Xylia-May", "X. Xylia"])
PLACES = st.sampled_from(
    [
        "SW1A 1AA",
        "sw1a1aa",
        '"=""SW1A 1AA"""',
        "SWIA 1AA",
        "SW1A",
        "",
        "n/k",
        "NFA",
        "no fixed abode",
        "SW1A 1AA?",
        "ZZ99 3VZ",
    ]
)
MORE = st.sampled_from(
    ["", "12/03/2019", "4.5", "943 476 5919", "xylia@example.org", "Xylia asthma", "Xylia\u00a0House"]
)


@settings(
    max_examples=400 if THOROUGH else 150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(NAMES, PLACES, MORE), min_size=1, max_size=5),
    order=st.permutations([0, 1, 2]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    asked=st.sampled_from([None, "postcode", "ward", "2", "a,b"]),
)
def test_no_cell_of_people_is_told(rows, order, delimiter, asked, extract_db, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("\n".join(delimiter.join(row[n] for n in order) for row in rows) + "\n")
    options = ["-o", str(tmp_path / "out.csv"), "--force", "--database", str(extract_db)]
    append.main([str(tmp_path / "in.csv"), *options, *(["--postcode", asked] if asked else [])])
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.lower().replace("such as sw1a 1aa", "")
    assert [
        cell for cell in ("xylia", "asthma", "1aa", "9434", "5919", "zz99", "12/03", "fixed") if cell in lines
    ] == []
