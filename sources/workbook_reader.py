"""Read workbooks (xlsx, xlsb, ods, xls) in a process of their own, within bounds of size and memory.

A few hundred bytes of a workbook can ask for terabytes: a cell at XFD1048576, a text that unpacks to gigabytes, a
reference to one long text from every cell. python-calamine has no bounds, and where memory ends it aborts the process.
So a second process reads the workbook. It measures first what the file unpacks to and how far its cells reach, and it
has a limit of memory of its own. This file is the program of that process, too; it imports nothing of ours.
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
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, BinaryIO
from xml.parsers import expat

MOST_PACKED = 512 << 20  # bytes of the file
MOST_UNPACKED = 2 << 30  # bytes of all its parts together
MOST_PARTS = 10_000  # files within the file
MOST_SHEETS = 1000
MOST_CELLS = 50_000_000  # rows times columns, from A1 to the last cell with a value
MOST_IN_A_CELL = 1 << 20  # bytes
MOST_IN_A_ROW = 16 << 20  # characters
MOST_MEMORY = 3 << 30  # bytes, where the system can limit it

ADVICE = "Save the sheet with the table as CSV, which has no such limit, and use that file."
UNREADABLE = "is not a readable workbook. Save it again as .xlsx, or as CSV."
PROTECTED = "is protected by a password. Save it without one, or as CSV."

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
    """A sheet of a workbook of `of` sheets, called `every`. Its rows must be read before those of the next."""

    name: str
    of: int
    rows: Iterator[list[Cell]]
    every: list[str]


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
    """Return what says whether a sheet is asked for. loose: in any case and with any white space."""
    if name is None:
        return lambda _: True
    return lambda other: _label(other) == _label(name) if loose else other == name


# The process that asks


@contextlib.contextmanager
def sheets(
    source: bytes | BinaryIO, name: str | None = None, every: bool = False, loose: bool = False, as_text: bool = False
) -> Iterator[Iterator[Sheet]]:
    """Yield the sheets of the workbook `source` that are asked for: the first one by default.

    name: the sheet's. every: all that have this name, or all. loose: in any case and with any white space.
    as_text: whole numbers without a point, days without a time; otherwise numbers and truth values stay what they are.
    Raises WorkbookError, also while rows are read.
    """
    asked = json.dumps({"name": name, "every": every, "loose": loose, "as_text": as_text})
    command = [sys.executable, "-I", os.path.abspath(__file__), asked]
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
                raise AssertionError("a pipe was asked for")
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

        sheet = Sheet(message["sheet"], len(names), rows(), names)
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
    asked = json.loads(sys.argv[1])
    output = sys.stdout.buffer

    def send(**message: object) -> None:
        body = json.dumps(message).encode()
        output.write(len(body).to_bytes(8, "big") + body)
        output.flush()

    def answer(reading: bool, references: bool) -> None:
        try:
            measure(
                data, chooser(asked["name"], asked["loose"]), asked["name"] is None and not asked["every"], references
            )
            if reading:
                _read(data, asked, send)
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
    """Limit the memory, and end with the process that asked, where the system can."""
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


def _read(data: bytes, asked: dict[str, Any], send: Callable[..., None]) -> None:
    import python_calamine

    chosen = chooser(asked["name"], asked["loose"])
    book = python_calamine.load_workbook(io.BytesIO(data))
    names = book.sheet_names
    if len(names) > MOST_SHEETS:
        raise WorkbookError(_too_many_sheets())
    send(sheets=names)
    wanted = [name for name in names if chosen(name)]
    for name in wanted if asked["every"] else wanted[:1]:
        sheet = book.get_sheet_by_name(name)
        last_row, last_column = sheet.end or (0, 0)
        width = last_column + 1
        _check_cells((last_row + 1) * width)
        send(sheet=name)
        convert = _as_text if asked["as_text"] else _as_value
        at_once = max(1, 30_000 // max(width, 1))
        block = []
        first_column = sheet.start[1] if sheet.start and not asked["as_text"] else 0
        empty = [""] * first_column  # iter_rows leaves empty columns at the left out, not rows at the top
        for row in sheet.iter_rows():
            cells = empty + [cell if type(cell) is str else convert(cell) for cell in row]
            if len("".join([cell for cell in cells if type(cell) is str])) > MOST_IN_A_ROW:
                raise WorkbookError(f"has a row of more than {MOST_IN_A_ROW >> 20} MB. {ADVICE}")
            block.append(cells)
            if len(block) == at_once:
                send(rows=block)
                block = []
        if block:
            send(rows=block)
    send(**({"end": True} if wanted else {"missing": True}))


def _as_text(value: object) -> str:
    """Return a workbook's value as text: whole numbers without a point, days without a time."""
    if type(value) is float and not (value.is_integer() and abs(value) < 1e15):
        return repr(value)  # as str gives it
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _as_value(value: object) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float) else str(value)


# What a workbook will need, from its file alone


def measure(data: bytes, chosen: Callable[[str], bool], first: bool, references: bool) -> None:
    """Raise WorkbookError for a workbook above the bounds.

    chosen, first: which of its sheets are to be read. references: look at every cell's, not only at sizes.
    """
    try:
        if data.startswith(b"PK"):
            _Package(data).measure(chosen, first, references)
        else:
            _measure_xls(data)
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


class _Package:
    """A workbook that is a ZIP file: xlsx, xlsb and ods."""

    def __init__(self, data: bytes) -> None:
        self.data, self.left = data, MOST_UNPACKED
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

    def measure(self, chosen: Callable[[str], bool], first: bool, references: bool) -> None:
        """Unpack what will be read, without keeping it, and find out how far its cells reach."""
        sheets = self._worksheets(chosen, first)
        for name in self.parts:
            in_sheets = name.startswith("xl/worksheets/")
            if in_sheets and not (sheets is None or name in sheets):
                continue
            chunks = self._unpacked(name)
            if name == "content.xml":
                _check_cells(_OpenDocument().measure(chunks))
            elif name.endswith(".xml") and references:
                _check_cells(_xml_extent(_texts_checked(chunks)))
            elif name.endswith(".bin") and references and in_sheets:
                _check_cells(_binary_extent(_Stream(chunks)))
            else:
                # What Power Query keeps in customXml/ may be long, and is not read.
                is_read = name.endswith((".xml", ".rels")) and not name.startswith("customxml/")
                for _ in _texts_checked(chunks) if is_read else chunks:
                    pass

    def _worksheets(self, chosen: Callable[[str], bool], first: bool) -> set[str] | None:
        """Return the names of the parts of the sheets that will be read; None for any."""
        for book, list_sheets in (("xl/workbook.xml", self._sheets), ("xl/workbook.bin", self._binary_sheets)):
            if book in self.parts:
                found = list_sheets(book)
                break
        else:
            return None
        if len(found) > MOST_SHEETS:
            raise WorkbookError(_too_many_sheets())
        ids = [sheet_id for name, sheet_id in found if chosen(name)]
        targets = self._targets(f"xl/_rels/{posixpath.basename(book)}.rels")
        if not all(sheet_id in targets for sheet_id in ids):
            return None
        return {targets[sheet_id] for sheet_id in (ids[:1] if first else ids)}

    def _sheets(self, part: str) -> list[tuple[str, str]]:
        """Return name and relationship of each sheet of an xlsx."""
        found = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag.rpartition(":")[2] == "sheet":
                ids = [value for name, value in attributes.items() if name.endswith(":id")]
                found.append((attributes.get("name", ""), "".join(ids[:1])))
                if len(found) > MOST_SHEETS:
                    raise WorkbookError(_too_many_sheets())

        _parse(self._unpacked(part), start)
        return found

    def _binary_sheets(self, part: str) -> list[tuple[str, str]]:
        """Return name and relationship of each sheet of an xlsb."""
        found, stream = [], _Stream(self._unpacked(part))
        while (record := _binary_record(stream)) is not None:
            kind, size = record
            body = stream.take(size)
            if kind == 156:  # BrtBundleSh
                texts, at = [], 8
                for _ in range(2):
                    n = int.from_bytes(body[at : at + 4], "little")
                    texts.append(body[at + 4 : at + 4 + 2 * n].decode("utf-16-le", "replace"))
                    at += 4 + 2 * n
                found.append((texts[1], texts[0]))
                if len(found) > MOST_SHEETS:
                    raise WorkbookError(_too_many_sheets())
        return found

    def _targets(self, part: str) -> dict[str, str]:
        targets: dict[str, str] = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag.rpartition(":")[2] == "Relationship":
                path = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
                targets[attributes.get("Id", "")] = path.lstrip("/").casefold()

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


def _parse(chunks: Iterator[bytes], start: Callable[[str, dict[str, str]], None]) -> expat.XMLParserType:
    """Call `start` with each element of an XML text. Raises WorkbookError for one that declares entities."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for chunk in chunks:
        parser.Parse(chunk, False)
    parser.Parse(b"", True)
    return parser


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


class _Stream:
    """Bytes that come in chunks, taken in other lengths."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks, self.buffer, self.at = chunks, b"", 0

    def take(self, size: int) -> bytes:
        """Return the next bytes. Raises EOFError where there are not so many."""
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


class _OpenDocument:
    """How far the cells of an ods reach: rows and cells may say how often they are repeated."""

    def __init__(self) -> None:
        self.total = self.tables = self.row = self.rows = self.width = self.column = self.filled = 0
        self.repeated = 1

    def measure(self, chunks: Iterator[bytes]) -> int:
        """Return rows times columns of every sheet together: all of them are read at once."""
        _parse(_texts_checked(chunks), self.start)
        self.end_table()
        return self.total

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Count a table, a row or a cell."""
        name = tag.rpartition(":")[2]
        if name in ("table-cell", "covered-table-cell"):
            self.column += self.count(attributes, "number-columns-repeated")
            if any(key.endswith("value-type") for key in attributes):
                self.filled = self.column
        elif name == "table-row":
            self.end_row()
            self.repeated = self.count(attributes, "number-rows-repeated")
        elif name == "table":
            self.end_table()
            self.tables += 1
            if self.tables > MOST_SHEETS:
                raise WorkbookError(_too_many_sheets())

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
        self.column = self.filled = 0

    def end_table(self) -> None:
        """Add the table before."""
        self.end_row()
        self.total += self.rows * self.width
        self.row = self.rows = self.width = self.repeated = 0


# xls: a compound file (MS-CFB), in it a stream of records (MS-XLS)

_NO_SECTOR = 0xFFFFFFFA  # and above: the end of a chain, or nothing
_CELLS = {0x0006, 0x0203, 0x0204, 0x0205, 0x027E, 0x00BD, 0x00D6, 0x00FD}


def _measure_xls(data: bytes) -> None:
    """Raise WorkbookError for an xls whose cells reach too far: all its sheets are read at once."""
    view = memoryview(_xls_records(data))
    at = total = rows = columns = 0
    while at + 4 <= len(view):
        kind, size = struct.unpack_from("<HH", view, at)
        body = view[at + 4 : at + 4 + size]
        at += 4 + size
        if kind & 0xFF == 0x09 and kind in (0x0009, 0x0209, 0x0409, 0x0809):  # BOF: the next sheet
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
    found: list[bytes] = []
    while number < len(table):
        if len(found) > len(table):
            raise WorkbookError(UNREADABLE)  # it goes in a circle
        found.append(read(number))
        number = table[number]
    return b"".join(found)


if __name__ == "__main__":
    main()
