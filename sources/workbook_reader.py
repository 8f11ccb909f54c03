"""Read workbooks (xlsx, xlsb, ods, xls) in a process of their own, within bounds of size and memory.

A few hundred bytes of a workbook can ask for terabytes: a cell at XFD1048576, a text that unpacks to gigabytes, a
reference to one long text from every cell. python-calamine has no bounds, and where memory ends it aborts the process.
So a second process reads the workbook. It measures first what the file unpacks to and how far its cells reach, and it
has a limit of memory of its own. This file is the program of that process, too; it imports nothing of ours.

python-calamine gives empty text for an error such as #N/A and for a formula that was never calculated. So the measuring
also finds these in the file: the errors are put back, and a sheet with such a formula is refused.
"""

import contextlib
import io
import itertools
import json
import math
import os
import posixpath
import re
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import IO, Any, BinaryIO
from xml.parsers import expat

MOST_PACKED = 512 << 20  # bytes of the file
MOST_UNPACKED = 2 << 30  # bytes of all its parts together
MOST_PARTS = 10_000  # files within the file
MOST_SHEETS = 1000
MOST_CELLS = 50_000_000  # rows times columns, from A1 to the last cell with a value
MOST_IN_A_CELL = 1 << 20  # bytes
MOST_IN_A_ROW = 16 << 20  # characters
MOST_ERRORS = 1_000_000  # cells of a sheet with an error such as #N/A
MOST_IN_A_NAME = 60  # characters of a sheet's name in a message
MOST_MEMORY = 3 << 30  # bytes, where the system can limit it

ADVICE = "Save the sheet with the table as CSV, which has no such limit, and use that file."
UNREADABLE = "is not a readable workbook. Save it again as .xlsx, or as CSV."
NO_WORKBOOK = (
    "is a ZIP archive or a document with no workbook in it. Unpack it first, and use the table that was in it, or save"
    " the table as CSV."
)
NO_LIBRARY = (
    "is a workbook, which needs the package python-calamine: make .venv/build installs it. Or save the table as CSV."
)
PROTECTED = "is protected by a password. Save it without one, or as CSV."
SAVE_AGAIN = "Open it in a spreadsheet program and save it again, or save it as CSV."
NOT_CALCULATED = "a formula without a result"
UNKNOWN_ERROR = "an error of a formula that cannot be read"
UNREAD_CELL = "a cell that cannot be read"

Cell = str | int | float | bool | None


class WorkbookError(Exception):
    """Why a workbook cannot be read: what follows the file's name in a sentence. It quotes no cell."""


class SheetMissingError(WorkbookError):
    """There is no such sheet. sheets: those that there are."""

    def __init__(self, sheets: list[str]) -> None:
        super().__init__("has no such sheet")
        self.sheets = sheets


@dataclass
class Sheet:
    """A sheet of a workbook. Its rows must be read before those of the next. names: those of all its sheets."""

    name: str
    names: list[str]
    rows: Iterator[list[Cell]]


def most_memory() -> int:
    """Return the limit of memory of the process that reads: that of this one, where it has a lower one."""
    if sys.platform == "win32":
        return MOST_MEMORY
    import resource

    limits = [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    return min([MOST_MEMORY, *limits])


def _too_much_memory() -> str:
    limit = f"{most_memory() / (1 << 30):.1f}".removesuffix(".0")
    return f"needs more than {limit} GB of memory to be read as a workbook, or is damaged. {ADVICE}"


def _label(name: str) -> str:
    return " ".join(name.replace("\ufeff", " ").split()).casefold()


def chooser(name: str | None, loose: bool) -> Callable[[str], bool]:
    """Return a function that tells whether a sheet is requested. loose: in any case and with any white space."""
    if name is None:
        return lambda _: True
    return lambda other: _label(other) == _label(name) if loose else other == name


# The process that requests


@contextlib.contextmanager
def sheets(
    source: bytes | BinaryIO, name: str | None = None, every: bool = False, loose: bool = False, as_text: bool = False
) -> Iterator[Iterator[Sheet]]:
    """Yield the sheets of the workbook `source` that are requested: by default the first that is not hidden.

    Sheets of charts and macros are left out: they have no cells.

    name: the sheet's. every: all that have this name, or all. loose: in any case and with any white space.
    as_text: whole numbers without a point, days without a time; otherwise numbers and truth values stay what they are.
    Raises WorkbookError, also while rows are read.
    """
    if find_spec("python_calamine") is None:  # as in a server's environment
        raise WorkbookError(NO_LIBRARY)
    request = json.dumps({"name": name, "every": every, "loose": loose, "as_text": as_text})
    command = [sys.executable, "-I", os.path.abspath(__file__), request]
    file, data = _regular_file(source), b""
    if file is None:
        data = source if isinstance(source, bytes) else source.read(MOST_PACKED + 1)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE if file is None else file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # messages of a library may quote a cell
    ) as process:
        try:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(data)
            del data
            if process.stdout is None:
                raise AssertionError("there is no pipe from the process")
            yield _sheets(process.stdout)
        finally:
            process.kill()


def _regular_file(source: bytes | BinaryIO) -> int | None:
    """Return the descriptor of `source`, at its beginning, where it is a file on disk."""
    if isinstance(source, bytes):
        return None
    try:
        handle = source.fileno()
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        os.lseek(handle, 0, os.SEEK_SET)
    except (OSError, AttributeError):
        return None
    return handle


def _sheets(pipe: IO[bytes]) -> Iterator[Sheet]:
    names = _message(pipe)["sheets"]
    message = _message(pipe)
    while "sheet" in message:
        ended: list[dict[str, Any]] = []

        def rows(ended: list[dict[str, Any]] = ended) -> Iterator[list[Cell]]:
            while "rows" in (message := _message(pipe)):
                yield from message["rows"]
            ended.append(message)

        sheet = Sheet(message["sheet"], names, rows())
        yield sheet
        for _ in sheet.rows:
            pass
        message = ended[0]
    if "missing" in message:
        raise SheetMissingError(names)


def _message(pipe: IO[bytes]) -> dict[str, Any]:
    head = pipe.read(8)
    body = pipe.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
    if not body or len(body) != int.from_bytes(head, "big"):
        raise WorkbookError(_too_much_memory())  # it was ended: by its library, or by the system
    try:
        message: dict[str, Any] = json.loads(body)
    except ValueError:
        raise WorkbookError(_too_much_memory()) from None  # it was ended while it wrote
    if "error" in message:
        raise WorkbookError(message["error"])
    return message


# The process that reads


def main() -> None:
    """Write the sheets that the argument asks for, of the workbook on standard input, to standard output."""
    request = json.loads(sys.argv[1])
    output = sys.stdout.buffer

    def send(**message: object) -> None:
        body = json.dumps(message).encode()
        output.write(len(body).to_bytes(8, "big") + body)
        output.flush()

    def answer(reading: bool, references: bool) -> None:
        try:
            chosen, first = chooser(request["name"], request["loose"]), request["name"] is None and not request["every"]
            findings = measure(data, chosen, first, references)
            if reading:
                _read(data, request, findings, send)
            else:
                send(error=_too_much_memory())
        except WorkbookError as error:
            send(error=str(error))
        except MemoryError:
            send(error=_too_much_memory())
        except BrokenPipeError:
            os._exit(1)
        except BaseException as error:  # also the panics of the library, which are no Exception
            send(error=PROTECTED if type(error).__name__ == "PasswordError" else UNREADABLE)

    _limit_this_process()
    data = sys.stdin.buffer.read(MOST_PACKED + 1)
    if len(data) > MOST_PACKED:
        send(error=f"is a workbook of more than {MOST_PACKED >> 20} MB. {ADVICE}")
    elif sys.platform != "linux":
        answer(reading=True, references=True)
    elif child := os.fork():
        _, status = os.waitpid(child, 0)
        if status:  # Memory ended, which only another look at the file can explain.
            answer(reading=False, references=True)
    else:  # To look at every cell's reference takes as long as to read the workbook. The limit of memory is enough.
        _end_with_parent()
        answer(reading=True, references=False)
        os._exit(0)


def _limit_this_process() -> None:
    """Limit the memory, and end with the process that started it, where the system can."""
    if sys.platform == "win32":
        return
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the other one ends this one
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):  # macOS takes it and keeps to it only in part
        resource.setrlimit(resource.RLIMIT_AS, (most_memory(), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the table
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process when its parent has ended, on Linux: it holds the table."""
    if sys.platform == "linux":
        import ctypes
        import signal

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _read(data: bytes, request: dict[str, Any], findings: "list[_Findings | None]", send: Callable[..., None]) -> None:
    import python_calamine

    chosen = chooser(request["name"], request["loose"])
    book = python_calamine.load_workbook(io.BytesIO(data))
    if len(book.sheet_names) > MOST_SHEETS:
        raise WorkbookError(_too_many_sheets())
    if len(set(book.sheet_names)) < len(book.sheet_names):
        raise WorkbookError(UNREADABLE)  # which of two of the same name is read?
    worksheets = [
        (index, sheet)
        for index, sheet in enumerate(book.sheets_metadata)
        if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]
    if not worksheets:
        raise WorkbookError(f"has no sheet of cells. {ADVICE}")
    send(sheets=[sheet.name for _, sheet in worksheets])
    chosen_sheets = [(index, sheet) for index, sheet in worksheets if chosen(sheet.name)]
    if request["name"] is None and not request["every"]:
        shown = python_calamine.SheetVisibleEnum.Visible
        chosen_sheets = [(index, sheet) for index, sheet in chosen_sheets if sheet.visible == shown] or chosen_sheets
    for index, sheet in chosen_sheets if request["every"] else chosen_sheets[:1]:
        own_findings = _findings_of(findings, index, len(book.sheet_names))
        if own_findings.refused:
            label = sheet.name[:MOST_IN_A_NAME] + "…" * (len(sheet.name) > MOST_IN_A_NAME)
            raise WorkbookError(f"has {own_findings.refused} of sheet '{label}'. {SAVE_AGAIN}")
        _send_sheet(book.get_sheet_by_name(sheet.name), sheet.name, own_findings, request["as_text"], send)
    send(**({"end": True} if chosen_sheets else {"missing": True}))


def _findings_of(findings: "list[_Findings | None]", index: int, sheets: int) -> "_Findings":
    """Return what was found in a sheet. Raises WorkbookError where it cannot be said which sheet that is."""
    if len(findings) == sheets and (own := findings[index]) is not None:
        return own
    if any(own is None or own.texts or own.refused for own in findings):
        raise WorkbookError(UNREADABLE)
    return _Findings()


def _send_sheet(sheet: Any, name: str, findings: "_Findings", as_text: bool, send: Callable[..., None]) -> None:
    last_row, last_column = sheet.end or (0, 0)
    width = last_column + 1
    _check_cells((last_row + 1) * width)
    send(sheet=name)
    convert = _as_text if as_text else _as_value
    at_once = max(1, 30_000 // max(width, 1))
    block = []
    # iter_rows leaves empty columns at the left out, not rows at the top.
    left_out = sheet.start[1] if sheet.start else 0
    empty = [] if as_text else [""] * left_out
    for number, row in enumerate(sheet.iter_rows()):
        texts = findings.texts.pop(number, None)
        given = _put_back(row, texts, left_out) if texts else row
        cells = empty + [cell if type(cell) is str else convert(cell) for cell in given]
        if len("".join([cell for cell in cells if type(cell) is str])) > MOST_IN_A_ROW:
            raise WorkbookError(f"has a row of more than {MOST_IN_A_ROW >> 20} MB. {ADVICE}")
        block.append(cells)
        if len(block) == at_once:
            send(rows=block)
            block = []
    if block:
        send(rows=block)
    if findings.texts:
        raise WorkbookError(UNREADABLE)  # the library ends the sheet before


def _put_back(row: list[Any], texts: dict[int, str], left_out: int) -> list[Any]:
    """Return the row with the texts at their columns. Raises WorkbookError where something else stands there."""
    row = list(row)
    for column, text in texts.items():
        place = column - left_out
        if not (0 <= place < len(row) and (row[place] in ("", 0) or _same_letters(row[place], text))):
            raise WorkbookError(UNREADABLE)
        row[place] = text
    return row


def _same_letters(cell: object, text: str) -> bool:
    return isinstance(cell, str) and "".join(cell.split()) == "".join(text.split())


def _as_text(value: object) -> str:
    """Return a workbook's value as text: whole numbers without a point, days without a time, hours above 24 as such."""
    if type(value) is float:
        if not (value.is_integer() and abs(value) < 1e21):
            return repr(value)  # as str gives it
        # Above 2 ** 53 the digits of repr, then zeros: int() would give digits that nobody wrote.
        return str(int(value)) if abs(value) < 1e15 else format(Decimal(repr(value)).to_integral_value(), "f")
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _duration(value: timedelta) -> str:
    """Return hours, minutes and seconds as a spreadsheet shows them: 26:03:04, not "1 day, 2:03:04"."""
    minutes, seconds = divmod(abs(value), timedelta(minutes=1))
    sign = "-" if value < timedelta() else ""
    fraction = f".{seconds.microseconds:06}" if seconds.microseconds else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{seconds.seconds:02}{fraction}"


def _as_value(value: object) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float) else str(value)


# What a workbook will need, from its file alone


@dataclass
class _Findings:
    """What the library does not give of a sheet. Rows and columns count from 0.

    texts: by row and column, what stands in a cell that the library gives as empty, or changes.
    refused: what cannot be read, and in which row; empty for nothing.
    """

    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    refused: str = ""
    kept: int = 0

    def keep(self, row: int, column: int, text: str) -> None:
        """Put the text of a cell down. Raises WorkbookError where there are too many."""
        self.kept += 1
        if self.kept > MOST_ERRORS:
            raise WorkbookError(f"has a sheet with errors such as #N/A in more than {MOST_ERRORS:,} cells. {ADVICE}")
        self.texts.setdefault(row, {})[column] = text

    def keep_code(self, row: int, column: int, code: int) -> None:
        """Put an error down by its number in an xls or xlsb."""
        if code in _ERRORS:
            self.keep(row, column, _ERRORS[code])
        else:
            self.refuse(row, UNKNOWN_ERROR)

    def refuse(self, row: int, what: str) -> None:
        """Put down that the sheet has something in this row that cannot be read, if it is the first."""
        self.refused = self.refused or f"{what} in row {row + 1}"


def measure(data: bytes, chosen: Callable[[str], bool], first: bool, references: bool) -> "list[_Findings | None]":
    """Return what the library will not give of each sheet. Raises WorkbookError for a workbook above the bounds.

    chosen, first: which of its sheets are to be read; None is returned for one that was not looked at.
    references: look at every cell's, not only at sizes.
    """
    try:
        if data.startswith(b"PK"):
            return _Package(data).measure(chosen, first, references)
        return _measure_xls(data)
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, struct.error, IndexError, ValueError, EOFError):
        raise WorkbookError(UNREADABLE) from None


def _check_cells(cells: int) -> None:
    if cells > MOST_CELLS:
        raise WorkbookError(
            f"has a sheet whose last cell is so far off that it is a table of {cells:,} cells; at most "
            f"{MOST_CELLS:,} can be read. Delete what stands far right of or below the table, or save it as CSV."
        )


def _too_many_sheets() -> str:
    return f"has more than {MOST_SHEETS:,} sheets. {ADVICE}"


def _too_long_text() -> str:
    return f"has a text of more than {MOST_IN_A_CELL >> 20} MB in one cell. {ADVICE}"


_WITHOUT_CELLS = ("/chartsheet", "/dialogsheet", "macrosheet")  # types of relationships


@dataclass
class _Listed:
    """A sheet as the list of a workbook names it."""

    name: str
    relationship: str
    shown: bool


class _Package:
    """A workbook that is a ZIP file: xlsx, xlsb and ods."""

    def __init__(self, data: bytes) -> None:
        self.data, self.left = data, MOST_UNPACKED
        self.calculates_when_opened = False  # as libraries ask for that write formulas, but no results
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
        self.parts = {part.filename.replace("\\", "/").casefold(): part for part in parts}
        if len(parts) > MOST_PARTS:
            raise WorkbookError(f"has more than {MOST_PARTS:,} parts. {ADVICE}")
        if len(self.parts) < len(parts):
            raise WorkbookError(UNREADABLE)  # which of two of the same name is read?
        if sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise self._too_large()

    @staticmethod
    def _too_large() -> WorkbookError:
        return WorkbookError(f"unpacks to more than {MOST_UNPACKED >> 30} GB, the most that can be read. {ADVICE}")

    def measure(self, chosen: Callable[[str], bool], first: bool, references: bool) -> "list[_Findings | None]":
        """Unpack what will be read, without keeping it: how far its cells reach, and what the library will not give."""
        if not any(part == "content.xml" or part.startswith("xl/") for part in self.parts):
            raise WorkbookError(NO_WORKBOOK)
        self._refuse_encrypted()
        sheets = self._worksheets(chosen, first)
        read = {part for part in sheets if part is not None}
        by_part: dict[str, _Findings] = {}
        findings: list[_Findings | None] = []
        for name in self.parts:
            in_sheets = name.startswith("xl/worksheets/")
            if in_sheets and sheets and name not in read:
                continue
            if name == "content.xml":
                document = _OpenDocument()
                _check_cells(document.measure(self._unpacked(name)))
                findings = [*document.findings]
            elif name in read or (in_sheets and name.endswith((".xml", ".bin"))):
                by_part[name] = self._measure_worksheet(name, references)
            elif name.endswith(".xml") and references:
                _check_cells(_xml_extent(_texts_checked(self._unpacked(name))))
            else:
                # What Power Query keeps in customXml/ may be long, and is not read.
                is_read = name.endswith((".xml", ".rels")) and not name.startswith("customxml/")
                chunks = self._unpacked(name)
                for _ in _texts_checked(chunks) if is_read else chunks:
                    pass
        if sheets:
            return [by_part.get(part) if part else None for part in sheets]
        return findings or [*by_part.values()]

    def _measure_worksheet(self, name: str, references: bool) -> _Findings:
        """Unpack a sheet, and look at each of its cells only if its bytes have the marks of what is looked for."""
        left = self.left
        if name.endswith(".bin"):
            marks = _Marks(_BINARY_ERROR.search, lambda text: max(len(text) - 32, 0))
            chunks = marks.watch(self._unpacked(name))
            if references:
                _check_cells(_binary_extent(_Stream(chunks)))
        else:
            zeros = self.calculates_when_opened
            marks = _Marks(_has_marks_with_zeros if zeros else _has_marks, _third_tag_from_the_end)
            chunks = marks.watch(_texts_checked(self._unpacked(name)))
            if references:
                _check_cells(_xml_extent(chunks))
        for _ in chunks:
            pass
        if not marks.seen:
            return _Findings()
        self.left = left  # the same bytes again
        if name.endswith(".bin"):
            return _binary_findings(_Stream(self._unpacked(name)))
        return _WorksheetFindings(zeros).read(self._unpacked(name))

    def _refuse_encrypted(self) -> None:
        """Raise WorkbookError for an ods with a password: its manifest says how its parts are encrypted."""

        def start(tag: str, _: dict[str, str]) -> None:
            if tag.rpartition(":")[2] == "encryption-data":
                raise WorkbookError(PROTECTED)

        if "meta-inf/manifest.xml" in self.parts:
            _parse(self._unpacked("meta-inf/manifest.xml"), start)

    def _worksheets(self, chosen: Callable[[str], bool], first: bool) -> list[str | None]:
        """Return for each sheet the part that will be read of it, None for one that will not; empty for any."""
        for book, list_sheets in (("xl/workbook.xml", self._sheets), ("xl/workbook.bin", self._binary_sheets)):
            if book in self.parts:
                listed = list_sheets(book)
                break
        else:
            return []
        targets = self._targets(f"xl/_rels/{posixpath.basename(book)}.rels")
        selected = [sheet for sheet in listed if chosen(sheet.name)]
        if not all(sheet.relationship in targets for sheet in selected):
            return []
        selected = [sheet for sheet in selected if not targets[sheet.relationship][1].endswith(_WITHOUT_CELLS)]
        if first:
            selected = ([sheet for sheet in selected if sheet.shown] or selected)[:1]
        ids = {sheet.relationship for sheet in selected}
        return [targets[sheet.relationship][0] if sheet.relationship in ids else None for sheet in listed]

    def _sheets(self, part: str) -> "list[_Listed]":
        """Return the sheets that an xlsx lists, and learn whether it says that its formulas are still to calculate."""
        listed: list[_Listed] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            name = tag.rpartition(":")[2]
            if name == "sheet":
                ids = [value for key, value in attributes.items() if key.endswith(":id")]
                shown = attributes.get("state", "visible") == "visible"
                listed.append(_Listed(attributes.get("name", ""), "".join(ids[:1]), shown))
                if len(listed) > MOST_SHEETS:
                    raise WorkbookError(_too_many_sheets())
            elif name == "calcPr":
                self.calculates_when_opened = attributes.get("fullCalcOnLoad") in ("1", "true")

        _parse(self._unpacked(part), start)
        return listed

    def _binary_sheets(self, part: str) -> "list[_Listed]":
        """Return the sheets that an xlsb lists."""
        listed, stream = [], _Stream(self._unpacked(part))
        while (record := _binary_record(stream)) is not None:
            kind, size = record
            body = stream.take(size)
            if kind == 156:  # BrtBundleSh
                texts, at = [], 8
                for _ in range(2):
                    n = int.from_bytes(body[at : at + 4], "little")
                    texts.append(body[at + 4 : at + 4 + 2 * n].decode("utf-16-le", "replace"))
                    at += 4 + 2 * n
                listed.append(_Listed(texts[1], texts[0], not int.from_bytes(body[:4], "little")))
                if len(listed) > MOST_SHEETS:
                    raise WorkbookError(_too_many_sheets())
        return listed

    def _targets(self, part: str) -> dict[str, tuple[str, str]]:
        """Return part and type of each relationship."""
        targets: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag.rpartition(":")[2] == "Relationship":
                path = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
                kind = attributes.get("Type", "").casefold()
                targets[attributes.get("Id", "")] = path.lstrip("/").casefold(), kind

        if part in self.parts:
            _parse(self._unpacked(part), start)
        return targets

    def _unpacked(self, name: str) -> Iterator[bytes]:
        """Yield a part as it unpacks, whatever the file says of its size."""
        part = self.parts[name]
        head = part.header_offset
        names = struct.unpack_from("<HH", self.data, head + 26)
        begin = head + 30 + sum(names)
        packed = memoryview(self.data)[begin : begin + part.compress_size]
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise WorkbookError(UNREADABLE)
        chunks: Iterator[bytes] = _inflated(packed)
        if part.compress_type == zipfile.ZIP_STORED:
            chunks = (bytes(packed[at : at + (1 << 20)]) for at in range(0, len(packed), 1 << 20))
        for chunk in chunks:
            self.left -= len(chunk)
            if self.left < 0:
                raise self._too_large()
            yield chunk


def _inflated(packed: memoryview) -> Iterator[bytes]:
    decompressor, at = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not decompressor.eof:
        block = decompressor.unconsumed_tail
        if not block:
            block, at = bytes(packed[at : at + (1 << 16)]), at + (1 << 16)
            if not block:
                return
        yield decompressor.decompress(block, 1 << 20)


def _parse(
    chunks: Iterator[bytes],
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
    literal: Callable[..., None] | None = None,
) -> None:
    """Call `start` and `end` with each element of an XML text, and `text` with what stands in them.

    literal: called where CDATA begins, and with a comment. Raises WorkbookError for a text that declares entities.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartCdataSectionHandler, parser.CommentHandler = literal, literal
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for chunk in chunks:
        parser.Parse(chunk, False)
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise WorkbookError(UNREADABLE)


_FILLED = re.compile(
    rb"""<(?:[\w.-]+:)?c\s+(?:[^<>]*?\s)??r\s*=\s*["']([A-Za-z]+)([0-9]+)["'][^<>]*>\s*<(?:[\w.-]+:)?[vif]"""
)


def _texts_checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of an XML text. Raises WorkbookError where a text in it is too long."""
    rest = 0
    for chunk in chunks:
        end = chunk.rfind(b"<")
        rest = rest + len(chunk) if end < 0 else len(chunk) - end
        if rest > MOST_IN_A_CELL:
            raise WorkbookError(_too_long_text())
        yield chunk


def _xml_extent(chunks: Iterator[bytes]) -> int:
    """Return rows times columns of a worksheet of an xlsx, from A1 to its last cell with a value."""
    buffer, columns, rows = b"", {b"A"}, 0
    for chunk in itertools.chain(chunks, [b""]):
        buffer += chunk
        end = len(buffer)
        for _ in range(4 if chunk else 0):  # a cell and what is in it stay together
            end = buffer.rfind(b"<", 0, max(end, 0))
        if end > 0:
            cells = _FILLED.findall(buffer, 0, end)
            columns.update({column for column, _ in cells})
            rows = max(rows, max(map(int, {row for _, row in cells}), default=0))
            buffer = buffer[end:]
    longest = max(map(len, columns))
    last = max(column.upper() for column in columns if len(column) == longest)[:8]
    number = 0
    for letter in last:
        number = number * 26 + letter - 64
    return rows * number


class _Marks:
    """Whether bytes that stream by have a mark: that is far quicker than to look at each cell, which then must follow.

    search: returns where a mark is, or something false. settled: returns up to where no more bytes can matter; the
    rest is looked at again with the next bytes.
    """

    def __init__(self, search: Callable[[bytes], object], settled: Callable[[bytes], int]) -> None:
        self.search, self.settled, self.seen = search, settled, False

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks as they are."""
        rest = b""
        for chunk in chunks:
            if not self.seen:
                rest += chunk
                self.seen = bool(self.search(rest))
                rest = b"" if self.seen else rest[self.settled(rest) :]
            yield chunk


def _third_tag_from_the_end(text: bytes) -> int:
    """Return where the last three tags begin: the end of a formula, and its result, may be among them."""
    at = len(text)
    for _ in range(3):
        at = text.rfind(b"<", 0, max(at, 0))
    return max(at, 0)


# The end of a formula that no result follows, or one that is 0. A mistake of theirs costs time alone.
_NO_RESULT, _NO_RESULT_OR_ZERO = (
    re.compile(
        rb"(?:</(?:[\w.-]+:)?f\s*>|<(?:[\w.-]+:)?f(?:\s[^<]*)?/>)(?!\s*<(?:[\w.-]+:)?v(?:\s[^<>]*)?>" + result + rb")"
    )
    for result in (rb"[^<\s]", rb"(?!0<)[^<\s]")
)


def _has_marks(text: bytes, no_result: re.Pattern[bytes] = _NO_RESULT) -> bool:
    """Return whether a part of a worksheet may hold an error, or a formula without a result, or UTF-16."""
    if any(mark in text for mark in (b'"e"', b"'e'", b"<![CDATA[", b"<!--", b"\0")):
        return True
    if b"<f" not in text and b":f" not in text:
        return False
    match = no_result.search(text)
    # Among the last three tags its result may still come: they are looked at again, with the next bytes.
    return match is not None and match.start() < _third_tag_from_the_end(text)


def _has_marks_with_zeros(text: bytes) -> bool:
    return _has_marks(text, _NO_RESULT_OR_ZERO)


_REFERENCE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})", re.ASCII)
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_ERROR_TEXTS = {text: text for text in _ERRORS.values()}  # which the library knows; it can read no other in an xlsx
_ERRORS[0x2B] = "#GETTING_DATA"


class _WorksheetFindings:
    """The errors, and the formulas without a result, of a worksheet of an xlsx: its cells one by one.

    zeros: a result of 0 is none, for libraries write it that cannot calculate, and ask that the program do it.
    """

    def __init__(self, zeros: bool) -> None:
        self.findings, self.zeros = _Findings(), zeros
        self.row = self.column = 0  # of the next cell, where it does not say
        self.place: tuple[int, int] | None = None
        self.kind, self.value = "n", ""
        self.in_data = self.in_cell = self.in_value = self.formula = self.has_value = self.has_text = False

    def read(self, chunks: Iterator[bytes]) -> _Findings:
        """Return what is found."""
        _parse(_utf_8_only(_texts_checked(chunks)), self.start, self.end, self.text, self.literal)
        return self.findings

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin a row, a cell, or what is in it."""
        name = tag.rpartition(":")[2]
        if name == "sheetData":
            self.in_data = True
        elif not self.in_data:
            return
        elif name == "v":
            self.in_value = self.has_value = True
        elif name == "c":
            self.start_cell(attributes)
        elif name == "f":
            self.formula = True
        elif name == "is":
            self.has_text = True
        elif name == "row" and "r" in attributes:
            self.row = int(attributes["r"]) - 1

    def start_cell(self, attributes: dict[str, str]) -> None:
        """Find out where the cell stands: by its reference, otherwise by those before it."""
        self.kind, self.value = attributes.get("t", "n"), ""
        self.formula = self.has_value = self.has_text = False
        self.in_cell = True
        self.place = self.row, self.column
        if "r" in attributes:
            reference = _REFERENCE.fullmatch(attributes["r"])
            self.place = None
            if reference:
                self.column = _column_number(reference[1]) - 1
                self.place = int(reference[2]) - 1, self.column

    def text(self, text: str) -> None:
        """Add to the value of the cell."""
        if self.in_value:
            self.value += text

    def literal(self, *_: object) -> None:
        """Refuse CDATA or a comment within a value: the library leaves it out, or what follows it."""
        if self.in_value:
            self.findings.refuse(self.place[0] if self.place else self.row, UNREAD_CELL)

    def end(self, tag: str) -> None:
        """End a row or a cell."""
        name = tag.rpartition(":")[2]
        if name == "v":
            self.in_value = False
        elif name == "c" and self.in_cell:
            self.in_cell = False
            self.end_cell()
            self.column += 1
        elif name == "row":
            self.row, self.column = self.row + 1, 0
        elif name == "sheetData":
            self.in_data = False

    def end_cell(self) -> None:
        """Keep an error. Refuse what has no result."""
        row, value = self.place[0] if self.place else self.row, self.value.strip()
        if self.kind == "e" and value:
            if self.value not in _ERROR_TEXTS:
                self.findings.refuse(row, UNKNOWN_ERROR)
            elif self.place is None:
                raise WorkbookError(UNREADABLE)
            else:
                self.findings.keep(*self.place, _ERROR_TEXTS[value])
        elif self.kind == "e" and self.has_value:
            self.findings.refuse(row, UNKNOWN_ERROR)
        elif self.formula and not self.has_result(value):
            self.findings.refuse(row, NOT_CALCULATED)

    def has_result(self, value: str) -> bool:
        """Return whether a formula has a result. An empty text is one."""
        if self.kind == "str":
            return self.has_value
        if self.kind == "inlineStr":
            return self.has_text
        return bool(value) and not (self.zeros and value == "0")


def _utf_8_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks. Raises WorkbookError for UTF-16, of which the library reads nothing and says nothing."""
    for chunk in chunks:
        if b"\0" in chunk:
            raise WorkbookError(UNREADABLE)
        yield chunk


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


class _Stream:
    """Bytes that come in chunks, taken in other lengths."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks, self.buffer, self.at = chunks, b"", 0

    def take(self, size: int) -> bytes:
        """Return the next bytes. Raises EOFError where fewer are left."""
        while len(self.buffer) - self.at < size:
            if size > MOST_IN_A_CELL:
                raise WorkbookError(_too_long_text())
            chunk = next(self.chunks, None)
            if chunk is None:
                raise EOFError
            self.buffer, self.at = self.buffer[self.at :] + chunk, 0
        self.at += size
        return self.buffer[self.at - size : self.at]


def _binary_record(stream: _Stream) -> tuple[int, int] | None:
    """Return kind and size of the next record of an xlsb, None at its end."""
    try:
        kind = stream.take(1)[0]
    except EOFError:
        return None
    if kind & 0x80:
        kind = kind & 0x7F | (stream.take(1)[0] & 0x7F) << 7
    size = 0
    for shift in (0, 7, 14, 21):
        byte = stream.take(1)[0]
        size |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return kind, size


def _binary_extent(stream: _Stream) -> int:
    """Return rows times columns of a worksheet of an xlsb."""
    row = rows = columns = 0
    while (record := _binary_record(stream)) is not None:
        kind, size = record
        body = stream.take(size)
        if kind == 0:  # BrtRowHdr
            row = int.from_bytes(body[:4], "little") + 1
        elif 2 <= kind <= 11:  # cells with a value
            rows, columns = max(rows, row), max(columns, int.from_bytes(body[:4], "little") + 1)
    return rows * columns


# A record of kind 3 (BrtCellError), 11 (BrtFmlaError) or 62 (BrtCellRString) with its size, then a column below 16,384.
_BINARY_ERROR = re.compile(
    rb"(?:\x03|\x83\x00)(?:\x09|\x89\x00|\x89\x80\x00|\x89\x80\x80\x00).[\x00-\x3f]\x00\x00.{4}"
    rb"|(?:\x0b|\x8b\x00)(?:[\x80-\xff]{0,3}[\x00-\x7f]).[\x00-\x3f]\x00\x00.{4}[\x00\x07\x0f\x17\x1d\x24\x2a\x2b]"
    rb"|(?:\x3e|\xbe\x00)(?:[\x80-\xff]{0,3}[\x00-\x7f]).[\x00-\x3f]\x00\x00.{4}[\x00-\x03]",
    re.DOTALL,
)


def _binary_findings(stream: _Stream) -> _Findings:
    """Return the errors of a worksheet of an xlsb. A formula there always has a result."""
    findings, row = _Findings(), 0
    while (record := _binary_record(stream)) is not None:
        kind, size = record
        body = stream.take(size)
        if kind == 0:  # BrtRowHdr
            row = int.from_bytes(body[:4], "little")
        elif kind in (3, 11):  # BrtCellError, BrtFmlaError
            findings.keep_code(row, int.from_bytes(body[:4], "little"), body[8])
        elif kind == 62:  # BrtCellRString, which the library leaves out
            findings.refuse(row, UNREAD_CELL)
    return findings


_VALUES = {"office:value", "office:string-value", "office:date-value", "office:time-value", "office:boolean-value"}
_ERROR_SHOWN = re.compile(r"#(?:N/A|[A-Z0-9_/]+[!?])|Err:[0-9]+")


class _OpenDocument:
    """How far the cells of an ods reach: rows and cells may say how often they are repeated. And what is in them.

    findings: of each sheet, in their order.
    """

    def __init__(self) -> None:
        self.total = self.row = self.rows = self.width = self.column = self.filled = 0
        self.repeated = self.columns = 1
        self.findings: list[_Findings] = []
        self.depth = self.cell = self.paragraph = 0  # how deep the XML is, and where the two began
        self.has_value = self.is_text = self.formula = self.number = self.error = self.changed = False
        self.texts: list[str] = []
        self.size = 0

    def measure(self, chunks: Iterator[bytes]) -> int:
        """Return rows times columns of every sheet together: all of them are read at once."""
        _parse(_texts_checked(chunks), self.start, self.end, self.text, self.literal)
        self.end_table()
        return self.total

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Count a table, a row or a cell."""
        self.depth += 1
        name = tag.rpartition(":")[2]
        if name in ("table-cell", "covered-table-cell"):
            self.columns = self.count(attributes, "number-columns-repeated")
            self.column += self.columns
            if any(key.endswith("value-type") for key in attributes):
                self.filled = self.column
            self.start_cell(attributes)
        elif name == "p" and self.depth == self.cell + 1:  # not of a comment
            self.add("\n" if self.texts else "")
            self.paragraph = self.depth
        elif self.paragraph:
            self.start_in_text(name, attributes)
        elif name == "table-row":
            self.end_row()
            self.repeated = self.count(attributes, "number-rows-repeated")
        elif name == "table":
            self.end_table()
            self.findings.append(_Findings())
            if len(self.findings) > MOST_SHEETS:
                raise WorkbookError(_too_many_sheets())

    def start_cell(self, attributes: dict[str, str]) -> None:
        """Find out whether the library takes a value from what the cell says of itself."""
        self.cell, self.paragraph = self.depth, 0
        self.texts, self.size, self.changed = [], 0, False
        self.has_value = not _VALUES.isdisjoint(attributes)
        self.is_text = not self.has_value and attributes.get("office:value-type") == "string"
        self.formula = "table:formula" in attributes
        self.number = "office:value" in attributes
        self.error = any(value == "error" and key.endswith(":value-type") for key, value in attributes.items())

    def start_in_text(self, name: str, attributes: dict[str, str]) -> None:
        """Add what an element in a paragraph means. The library knows of spaces alone."""
        if name == "s":
            self.add(" " * min(self.count(attributes, "text:c"), MOST_IN_A_CELL + 1))
        elif name in ("tab", "line-break"):
            self.add("\t" if name == "tab" else "\n")
            self.changed = True

    def text(self, text: str) -> None:
        """Add to the text of the cell."""
        if self.paragraph:
            self.add(text)

    def add(self, text: str) -> None:
        """Add to the text of the cell. Raises WorkbookError where it is too long."""
        self.texts.append(text)
        self.size += len(text)
        if self.size > MOST_IN_A_CELL:
            raise WorkbookError(_too_long_text())

    def literal(self, comment: str | None = None) -> None:
        """Refuse CDATA, which the library leaves out."""
        if self.paragraph and self.is_text and comment is None and self.findings:
            self.findings[-1].refuse(self.row, UNREAD_CELL)

    def end(self, _: str) -> None:
        """End a paragraph or a cell."""
        if self.depth == self.paragraph:
            self.paragraph = 0
        elif self.depth == self.cell:
            if self.texts or self.formula or self.error:
                self.end_cell("".join(self.texts))
            self.cell = 0
        self.depth -= 1

    def end_cell(self, text: str) -> None:
        """Keep an error, and a text that the library changes. Refuse a formula, or a text, that it does not give."""
        if not self.findings:
            return
        if self.number and self.formula and _ERROR_SHOWN.fullmatch(text):  # as Apache OpenOffice writes an error
            self.error = True
        if (self.error and text) or (self.changed and self.is_text):
            self.keep(text)
        elif not (self.has_value or self.is_text) and (self.formula or text.strip()):
            self.findings[-1].refuse(self.row, NOT_CALCULATED if self.formula else UNREAD_CELL)
        elif self.error:
            self.findings[-1].refuse(self.row, NOT_CALCULATED)

    def keep(self, text: str) -> None:
        """Put the text down for each cell that is the same."""
        for row in range(self.row, self.row + self.repeated):
            for column in range(self.column - self.columns, self.column):
                self.findings[-1].keep(row, column, text)

    @staticmethod
    def count(attributes: dict[str, str], name: str) -> int:
        """Return how often a row or cell is repeated."""
        for key, value in attributes.items():
            if key.endswith(name):
                return max(int(value), 1)
        return 1

    def end_row(self) -> None:
        """Add the row before."""
        self.row += self.repeated
        if self.filled:
            self.rows, self.width = self.row, max(self.width, self.filled)
            _check_cells(self.total + self.rows * self.width)
        self.column = self.filled = self.repeated = 0

    def end_table(self) -> None:
        """Add the table before."""
        self.end_row()
        self.total += self.rows * self.width
        self.row = self.rows = self.width = self.repeated = 0


# xls: a compound file (MS-CFB), in it a stream of records (MS-XLS)

_NO_SECTOR = 0xFFFFFFFA  # and above: the end of a chain, or nothing
_CELLS = {0x0006, 0x0203, 0x0204, 0x0205, 0x027E, 0x00BD, 0x00D6, 0x00FD}


def _measure_xls(data: bytes) -> "list[_Findings | None]":
    """Return what the library will not give of each sheet of an xls.

    Raises WorkbookError for one whose cells reach too far: all its sheets are read at once.
    """
    view = memoryview(_xls_records(data))
    total = rows = columns = 0
    sheets = _XlsFindings()
    for at, kind, body in _xls_bodies(view):
        size = len(body)
        sheets.look(at, kind, body)
        if kind & 0xFF == 0x09 and kind in _BEGINNINGS:  # the next sheet
            total, rows, columns = total + rows * columns, 0, 0
        elif kind in _CELLS and size >= 4:
            row, column = struct.unpack_from("<HH", body)
            if kind == 0x00BD and size >= 6:  # several cells
                column = struct.unpack_from("<H", body, size - 2)[0]
            rows, columns = max(rows, row + 1), max(columns, column + 1)
        elif kind == 0x0200 and size >= 14:  # room is made for as many as it says
            first_row, last_row, first_column, last_column = struct.unpack_from("<IIHH", body)
            _check_cells(max(last_row - first_row, 0) * max(last_column - first_column, 0))
        _check_cells(total + rows * columns)
    return [*sheets.findings]


def _xls_bodies(view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield where each record begins, its kind, and what is in it."""
    at = 0
    while at + 4 <= len(view):
        kind, size = struct.unpack_from("<HH", view, at)
        yield at, kind, view[at + 4 : at + 4 + size]
        at += 4 + size


_BEGINNINGS = {0x0009, 0x0209, 0x0409, 0x0809}
_FORMULAS = {0x0006, 0x0206, 0x0406}


class _XlsFindings:
    """The errors of each sheet of an xls, and the formulas without a result, as its records go by."""

    def __init__(self) -> None:
        self.findings: list[_Findings] = []
        self.sheets: dict[int, _Findings] = {}  # by where their records begin
        self.open: list[_Findings | None] = []  # what began and has not ended; None is no sheet: a chart, the whole
        self.text_of: int | None = None  # the row of a formula whose result, a text, is a record of its own

    def look(self, at: int, kind: int, body: memoryview) -> None:
        """Look at the next record. Raises WorkbookError where the workbook has a password."""
        if kind == 0x002F:  # FILEPASS
            raise WorkbookError(PROTECTED)
        if kind == 0x0085:  # BOUNDSHEET
            self.findings.append(_Findings())
            self.sheets[struct.unpack_from("<I", body)[0]] = self.findings[-1]
        elif kind in (0x0007, 0x0207):  # STRING
            self.text_of = None
        elif kind in _BEGINNINGS:
            self.open.append(self.sheets.get(at))
        elif kind in _CELLS or kind in _FORMULAS or kind == 0x000A:  # EOF
            sheet = self.open[-1] if self.open else None
            if sheet and self.text_of is not None:
                sheet.refuse(self.text_of, NOT_CALCULATED)
            self.text_of = None
            if kind == 0x000A:
                del self.open[-1:]
            elif sheet:
                self.look_at_cell(sheet, kind, body)

    def look_at_cell(self, sheet: _Findings, kind: int, body: memoryview) -> None:
        """Keep the error of a cell, and note that a text must follow."""
        row, column = struct.unpack_from("<HH", body)
        if kind == 0x0205 and body[7]:  # BOOLERR
            sheet.keep_code(row, column, body[6])
        elif kind in _FORMULAS and bytes(body[12:14]) == b"\xff\xff":
            if body[6] == 2:
                sheet.keep_code(row, column, body[8])
            elif body[6] == 0:
                self.text_of = row


def _xls_records(data: bytes) -> bytes:
    """Return the stream of records of the compound file, empty where it has none."""
    size = 1 << min(struct.unpack_from("<H", data, 30)[0], 20)
    if size not in (512, 4096):
        raise WorkbookError(UNREADABLE)
    first_directory, cutoff, first_mini, _, next_list = struct.unpack_from("<I4xIIII", data, 48)

    def sector(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size]

    table = array("I")
    for number in _sectors_of_table(data, next_list, sector, len(data) // size):
        table.frombytes(sector(number))
    directory = _chain(first_directory, table, sector)
    streams: dict[str, tuple[int, int]] = {}
    for at in range(0, len(directory) - 127, 128):
        name_size = min(struct.unpack_from("<H", directory, at + 64)[0], 64)
        name = directory[at : at + max(name_size - 2, 0)].decode("utf-16-le", "replace")
        start, length = struct.unpack_from("<II", directory, at + 116)
        streams.setdefault(name, (start, length))
    if "EncryptedPackage" in streams:  # an xlsx or xlsb with a password
        raise WorkbookError(PROTECTED)
    start, length = streams.get("Workbook") or streams.get("Book") or (_NO_SECTOR, 0)
    if length >= cutoff:
        return _chain(start, table, sector)[:length]
    small = _chain(streams.get("Root Entry", (_NO_SECTOR, 0))[0], table, sector)
    mini_table = array("I", _chain(first_mini, table, sector))
    return _chain(start, mini_table, lambda number: small[number * 64 : number * 64 + 64])[:length]


def _sectors_of_table(data: bytes, next_list: int, sector: Callable[[int], bytes], sectors: int) -> list[int]:
    """Return the numbers of the sectors that hold the table of sectors."""
    numbers = array("I", data[76:512])
    lists = 0
    while next_list < _NO_SECTOR and lists <= sectors:
        more = array("I", sector(next_list))
        next_list, lists = more.pop(), lists + 1
        numbers.extend(more)
    return [number for number in numbers if number < _NO_SECTOR][:sectors]


def _chain(number: int, table: "array[int]", read: Callable[[int], bytes]) -> bytes:
    """Return what stands in a chain of sectors, which begins with `number`."""
    sectors: list[bytes] = []
    while number < len(table):
        if len(sectors) > len(table):
            raise WorkbookError(UNREADABLE)  # it goes in a circle
        sectors.append(read(number))
        number = table[number]
    return b"".join(sectors)


if __name__ == "__main__":
    main()
