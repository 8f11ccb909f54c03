"""Workbooks for tests, of every format and as hostile as can be: written byte by byte, for no library would."""

import io
import struct
import zipfile

XML = '<?xml version="1.0" encoding="UTF-8"?>'
SPREADSHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def zipped(parts: dict[str, str | bytes]) -> bytes:
    """A ZIP file of parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def changed(workbook: bytes, part: str, old: str, new: str, **more: bytes) -> bytes:
    """A workbook in one part of which another text stands, and with more parts."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    content = parts[part]
    assert isinstance(content, bytes)
    assert old.encode() in content
    return zipped(parts | {part: content.replace(old.encode(), new.encode())} | more)


def relationships(*targets: tuple[str, str]) -> str:
    """The relationships rId1, rId2, … of a part: type and target of each."""
    every = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{XML}<Relationships xmlns="{_RELATIONSHIPS}">{every}</Relationships>'


def xlsx(*sheets: str | bytes, strings: str = "", **more: bytes) -> bytes:
    """A workbook of sheets named S1, S2, …, each the XML of its rows, or a whole part."""
    names = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(1, len(sheets) + 1))
    parts: dict[str, str | bytes] = {
        "_rels/.rels": relationships(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{XML}<workbook {SPREADSHEET} xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships(
            *(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)),
            ("sharedStrings", "sharedStrings.xml"),
        ),
    }
    for n, rows in enumerate(sheets, 1):
        whole = f"{XML}<worksheet {SPREADSHEET}><sheetData>{rows}</sheetData></worksheet>"
        parts[f"xl/worksheets/sheet{n}.xml"] = rows if isinstance(rows, bytes) else whole
    if strings:
        parts["xl/sharedStrings.xml"] = f"{XML}<sst {SPREADSHEET}>{strings}</sst>"
    return zipped(parts | more)


def cell(reference: str, text: str) -> str:
    """A cell of an xlsx with a text in it."""
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def row(number: int, **cells: str) -> str:
    """A row of an xlsx: texts by column."""
    return f'<row r="{number}">' + "".join(cell(f"{column}{number}", text) for column, text in cells.items()) + "</row>"


def ods(*tables: str) -> bytes:
    """An OpenDocument spreadsheet of sheets named S1, S2, …, each the XML of its rows."""
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (("office", "office"), ("table", "table"), ("text", "text"))
    )
    names += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    sheets = "".join(f'<table:table table:name="S{n}">{rows}</table:table>' for n, rows in enumerate(tables, 1))
    body = f"<office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body>"
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f"{XML}<office:document-content {names}>{body}</office:document-content>",
        }
    )


def ods_row(*texts: str, rows: int = 1, repeated: int = 1) -> str:
    """A row of an ods, so many times; repeated: how often its last cell is."""
    cells = [
        f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>' for text in texts
    ]
    if cells and repeated > 1:
        cells[-1] = cells[-1].replace(" office", f' table:number-columns-repeated="{repeated}" office', 1)
    return f'<table:table-row table:number-rows-repeated="{rows}">{"".join(cells)}</table:table-row>'


def xls_record(kind: int, body: bytes = b"") -> bytes:
    """A record of an xls."""
    return struct.pack("<HH", kind, len(body)) + body


def _xls_text(row: int, column: int, text: str) -> bytes:
    return xls_record(0x0204, struct.pack("<HHHHB", row, column, 0, len(text), 0) + text.encode("latin-1"))


def xls(
    cells: dict[tuple[int, int], str],
    dimensions: tuple[int, int, int, int] | None = None,
    records: bytes = b"",
    in_book: bytes = b"",
    stream_name: str = "Workbook",
) -> bytes:
    """A workbook of Excel 97: texts by row and column from 0. dimensions: what the sheet says of itself.

    records: more of the sheet's. in_book: more of the workbook's own. stream_name: where in the compound file.
    """
    bof = struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0)
    name = b"\x02\x00S1"  # length, compressed, the name
    head = xls_record(0x0809, bof) + in_book + xls_record(0x0042, struct.pack("<H", 1200))
    at = len(head) + 4 + 6 + len(name) + 4
    head += xls_record(0x0085, struct.pack("<IH", at, 0) + name) + xls_record(0x000A)
    sheet = xls_record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    if dimensions:
        sheet += xls_record(0x0200, struct.pack("<IIHHH", *dimensions, 0))
    sheet += b"".join(_xls_text(row, column, text) for (row, column), text in cells.items()) + records
    stream = (head + sheet + xls_record(0x000A)).ljust(4096, b"\0")
    stream += b"\0" * (-len(stream) % 512)
    sectors = len(stream) // 512
    tables = -(-(sectors + 2) // 127)
    none, last = 0xFFFFFFFF, 0xFFFFFFFE
    table = [0xFFFFFFFD] * tables + [last] + [tables + 2 + n for n in range(sectors - 1)] + [last]
    table += [none] * (tables * 128 - len(table))

    def entry(name: str, kind: int, start: int, size: int, child: int) -> bytes:
        encoded = name.encode("utf-16-le") + b"\0\0"
        return encoded.ljust(64, b"\0") + struct.pack(
            "<HBBIII16xI8x8xIQ", len(encoded), kind, 1, none, none, child, 0, start, size
        )

    directory = entry("Root Entry", 5, last, 0, 1) + entry(stream_name, 2, tables + 1, len(stream), none)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, last, 0, last, 0)
    header += struct.pack("<109I", *range(tables), *[none] * (109 - tables))
    return header + struct.pack(f"<{len(table)}I", *table) + directory.ljust(512, b"\0") + stream


def xlsb_record(kind: int, body: bytes = b"") -> bytes:
    """A record of an xlsb."""
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, n = b"", len(body)
    while True:
        size += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return number + size + body


def xlsb(
    cells: dict[tuple[int, int], str], dimensions: tuple[int, int, int, int] = (0, 0, 0, 0), records: bytes = b""
) -> bytes:
    """A binary workbook: texts by row and column from 0. dimensions: first and last row, first and last column.

    records: more cells, of the last row.
    """
    record = xlsb_record

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode("utf-16-le")

    sheet, before = record(129) + record(148, struct.pack("<IIII", *dimensions)) + record(145), -1
    for (row, column), value in sorted(cells.items()):
        if row != before:
            sheet += record(0, struct.pack("<III", row, 0, 0) + bytes(13))
        sheet, before = sheet + record(6, struct.pack("<II", column, 0) + text(value)), row
    sheet += records
    bundle = record(131) + record(143) + record(156, struct.pack("<II", 0, 1) + text("rId1") + text("S1")) + record(144)
    return zipped(
        {
            "_rels/.rels": relationships(("officeDocument", "xl/workbook.bin")),
            "xl/_rels/workbook.bin.rels": relationships(("worksheet", "worksheets/sheet1.bin")),
            "xl/workbook.bin": bundle + record(132),
            "xl/worksheets/sheet1.bin": sheet + record(146) + record(130),
        }
    )
