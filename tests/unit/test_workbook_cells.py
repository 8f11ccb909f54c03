"""What comes out of each kind of cell of a workbook: exactly what stands there, or a refusal that names the row."""

import re
import struct

import pytest

from sources import workbook_reader
from sources.workbook_reader import SheetMissingError, WorkbookError, sheets
from tests.workbooks import SPREADSHEET, changed, ods, ods_row, row, xls, xls_record, xlsb, xlsb_record, xlsx

UNCALCULATED = "has a formula without a result in row 2 of sheet 'S1'. Open it in a spreadsheet program and save it"
UNREAD = "has a cell that cannot be read in row 2 of sheet 'S1'"
STRANGE = "has an error of a formula that cannot be read in row 2 of sheet 'S1'"
UNREADABLE = "is not a readable workbook"
PROTECTED = "is protected by a password"
FORMATS = ("General", "yyyy\\-mm\\-dd", "hh:mm:ss", "[h]:mm:ss", "0.00%", "00000")


def read(content: bytes, name: str | None = None, as_text: bool = True) -> list[list[object]]:
    with sheets(content, name, as_text=as_text) as every:
        return [list(row) for row in next(every).rows]


def in_xlsx(cells: str) -> bytes:
    """Row 2 of an xlsx: a text, `cells`, and a text in column H."""
    second = f'<row r="2"><c r="A2" t="str"><v>a</v></c>{cells}<c r="H2" t="str"><v>z</v></c></row>'
    return xlsx(row(1, A="id", H="end") + second)


def styled(*values: float) -> bytes:
    """An xlsx with one value of each of FORMATS."""
    formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(FORMATS))
    styles = "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(FORMATS)))
    part = f"<styleSheet {SPREADSHEET}><numFmts>{formats}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>".encode()
    cells = "".join(f'<c s="{n}"><v>{value}</v></c>' for n, value in enumerate(values))
    return xlsx(f'<row r="1">{cells}</row>', **{"xl/styles.xml": part})


def in_ods(attributes: str, inner: str = "") -> bytes:
    """Row 2 of an ods: a text, a cell, and a text."""
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    cell = f"<table:table-cell {attributes}>{inner}</table:table-cell>"
    return ods(ods_row("id") + f"<table:table-row>{text.format('a')}{cell}{text.format('z')}</table:table-row>")


def in_xlsb(kind: int, body: bytes) -> bytes:
    """Row 2 of an xlsb: a text, and a record of a cell in column B."""
    record = xlsb_record(kind, struct.pack("<II", 1, 0) + body)
    after = xlsb_record(6, struct.pack("<III", 2, 0, 1) + "z".encode("utf-16-le"))
    return xlsb({(0, 0): "id", (1, 0): "a"}, records=record + after)


def in_xls(kind: int, body: bytes, more: bytes = b"") -> bytes:
    """Row 2 of an xls: a text, a record of a cell in column B, and a text."""
    record = xls_record(kind, struct.pack("<HHH", 1, 1, 0) + body)
    after = xls_record(0x0204, struct.pack("<HHHHB", 1, 2, 0, 1, 0) + b"z")
    return xls({(0, 0): "id", (1, 0): "a"}, records=record + more + after)


def xls_formula(result: bytes) -> bytes:
    return result + struct.pack("<HI", 0, 0) + b"\x03\x00\x1e\x01\x00"


ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
NUMBERS = {
    "1234567890123450": "1234567890123450",
    "999999999999999": "999999999999999",
    "9007199254740991": "9007199254740991",
    "-1234567890123450": "-1234567890123450",
    "1.2345678901234567E+19": "12345678901234567000",
    "1E20": "100000000000000000000",
    "1E21": "1e+21",
    "0": "0",
    "-3": "-3",
    "7.0": "7",
    "0.1": "0.1",
    "0.30000000000000004": "0.30000000000000004",
    "-2.5": "-2.5",
}
VALUE = '<c r="B2"><f>1+1</f><v>2</v></c>'
KEPT = {  # what the file has, and the cells of its row 2, without empty ones
    **{f"xlsx error {e}": (in_xlsx(f'<c r="B2" t="e"><v>{e}</v></c>'), ["a", e, "z"]) for e in ERRORS.values()},
    "xlsx error of a formula": (in_xlsx('<c r="B2" s="0" t="e"><f>NA()</f><v>#N/A</v></c>'), ["a", "#N/A", "z"]),
    "xlsx error in other quotes": (in_xlsx("<c r='B2' t='e'><v>#N/A</v></c>"), ["a", "#N/A", "z"]),
    "xlsx error, other order and spaces": (in_xlsx('<c t = "e"\n r = "B2" ><v>#N/A</v ></c>'), ["a", "#N/A", "z"]),
    "xlsx error without a reference": (in_xlsx('<c t="e"><v>#N/A</v></c>'), ["a", "#N/A", "z"]),
    "xlsx error in small letters": (in_xlsx('<c r="b2" t="e"><v>#N/A</v></c>'), ["a", "#N/A", "z"]),
    "xlsx error in a comment": (in_xlsx('<!-- <c r="B2" t="e"><v>#N/A</v></c> -->'), ["a", "z"]),
    "xlsx formula": (in_xlsx(VALUE), ["a", "2", "z"]),
    "xlsx shared formula": (in_xlsx('<c r="B2"><f t="shared" si="0"/><v>2</v></c>'), ["a", "2", "z"]),
    "xlsx array formula": (in_xlsx('<c r="B2"><f t="array" ref="B2">A1&gt;1</f><v>2</v></c>'), ["a", "2", "z"]),
    "xlsx formula of a text": (in_xlsx('<c r="B2" t="str"><f>A1</f><v>x</v></c>'), ["a", "x", "z"]),
    "xlsx formula of an empty text": (in_xlsx('<c r="B2" t="str"><f>A1</f><v></v></c>'), ["a", "z"]),
    "xlsx formula of an empty text, short": (in_xlsx('<c r="B2" t="str"><f>A1</f><v/></c>'), ["a", "z"]),
    "xlsx formula of a truth value": (in_xlsx('<c r="B2" t="b"><f>A1</f><v>1</v></c>'), ["a", "TRUE", "z"]),
    "xlsx text like a number": (in_xlsx('<c r="B2" t="str"><v>00123</v></c>'), ["a", "00123", "z"]),
    "xlsx text like an error": (in_xlsx('<c r="B2" t="str"><v>#N/A</v></c>'), ["a", "#N/A", "z"]),
    **{f"xlsx number {n}": (in_xlsx(f'<c r="B2"><v>{n}</v></c>'), ["a", s, "z"]) for n, s in NUMBERS.items()},
    **{f"xlsb error {e}": (in_xlsb(3, bytes([n])), ["a", e, "z"]) for n, e in ERRORS.items()},
    "xlsb error of a formula": (in_xlsb(11, bytes([0x2A, 0, 0, 0, 0, 0, 0])), ["a", "#N/A", "z"]),
    "xlsb error, data to come": (in_xlsb(3, b"\x2b"), ["a", "#GETTING_DATA", "z"]),
    "xlsb number": (in_xlsb(5, struct.pack("<d", 1234567890123450)), ["a", "1234567890123450", "z"]),
    **{f"xls error {e}": (in_xls(0x0205, bytes([n, 1])), ["a", e, "z"]) for n, e in ERRORS.items()},
    "xls truth value": (in_xls(0x0205, b"\1\0"), ["a", "TRUE", "z"]),
    "xls error of a formula": (in_xls(6, xls_formula(b"\2\0\x17\0\0\0\xff\xff")), ["a", "#REF!", "z"]),
    "xls formula of a number": (in_xls(6, xls_formula(struct.pack("<d", 2.5))), ["a", "2.5", "z"]),
    "xls formula of an empty text": (in_xls(6, xls_formula(b"\3\0\0\0\0\0\xff\xff")), ["a", "z"]),
    "xls formula of a text": (
        in_xls(6, xls_formula(b"\0\0\0\0\0\0\xff\xff"), xls_record(0x0207, struct.pack("<HB", 2, 0) + b"hi")),
        ["a", "hi", "z"],
    ),
    "xls number": (in_xls(0x0203, struct.pack("<d", 1234567890123450)), ["a", "1234567890123450", "z"]),
    "ods error": (
        in_ods(
            'table:formula="of:=NA()" office:value-type="string" office:string-value="" calcext:value-type="error"',
            "<text:p>#N/A</text:p>",
        ),
        ["a", "#N/A", "z"],
    ),
    "ods error without its text as a value": (
        in_ods(
            'table:formula="of:=NA()" office:value-type="string" calcext:value-type="error"', "<text:p>Err:502</text:p>"
        ),
        ["a", "Err:502", "z"],
    ),
    "ods error of Apache OpenOffice": (
        in_ods('table:formula="of:=1/0" office:value-type="float" office:value="0"', "<text:p>#DIV/0!</text:p>"),
        ["a", "#DIV/0!", "z"],
    ),
    "ods error, repeated": (
        in_ods(
            'table:number-columns-repeated="3" office:value-type="string" office:string-value=""'
            ' calcext:value-type="error"',
            "<text:p>#REF!</text:p>",
        ),
        ["a", "#REF!", "#REF!", "#REF!", "z"],
    ),
    "ods formula": (
        in_ods('table:formula="of:=1+1" office:value-type="float" office:value="2"', "<text:p>2</text:p>"),
        ["a", "2", "z"],
    ),
    "ods formula of an empty text": (
        in_ods('table:formula="of:=A1" office:value-type="string" office:string-value=""'),
        ["a", "z"],
    ),
    "ods formula that shows no number": (
        in_ods('table:formula="of:=1" office:value-type="float" office:value="2"', "<text:p>###</text:p>"),
        ["a", "2", "z"],
    ),
    "ods number": (in_ods('office:value-type="float" office:value="1234567890123450"'), ["a", "1234567890123450", "z"]),
    "ods percentage": (in_ods('office:value-type="percentage" office:value="0.5"'), ["a", "0.5", "z"]),
    "ods date": (in_ods('office:value-type="date" office:date-value="1899-12-31"'), ["a", "1899-12-31", "z"]),
    "ods time": (in_ods('office:value-type="time" office:time-value="PT03H04M05S"'), ["a", "03:04:05", "z"]),
    "ods duration": (in_ods('office:value-type="time" office:time-value="PT26H04M05S"'), ["a", "PT26H04M05S", "z"]),
    "ods tab, line break and spaces": (
        in_ods('office:value-type="string"', '<text:p>1<text:tab/>2<text:s text:c="2"/>3<text:line-break/>4</text:p>'),
        ["a", "1\t2  3\n4", "z"],
    ),
    "ods comment on a cell": (
        in_ods(
            'office:value-type="string"',
            "<office:annotation><text:p>note</text:p></office:annotation><text:p>v</text:p>",
        ),
        ["a", "v", "z"],
    ),
    "ods comment on an empty cell": (
        in_ods("", "<office:annotation><text:p>note</text:p></office:annotation>"),
        ["a", "z"],
    ),
}
REFUSED = {  # what the file has, and how the refusal begins
    "xlsx formula alone": (in_xlsx('<c r="B2"><f>1+1</f></c>'), UNCALCULATED),
    "xlsx formula, empty value": (in_xlsx('<c r="B2"><f>1+1</f><v></v></c>'), UNCALCULATED),
    "xlsx formula, short empty value": (in_xlsx('<c r="B2"><f>1+1</f><v /></c>'), UNCALCULATED),
    "xlsx formula, value of spaces": (in_xlsx('<c r="B2"><f>1+1</f><v> </v></c>'), UNCALCULATED),
    "xlsx formula for a text alone": (in_xlsx('<c r="B2" t="str"><f>A1</f></c>'), UNCALCULATED),
    "xlsx formula for an error alone": (in_xlsx('<c r="B2" t="e"><f>A1</f></c>'), UNCALCULATED),
    "xlsx formula for a truth value, empty": (in_xlsx('<c r="B2" t="b"><f>A1</f><v></v></c>'), UNCALCULATED),
    "xlsx shared formula alone": (in_xlsx('<c r="B2"><f t="shared" si="0"/></c>'), UNCALCULATED),
    "xlsx shared formula, short": (in_xlsx("<c r='B2'><f/></c>"), UNCALCULATED),
    "xlsx array formula alone": (in_xlsx('<c r="B2"><f t="array" ref="B2:B3">A1</f></c>'), UNCALCULATED),
    "xlsx formula without a reference": (in_xlsx("<c><f>A1</f></c>"), UNCALCULATED),
    "xlsx formulas after calculated ones": (in_xlsx(VALUE + '<c r="C2"><f>1</f></c>'), UNCALCULATED),
    "xlsx error that the library does not know": (in_xlsx('<c r="B2" t="e"><v>#SPILL!</v></c>'), STRANGE),
    "xlsx error without a text": (in_xlsx('<c r="B2" t="e"><v></v></c>'), STRANGE),
    "xlsx number in CDATA": (in_xlsx('<c r="B2"><v><![CDATA[5]]></v></c>'), UNREAD),
    "xlsx number with a comment in it": (in_xlsx('<c r="B2"><v>5<!-- -->6</v></c>'), UNREAD),
    "xlsx in UTF-16": (
        xlsx(
            "<?xml version='1.0' encoding='UTF-16'?><worksheet><sheetData><row r='1'><c r='A1'><v>1</v></c></row>"
            "</sheetData></worksheet>".encode("utf-16")
        ),
        UNREADABLE,
    ),
    "xlsb error that the library does not know": (in_xlsb(3, b"\x77"), STRANGE),
    "xlsb formatted text in its cell": (
        in_xlsb(62, struct.pack("<BI", 0, 2) + "hi".encode("utf-16-le") + bytes(4)),
        UNREAD,
    ),
    "xls formula of a text alone": (in_xls(6, xls_formula(b"\0\0\0\0\0\0\xff\xff")), UNCALCULATED),
    "ods formula alone": (in_ods('table:formula="of:=1+1"'), UNCALCULATED),
    "ods formula with a text that is shown": (in_ods('table:formula="of:=1+1"', "<text:p>2</text:p>"), UNCALCULATED),
    "ods error without a text": (
        in_ods('table:formula="of:=1" office:value-type="string" office:string-value="" calcext:value-type="error"'),
        UNCALCULATED,
    ),
    "ods number without a value": (in_ods('office:value-type="float"', "<text:p>2</text:p>"), UNREAD),
    "ods text without a type": (in_ods("", "<text:p>2</text:p>"), UNREAD),
    "ods text in CDATA": (in_ods('office:value-type="string"', "<text:p><![CDATA[2]]></text:p>"), UNREAD),
    "xlsx or xlsb with a password": (xls({(0, 0): "x"}, stream_name="EncryptedPackage"), PROTECTED),
    "xls with a password": (
        xls({(0, 0): "x"}, in_book=xls_record(0x002F, struct.pack("<HHH", 1, 1, 1) + bytes(48))),
        PROTECTED,
    ),
    "xls with a password of old": (xls({(0, 0): "x"}, in_book=xls_record(0x002F, bytes(6))), PROTECTED),
    "ods with a password": (
        changed(
            ods(ods_row("x")),
            "META-INF/manifest.xml",
            "<manifest/>",
            '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry'
            ' m:full-path="content.xml"><m:encryption-data/></m:file-entry></m:manifest>',
            **{"content.xml": b"\x01\x02\x03"},
        ),
        PROTECTED,
    ),
}


@pytest.mark.parametrize("content, expected", KEPT.values(), ids=KEPT)
def test_a_cell_is_kept_exactly(content, expected):
    assert [cell for cell in read(content)[1] if cell != ""] == expected


@pytest.mark.parametrize("content, message", REFUSED.values(), ids=REFUSED)
def test_a_cell_that_would_be_lost_is_refused(content, message):
    with pytest.raises(WorkbookError) as caught:
        read(content)
    assert str(caught.value).startswith(message)
    assert "CSV" in str(caught.value)


def prefixed(cell: str) -> bytes:
    """An xlsx whose elements all have a prefix, with one cell in row 2."""
    rows = re.sub("<(/?)", r"<\1x:", f'<sheetData><row r="1"/><row r="2">{cell}</row></sheetData>')
    space = SPREADSHEET.replace("xmlns", "xmlns:x")
    return xlsx(f"<x:worksheet {space}>{rows}</x:worksheet>".encode())


def test_prefixes_change_nothing():
    assert read(prefixed('<c r="A2" t="e"><v>#N/A</v></c>'))[1] == ["#N/A"]
    assert read(prefixed('<c r="A2"><f>1</f><v>5</v></c>'))[1] == ["5"]
    for cell in ('<c r="A2"><f>1</f></c>', '<c r="A2"><f t="shared"/></c>', '<c r="A2"><f>1</f><v></v></c>'):
        with pytest.raises(WorkbookError, match=r"formula without a result in row 2 "):
            read(prefixed(cell))


def test_errors_are_put_back_where_the_table_stands():
    error = '<c r="{}" t="e"><v>#N/A</v></c>'
    table = [row(4, C="id", D="postcode"), f'<row r="7">{error.format("C7")}{error.format("E7")}</row>']
    content = xlsx("".join(table))
    assert read(content) == [["", "", ""]] * 3 + [["id", "postcode", ""]] + [["", "", ""]] * 2 + [["#N/A", "", "#N/A"]]
    assert read(content, as_text=False)[6] == ["", "", "#N/A", "", "#N/A"]


def test_an_error_is_found_wherever_the_file_is_cut():
    many = "".join(f'<row r="{n}"><c r="A{n}"><f>A{n}+1</f><v>{n}</v></c></row>' for n in range(1, 60_000))
    last = '<row r="60000"><c r="A60000" t="e"><f>NA()</f><v>#N/A</v></c></row>'
    assert read(xlsx(many + last))[-1] == ["#N/A"]
    with pytest.raises(WorkbookError, match="without a result in row 60000 of"):
        read(xlsx(many + last.replace("<v>#N/A</v>", "")))


def test_calculated_formulas_are_not_looked_at_one_by_one():
    rows = "".join(f'<row r="{n}"><c r="A{n}"><f>A{n}+1</f><v>{n}</v></c></row>' for n in range(1, 1000))
    content = f"<worksheet><sheetData>{rows}</sheetData></worksheet>".encode()
    for size in range(50, 90):
        marks = workbook_reader._Marks(workbook_reader._has_marks, workbook_reader._third_tag_from_the_end)
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        assert list(marks.watch(iter(chunks))) == chunks
        assert not marks.seen


def test_a_result_of_0_is_none_where_the_file_asks_to_be_calculated():
    cells = '<c r="B2"><f>A1</f><v>{}</v></c>'

    def asking(content: bytes) -> bytes:
        return changed(content, "xl/workbook.xml", "</workbook>", '<calcPr fullCalcOnLoad="1"/></workbook>')

    assert read(in_xlsx(cells.format(0)))[1][1] == "0"
    assert read(asking(in_xlsx(cells.format(7))))[1][1] == "7"
    assert read(asking(in_xlsx('<c r="B2"><v>0</v></c>')))[1][1] == "0"
    with pytest.raises(WorkbookError) as caught:
        read(asking(in_xlsx(cells.format(0))))
    assert str(caught.value).startswith(UNCALCULATED)


def test_formats_change_no_value():
    assert read(styled(0.5, 44927, 0.5, 26 / 24, 0.5, 123)) == [
        ["0.5", "2023-01-01", "12:00:00", "26:00:00", "0.5", "123"]
    ]
    assert read(styled(1, 44927.75, 44927.5, 0.25, 1, 1)) == [
        ["1", "2023-01-01 18:00:00", "2023-01-01 12:00:00", "6:00:00", "1", "1"]
    ]
    from_1904 = changed(styled(1, 43465), "xl/workbook.xml", "<sheets>", '<workbookPr date1904="1"/><sheets>')
    assert read(from_1904) == [["1", "2023-01-01"]]


def test_an_error_in_another_sheet_is_no_matter():
    formula = '<row r="1"><c r="A1"><f>1</f></c></row>'
    content = xlsx(row(1, A="id"), formula)
    assert read(content) == [["id"]]
    with pytest.raises(WorkbookError, match="in row 1 of sheet 'S2'"):
        read(content, "S2")
    content = ods(ods_row("id"), '<table:table-row><table:table-cell table:formula="of:=1"/></table:table-row>')
    assert read(content) == [["id"]]
    with pytest.raises(WorkbookError, match="in row 1 of sheet 'S2'"):
        read(content, "S2")


def test_rows_of_an_ods_that_are_repeated_keep_their_errors():
    error = (
        '<table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error"><text:p>#N/A'
    )
    repeated = f'<table:table-row table:number-rows-repeated="3">{error}</text:p></table:table-cell></table:table-row>'
    assert read(ods(ods_row("id") + ods_row("", rows=2) + repeated)) == [["id"], [""], [""], *[["#N/A"]] * 3]


def test_errors_are_bounded(monkeypatch):
    monkeypatch.setattr(workbook_reader, "MOST_ERRORS", 2)
    content = xlsx("".join(f'<row r="{n}"><c r="A{n}" t="e"><v>#N/A</v></c></row>' for n in range(1, 4)))
    with pytest.raises(WorkbookError, match="in more than 2 cells"):
        workbook_reader.measure(content, workbook_reader.chooser(None, False), True, False)


HIDDEN = changed(xlsx(row(1, A="x"), row(1, A="y")), "xl/workbook.xml", 'name="S1"', 'name="S1" state="hidden"')
CHART = changed(
    xlsx(row(1, A="x"), row(1, A="y")),
    "xl/_rels/workbook.xml.rels",
    '/worksheet" Target="worksheets/sheet1.xml"',
    '/chartsheet" Target="chartsheets/sheet1.xml"',
    **{"xl/chartsheets/sheet1.xml": b"<chartsheet><sheetViews/></chartsheet>"},
)


def test_the_first_sheet_is_one_that_is_shown_and_has_cells():
    assert read(HIDDEN) == [["y"]]
    assert read(HIDDEN, "S1") == [["x"]]
    assert read(CHART) == [["y"]]
    with pytest.raises(SheetMissingError) as caught:
        read(CHART, "S1")
    assert caught.value.sheets == ["S2"]
    with sheets(CHART, every=True) as every:
        assert [sheet.name for sheet in every] == ["S2"]
    both = changed(HIDDEN, "xl/workbook.xml", 'name="S2"', 'name="S2" state="veryHidden"')
    assert read(both) == [["x"]]


def test_a_workbook_of_a_chart_alone_has_no_sheet_of_cells():
    content = changed(CHART, "xl/workbook.xml", '<sheet name="S2" sheetId="2" r:id="rId2"/>', "")
    with pytest.raises(WorkbookError, match="has no sheet of cells"):
        read(content)


def test_two_sheets_of_one_name_are_refused():
    with pytest.raises(WorkbookError, match=UNREADABLE):
        read(changed(xlsx(row(1, A="x"), row(1, A="y")), "xl/workbook.xml", 'name="S2"', 'name="S1"'))
