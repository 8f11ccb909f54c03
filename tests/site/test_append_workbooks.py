"""append.py and workbooks that want all memory there is: each is refused with its bound, in little memory."""

import contextlib
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from sources import workbook_reader
from sources.publication import SourceError
from sources.workbook import column, rows
from tests import workbooks
from tests.conftest import ROOT, THOROUGH
from tests.workbooks import cell, ods, ods_row, row, xls, xlsb, xlsx

PATIENT = "SW1A 1AA"
HEAD = row(1, A="id", B="postcode")
FAR = "so far off"
MEMORY = "needs more than 3 GB of memory"
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of the largest process
print(json.dumps([done.returncode, done.stderr.decode(), done.stdout.decode("utf-8-sig")[:200], peak]))
"""


@pytest.fixture
def measured(extract_db, tmp_path):
    """Runs append.py on a workbook: its status, what it said, how its output begins, and the peak of memory in MiB."""

    def run(content: bytes, *options: str, memory: int | None = None):
        (tmp_path / "in.xlsx").write_bytes(content)
        command = [sys.executable, "-c", MEASURED, sys.executable, str(ROOT / "append.py")]
        command += ["in.xlsx", "-o", "-", "--database", str(extract_db), *options]
        if memory:
            command = ["bash", "-c", f'ulimit -v {memory >> 10} && exec "$@"', "bash", *command]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
        return json.loads(done.stdout)

    return run


def streamed(name: str, before: bytes, repeated: bytes, times: int, after: bytes, claimed: int | None = None) -> bytes:
    """An xlsx of which one part unpacks to what is `repeated` so many times. claimed: the size that the file names."""
    parts = zipfile.ZipFile(io.BytesIO(xlsx(HEAD + row(2, A="1", B=PATIENT))))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other in parts.namelist():
            if other != name:
                archive.writestr(other, parts.read(other))
        with archive.open(name, "w", force_zip64=True) as part:
            part.write(before)
            for _ in range(times):
                part.write(repeated)
            part.write(after)
    content = bytearray(file.getvalue())
    if claimed is not None:
        at = content.rfind(b"PK\x01\x02")
        assert content[at + 46 :].startswith(name.encode())
        struct.pack_into("<I", content, at + 24, claimed)
    return bytes(content)


MB = PATIENT.encode() * 131072
SHEET = "xl/worksheets/sheet1.xml"
SHEET_BEGINS = f'<worksheet {workbooks.SPREADSHEET}><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>'.encode()
SHEET_ENDS = b"</t></is></c></row></sheetData></worksheet>"
STRINGS_BEGIN = f"<sst {workbooks.SPREADSHEET}><si><t>".encode()
STRING = PATIENT + "x" * 32_000
FAR_ROW = row(1048576, XFD=PATIENT)
LYING = '<dimension ref="A1:B2"/><sheetData>'
COUNTED = f'<sst {workbooks.SPREADSHEET} count="1" uniqueCount="4294967295"><si/></sst>'
HOSTILE = {  # what makes it, and what the message names
    "the last cell of a sheet": (lambda: xlsx(HEAD + FAR_ROW), FAR),
    "the last cell alone": (lambda: xlsx(FAR_ROW), FAR),
    "the last cell in other quotes": (lambda: xlsx(HEAD + FAR_ROW.replace('"', "'")), FAR),
    "the last cell in small letters": (lambda: xlsx(HEAD + FAR_ROW.replace("XFD", "xfd")), ""),
    "the last cell with a prefix": (lambda: xlsx(re.sub("<(/?)", r"<\1x:", HEAD + FAR_ROW)), ""),
    "the last cell, other attributes first": (
        lambda: xlsx(HEAD + FAR_ROW.replace('<c r="XFD1048576" t="inlineStr"', '<c  t="inlineStr"\n r="XFD1048576" ')),
        FAR,
    ),
    "a row that says another number": (lambda: xlsx(HEAD + FAR_ROW.replace('<row r="1048576"', '<row r="2"')), FAR),
    "cells without a reference": (
        lambda: xlsx(HEAD + '<row r="1048576">' + cell("A1", PATIENT).replace(' r="A1"', "") * 16_000 + "</row>"),
        MEMORY,
    ),
    "a column beyond the last": (lambda: xlsx(HEAD + row(1048576, ZZZZZ=PATIENT)), ""),
    "a row beyond the last": (lambda: xlsx(HEAD + row(4294967295, XFD=PATIENT)), ""),
    "a dimension that lies": (
        lambda: xlsx(f"<worksheet {workbooks.SPREADSHEET}>{LYING}{HEAD}{FAR_ROW}</sheetData></worksheet>".encode()),
        FAR,
    ),
    "a cell of 1.5 GB": (lambda: streamed(SHEET, SHEET_BEGINS, MB, 1500, SHEET_ENDS), "more than 1 MB in one cell"),
    "a shared text of 1.5 GB": (
        lambda: streamed("xl/sharedStrings.xml", STRINGS_BEGIN, MB, 1500, b"</t></si></sst>"),
        "more than 1 MB in one cell",
    ),
    "a cell of 100 MB": (lambda: streamed(SHEET, SHEET_BEGINS, MB, 100, SHEET_ENDS), "more than 1 MB in one cell"),
    "a size that lies": (
        lambda: streamed(SHEET, SHEET_BEGINS, MB, 200, SHEET_ENDS, claimed=1000),
        "more than 1 MB in one cell",
    ),
    "a size that lies, in short texts": (
        lambda: streamed(SHEET, b"<worksheet><sheetData>", b"<row/>" * 200_000, 1900, SHEET_ENDS, claimed=1000),
        "unpacks to more than 2 GB",
    ),
    "a sheet of 4 GB": (
        lambda: streamed(SHEET, b"<worksheet><sheetData>", b"<row/>" * 200_000, 3600, SHEET_ENDS),
        "unpacks to more than 2 GB",
    ),
    "a count of texts that lies": (
        lambda: xlsx(HEAD, **{"xl/sharedStrings.xml": COUNTED.encode()}),
        MEMORY,
    ),
    "five thousand sheets": (lambda: xlsx(*[HEAD] * 5000), "more than 1,000 sheets"),
    "twelve thousand parts": (
        lambda: xlsx(HEAD, **{f"docProps/{n}.xml": b"<x/>" for n in range(12_000)}),
        "more than 10,000 parts",
    ),
    "entities": (
        lambda: xlsx(HEAD, **{"xl/workbook.xml": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><workbook>&a;</workbook>'}),
        "is not a readable workbook",
    ),
    "an ods that repeats a cell": (
        lambda: ods(ods_row("postcode") + ods_row(PATIENT, rows=1048575, repeated=16384)),
        FAR,
    ),
    "an ods with many such sheets": (
        lambda: ods(*[ods_row("postcode") + ods_row(PATIENT, rows=1_000_000, repeated=20)] * 5),
        FAR,
    ),
    "an ods that repeats a long text": (
        lambda: ods(ods_row("postcode") + ods_row(STRING, rows=1_000_000, repeated=40)),
        MEMORY,
    ),
    "an ods with a text of 20 MB": (
        lambda: ods(ods_row("postcode", PATIENT * 2_500_000)),
        "more than 1 MB in one cell",
    ),
    "an ods with many sheets": (lambda: ods(*[ods_row("postcode")] * 1500), "more than 1,000 sheets"),
    "an xlsb with the last cell of a sheet": (lambda: xlsb({(0, 0): "postcode", (1048575, 16383): PATIENT}), FAR),
    "an xls that says that it has many cells": (
        lambda: xls({(0, 0): "postcode", (1, 0): PATIENT}, dimensions=(0, 4_000_000_000, 0, 256)),
        FAR,
    ),
    "an xls with a column far off": (lambda: xls({(0, 0): "postcode", (65535, 65535): PATIENT}), FAR),
    "an xls whose sectors go in a circle": (
        lambda: xls({(0, 0): PATIENT}).replace(struct.pack("<I", 0xFFFFFFFE), struct.pack("<I", 2)),
        "",
    ),
}


@pytest.mark.parametrize("make, names", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_workbook_is_refused_in_little_memory(measured, make, names):
    status, said, written, peak = measured(make())
    assert status == 1
    assert "in.xlsx " in said
    assert names in said
    assert "CSV" in said, "what to do"
    assert PATIENT not in said
    assert "Traceback" not in said
    assert written == ""
    assert peak < (3200 if names == MEMORY else 300)


def test_a_long_text_in_every_cell_is_refused_by_the_limit_of_memory(measured):
    cells = "".join(f'<c r="{name}@" t="s"><v>0</v></c>' for name in "ABCDEFGHIJ")
    every = "".join(f'<row r="{n}">{cells.replace("@", str(n))}</row>' for n in range(2, 20_000))
    content = xlsx(HEAD + every, strings=f"<si><t>{STRING}</t></si>")
    assert len(content) < 1_000_000
    status, said, _, peak = measured(content)
    assert (status, MEMORY in said, "CSV" in said, PATIENT in said) == (1, True, True, False)
    assert peak < 3200
    status, said, _, peak = measured(content, memory=1 << 30)
    assert (status, "needs more than 1 GB of memory" in said) == (1, True)
    assert peak < 1024


@pytest.mark.parametrize(
    "content",
    [
        xlsx(HEAD + row(2, A="1", B=PATIENT) + '<row r="1048576"><c r="XFD1048576" s="1"/></row>'),
        xlsx(HEAD + row(2, A="1", B=PATIENT), FAR_ROW),
        ods(
            ods_row("id", "postcode")
            + ods_row("1", PATIENT)
            + '<table:table-row table:number-rows-repeated="1048574"><table:table-cell'
            ' table:number-columns-repeated="16384"/></table:table-row>'
        ),
        xls({(0, 0): "id", (0, 1): "postcode", (1, 0): "1", (1, 1): PATIENT}, dimensions=(0, 2, 0, 2)),
        xlsb({(0, 0): "id", (0, 1): "postcode", (1, 0): "1", (1, 1): PATIENT}, dimensions=(0, 1, 0, 1)),
        xlsx(HEAD + row(2, A="1", B=PATIENT), **{"customXml/item1.xml": b"<x>" + b"A" * 3_000_000 + b"</x>"}),
        xlsx(HEAD + row(2, A="1", B=PATIENT)).replace(b"xl/worksheets/sheet1.xml", b"xl/worksheets/Sheet1.XML"),
    ],
    ids=[
        "an empty last cell",
        "a far cell in another sheet",
        "ods",
        "xls",
        "xlsb",
        "long custom XML",
        "capital letters",
    ],
)
def test_an_honest_workbook_of_any_format_is_read(measured, content):
    status, said, written, peak = measured(content)
    assert status == 0, said
    assert written.splitlines()[1].startswith(f"1,{PATIENT},found,England,")
    assert peak < 120


def test_a_large_honest_workbook_is_read_whole(measured):
    most = 300_000 if THOROUGH else 30_000
    names = ["A", "B", *(chr(65 + n // 26 - 1) * (n >= 26) + chr(65 + n % 26) for n in range(2, 30))]
    texts, numbers = names[2:16], names[16:]

    def one(n: int) -> str:
        filled = "".join(f'<c r="{name}{n}" t="s"><v>{n % 1000}</v></c>' for name in texts)
        filled += "".join(f'<c r="{name}{n}"><v>{n + 0.5}</v></c>' for name in numbers)
        return f'<row r="{n}">{cell(f"A{n}", n)}{cell(f"B{n}", PATIENT)}{filled}</row>'

    notes = "".join(f"<si><t>note {n}</t></si>" for n in range(1000))
    head = row(1, A="id", B="postcode", **{name: f"c {name}" for name in names[2:]})
    content = xlsx(head + "".join(map(one, range(2, most + 2))), strings=notes)
    status, said, _, peak = measured(content, "--columns", "decile")
    assert status == 0, said
    assert f"{most:,} rows to standard output" in said
    assert peak < 1500


def test_a_workbook_from_a_pipe_is_bounded_too(extract_db):
    command = [sys.executable, str(ROOT / "append.py"), "-", "-o", "-", "--database", str(extract_db)]
    done = subprocess.run(command, input=xlsx(HEAD + FAR_ROW), capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"standard input has a sheet whose last cell is so far off" in done.stderr


def test_a_file_that_is_too_large_is_refused_unread(measured, monkeypatch, tmp_path):
    content = tmp_path / "in.xlsx"
    with content.open("wb") as file:
        file.write(xlsx(HEAD))
        file.truncate(600 << 20)
    monkeypatch.setattr(Path, "write_bytes", lambda *_: None)
    status, said, _, peak = measured(b"")
    assert (status, "in.xlsx is a workbook of more than 512 MB" in said) == (1, True)
    assert peak < 1400


def test_no_message_quotes_what_a_library_quotes(measured):
    wrong = '<row r="2"><c r="B2" t="e"><v>SW1A 1AA</v></c></row>'  # no error that Excel knows
    _, said, _, _ = measured(xlsx(HEAD + wrong))
    assert PATIENT not in said
    wrong = '<row r="2"><c r="B2" t="s"><v>SW1A 1AA</v></c></row>'  # no number of a shared text
    status, said, _, _ = measured(xlsx(HEAD + wrong))
    assert (status, PATIENT in said) == (1, False)
    assert "is not a readable workbook" in said


def test_the_names_of_sheets_and_columns_in_a_message_are_few(measured):
    status, said, _, _ = measured(xlsx(*[HEAD] * 400), "--sheet", "gone")
    assert status == 1
    assert "'gone'" in said
    assert "S20 and 380 more" in said
    columns = {f"A{chr(65 + n // 26)}{chr(65 + n % 26)}": f"name {'long' * 30}" for n in range(400)}
    status, said, _, _ = measured(xlsx(row(1, **columns)))
    assert status == 1
    assert len(said) < 1500


def test_the_process_that_reads_ends_with_append_py(extract_db, tmp_path):
    (tmp_path / "in.xlsx").write_bytes(xlsx(HEAD + "".join(row(n, A="1", B=PATIENT) for n in range(2, 60_000))))
    command = [sys.executable, str(ROOT / "append.py"), "in.xlsx", "-o", "-", "--database", str(extract_db)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.read(1000)  # it reads and writes, and then waits for whoever reads
    readers = descendants(process.pid)
    assert len(readers) == 2
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() and not zombie(pid) for pid in readers):
        assert time.monotonic() < end, "it holds the table as long as it runs"
        time.sleep(0.05)
    process.stdout.close()


def zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
    return True


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    return [each for child in map(int, children) for each in (child, *descendants(child))]


def test_an_interrupt_of_both_processes_leaves_nothing(extract_db, tmp_path):
    (tmp_path / "in.xlsx").write_bytes(xlsx(HEAD + "".join(row(n, A="1", B=PATIENT) for n in range(2, 60_000))))
    command = [sys.executable, str(ROOT / "append.py"), "in.xlsx", "-o", "out.csv", "--database", str(extract_db)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    while b"a workbook" not in (said := process.stderr.readline()):
        assert said
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said.splitlines() == [b"append.py: interrupted", b"append.py: nothing was written"]
    assert [path.name for path in tmp_path.iterdir()] == ["in.xlsx"]


COLUMNS = {"code": column(str, "id"), "rank": column(str, "postcode")}


@pytest.mark.parametrize("name", ["the last cell of a sheet", "a cell of 100 MB", "a size that lies"])
def test_a_publication_has_the_same_bounds(name):
    make, names = HOSTILE[name]
    with pytest.raises(SourceError) as caught:
        list(rows(Path("ranks.xlsx"), make(), COLUMNS))
    assert str(caught.value).startswith("ranks.xlsx ")
    assert names in str(caught.value)


def test_a_publication_s_other_formats_have_the_same_bounds():
    for name, content in (
        ("a.ods", ods(ods_row(PATIENT, rows=1048575, repeated=16384))),
        ("a.xls", xls({(0, 0): "id", (65535, 65535): PATIENT})),
    ):
        with pytest.raises(SourceError, match=FAR):
            list(rows(Path(name), content, COLUMNS))


def test_where_memory_cannot_be_limited_references_are_looked_at_first(monkeypatch):
    monkeypatch.setattr(workbook_reader.sys, "platform", "darwin")
    chosen = workbook_reader.chooser(None, False)
    for content in (xlsx(HEAD + FAR_ROW), xlsb({(0, 0): "x", (1048575, 16383): "y"})):
        with pytest.raises(workbook_reader.WorkbookError, match=FAR):
            workbook_reader.measure(content, chosen, True, True)
        workbook_reader.measure(content, chosen, True, False)


def test_an_empty_sheet_is_named_with_the_others(measured):
    status, said, _, _ = measured(xlsx("", HEAD))
    assert status == 1
    assert "in.xlsx is empty. This is its sheet 'S1'; --sheet names another: S2." in said
    status, said, written, _ = measured(xlsx("", HEAD + row(2, A="1", B=PATIENT)), "--sheet", "S2")
    assert status == 0, said
    assert written.splitlines()[1].startswith(f"1,{PATIENT},found")
    status, said, _, _ = measured(xlsx(""))
    assert (status, "in.xlsx is empty." in said) == (1, True)


def test_errors_and_long_numbers_are_written_as_they_are(measured):
    cells = f'<c r="A2"><v>1234567890123450</v></c>{cell("B2", PATIENT)}'
    third = f'<row r="3"><c r="A3" t="e"><v>#N/A</v></c>{cell("B3", PATIENT)}</row>'
    status, said, written, _ = measured(xlsx(f'{HEAD}<row r="2">{cells}</row>{third}'), "--columns", "status")
    assert status == 0, said
    assert written.splitlines()[1:] == [f"1234567890123450,{PATIENT},found", f"#N/A,{PATIENT},found"]


@pytest.mark.parametrize("value", ["", "<v></v>"])
def test_a_row_of_formulas_that_were_never_calculated_is_refused(measured, value):
    formula = f'<c r="{{}}2"><f>"{PATIENT}"</f>{value}</c>'
    content = xlsx(f'{HEAD}<row r="2">{formula.format("A")}{formula.format("B")}</row>')
    status, said, written, _ = measured(content)
    assert (status, written) == (1, "")
    assert "in.xlsx has a formula without a result in row 2 of sheet 'S1'. Open it in a spreadsheet" in said
    assert PATIENT not in said
