"""Tables out of csv, xlsx, ods and GeoJSON files."""

import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from sources.publication import SourceError
from sources.workbook import column, integer, real, rows
from sources.workbook_reader import sheets

COLUMNS = {
    "code": column(str, "LSOA code"),
    "rank": column(int, "Rank (where 1 is most)"),
    "score": column(float, "Score"),
}
HEADER = ["\ufefflsoa  Code", "Other", " Rank\n(where 1\xa0is most) ", "Score "]
TABLE = [
    HEADER,
    ["E1", "x", "1,234", "0.5"],
    ["E2", "", 7.0, None],
    ["", " ", "", ""],
    ["Source: a footnote", "", "", ""],
]
READ = [("E1", 1234, 0.5), ("E2", 7, None)]


def as_csv(table, encoding="utf-8") -> bytes:
    quoted = [",".join('"' + str("" if cell is None else cell) + '"' for cell in row) for row in table]
    return "\r\n".join(quoted).encode(encoding)


def as_xlsx(table) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Cover"
    book.active.append(["LSOA code", "not the table"])
    sheet = book.create_sheet("Ranks ")
    for row in table:
        sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def as_ods(table) -> bytes:
    def cell(value):
        if isinstance(value, float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        return f'<table:table-cell office:value-type="string"><text:p>{value or ""}</text:p></table:table-cell>'

    body = "".join("<table:table-row>" + "".join(map(cell, row)) + "</table:table-row>" for row in table)
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (("office", "office"), ("table", "table"), ("text", "text"))
    )
    content = (
        f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="Ranks">'
        f"{body}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return data.getvalue()


@pytest.mark.parametrize("before", [[], [["A title"], ["", "notes", "1"]]], ids=["at the top", "below a title"])
@pytest.mark.parametrize("name, make", [("a.csv", as_csv), ("a.xlsx", as_xlsx), ("a.ods", as_ods)])
def test_the_same_table_is_read_alike_from_every_format(name, make, before):
    sheet = None if name == "a.csv" else "ranks"
    assert list(rows(Path(name), make(before + TABLE), COLUMNS, sheet)) == READ


def test_the_sheet_that_holds_the_labels_is_found():
    assert list(rows(Path("a.xlsx"), as_xlsx(TABLE), COLUMNS)) == READ


def test_values_are_those_of_the_library_wherever_the_table_stands():
    book = openpyxl.Workbook()
    sheet = book.active
    filled = {"C4": "x", "D5": 1.5, "E6": True, "C7": datetime(2020, 1, 2, 3, 4), "C8": date(2020, 1, 2), "D9": 12}
    for place, value in filled.items():
        sheet[place] = value
    book.create_sheet("empty")
    file = io.BytesIO()
    book.save(file)
    library = python_calamine.load_workbook(io.BytesIO(file.getvalue()))
    expected = [library.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in library.sheet_names]
    with sheets(file.getvalue(), every=True) as every:
        read = [list(sheet.rows) for sheet in every]
    plain = (str, int, float, bool)
    assert read == [[[v if isinstance(v, plain) else str(v) for v in row] for row in grid] for grid in expected]
    assert len(read[0]) == 9


def test_windows_1252_and_byte_order_marks_are_read():
    plain = [[h.replace("\ufeff", "") for h in HEADER], ["Mòr\xa0– 1", "", 1, 2]]
    assert list(rows(Path("a.csv"), as_csv(plain, "cp1252"), COLUMNS)) == [("Mòr – 1", 1, 2.0)]
    assert list(rows(Path("a.csv"), as_csv(plain, "utf-8-sig"), COLUMNS)) == [("Mòr – 1", 1, 2.0)]


def test_a_header_of_two_rows_is_read_as_group_and_label():
    table = [["code", "Houses", "", "Flats", ""], ["", "count", "area", "count", "area"], ["A", "1", "2", "3", "4"]]
    columns = {"code": column(str, "code"), "flats": column(int, "Flats | count"), "area": column(int, "Houses | area")}
    assert list(rows(Path("a.csv"), as_csv(table), columns, header_rows=2)) == [("A", 3, 2)]


def test_the_properties_of_geojson_features_are_a_table():
    data = json.dumps({"features": [{"properties": {"LAD24CD": "E1", "n": 1}, "geometry": None}]}).encode()
    assert list(rows(Path("a.geojson"), data, {"code": column(str, "LAD24CD"), "n": column(int, "n")})) == [("E1", 1)]


TWICE = [[*HEADER, "score"], ["E1", "", "1", "1", "1"]]


def as_sheets(**sheets) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for title, table in sheets.items():
        sheet = book.create_sheet(title)
        for row in table:
            sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


@pytest.mark.parametrize(
    "sheets, message",
    [
        ({"Data": TWICE, "Old": TABLE}, "sheet 'Data': label 'Score' stands there 2 times"),
        ({"Notes": [["About", "this"]], "Data": [["LSOA code", "Scores"]]}, "sheet 'Data': label 'Rank"),
        (
            {"Data": TABLE, "Old": TABLE},
            "a.xlsx: the labels stand in several sheets",
        ),
    ],
)
def test_a_sheet_is_never_guessed(sheets, message):
    with pytest.raises(SourceError) as caught:
        list(rows(Path("a.xlsx"), as_sheets(**sheets), COLUMNS))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "table, message",
    [
        ([["LSOA code", "Score"], ["E1", "1"]], "label 'Rank (where 1 is most)' is missing"),
        ([[*HEADER, "score"], ["E1", "", "1", "1", "1"]], "label 'Score' stands there 2 times"),
        ([HEADER, ["E1", "", "1.5", "1"]], "row 2, 'Rank (where 1 is most)': expected a whole number, found '1.5'"),
        ([HEADER, ["E1", "", "1", "*"]], "row 2, 'Score': expected a number, found '*'"),
        ([HEADER, ["E1", "", "1", "97%"]], "expected a number, found '97%'"),
        ([HEADER, ["E1", "", "1"]], "row 2: it ends before 'Score'"),
        ([], "the file is empty"),
    ],
)
def test_what_cannot_be_read_is_named(table, message):
    with pytest.raises(SourceError) as caught:
        list(rows(Path("ranks.csv"), as_csv(table), COLUMNS))
    assert "ranks.csv" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name, data, sheet, message",
    [
        ("a.xlsx", as_xlsx(TABLE), "Absent", "a.xlsx has no sheet 'Absent'; it has 'Cover', 'Ranks '"),
        ("a.xlsx", b"not a workbook", None, "a.xlsx is not a readable workbook"),
        ("a.xlsx", as_xlsx(TABLE)[:2000], None, "a.xlsx is not a readable workbook"),
        ("a.csv", b'a,b\n"open', None, "a.csv is not a readable CSV file"),
        ("a.geojson", b"[]", None, "a.geojson is not a GeoJSON feature collection"),
        ("a.pdf", b"", None, "a.pdf: expected a name that ends in"),
    ],
)
def test_a_damaged_or_strange_file_is_named(name, data, sheet, message):
    with pytest.raises(SourceError) as caught:
        list(rows(Path(name), data, COLUMNS, sheet))
    assert message in str(caught.value)


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_survive_thousands_separators(n):
    assert integer(f"{n:,}") == integer(str(n)) == integer(f" {n}.0 ") == n


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_out_is_read_back_exactly(x):
    assert real(repr(x)) == x


@pytest.mark.parametrize("text", ["1,23", "1,2345", "0,123", "٣", "nan", "inf", "1e999", "0x1", "1_000", "--1"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="expected a number"):
        real(text)
