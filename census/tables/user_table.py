"""Read a table that someone has on their own machine, a text or a workbook, and lose nothing of it.

Cells are what the file has. What cannot be kept exactly is refused with its line or row, and no message holds a cell.
"""

import argparse
import codecs
import contextlib
import csv
import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from census.tables import postcode_column
from census.tables.other_formats import other_format
from census.tables.postcode_column import DELIMITERS, NotFoundError
from sources.workbook_reader import SheetMissingError, sheets

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_IN_A_LINE = 16 << 20  # characters, and in a cell: more would be no table, and has to be held in memory
_HEAD = 1 << 20  # bytes by which a table is recognised
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WORKBOOKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")  # xlsx, xlsb and ods; xls
_OF_SEVERAL = re.compile(  # the characters of several bytes in UTF-8 (RFC 3629)
    rb"[\xc2-\xdf][\x80-\xbf]|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]"
    rb"|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2}"
)
_NOT_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_CSV_PROBLEMS = {  # how Python's csv begins a message, and what it means
    "new-line character seen in unquoted field": "a cell without quotes has a line break in it",
    "unexpected end of data": "quotes that open do not close",
    "field larger than field limit": f"a cell is longer than the limit of {MOST_IN_A_LINE >> 20} million characters",
}


class RefusedError(Exception):
    """What cannot be done; the message says what and where, and holds nothing of a row."""


@dataclass
class Table:
    """A table as it is read, and how one is written that looks like it.

    above: what stands above the names of the columns. rows: the cells below them. places: of the column of postcodes,
    or of those of outward and inward code. form: what was detected, for people. read: how many of its `size` bytes have
    been read.
    """

    above: list[list[str]]
    header: list[str]
    rows: Iterator[list[str]]
    places: tuple[int, ...]
    form: str
    encoding: str
    delimiter: str
    end: str
    size: int | None = None
    read: Callable[[], int] = lambda: 0
    first_line: str = ""  # sep=; as it stands

    def postcode_of(self, row: list[str]) -> str:
        """Return the postcode of a row, as it is to be looked up."""
        return " ".join(postcode_column.bare(row[place]) for place in self.places)


def table_of(source: BinaryIO, name: str, options: argparse.Namespace, opened: contextlib.ExitStack) -> Table:
    """Return the table in `source`, a binary file. Raises RefusedError and WorkbookError.

    options: what is not to be detected: postcode, encoding, delimiter, sheet; and output. opened: ends what is open as
    long as the table is read.
    """
    head = source.read(_HEAD)
    if not head:
        raise RefusedError(f"{name} is empty.")
    if what := other_format(head):
        raise RefusedError(f"{name} {what}")
    if head.startswith(_WORKBOOKS):
        complete = io.BufferedReader(_Again(head, source)) if source is sys.stdin.buffer else source
        return _workbook(complete, name, options, opened)
    return _delimited(source, head, name, options)


def _located(rows: Iterator[list[str]], name: str, column: str | None, advice: str = "") -> dict[str, object]:
    """Return above, header, rows and places of the table whose rows are `rows`. Raises RefusedError."""
    first = list(itertools.islice(rows, postcode_column.LOOKED_AT))
    if not any(cell.strip() for row in first for cell in row):
        ends = len(first) < postcode_column.LOOKED_AT
        problem = "is empty" if ends else "begins with empty lines instead of the names of its columns"
        raise RefusedError(f"{name} {problem}.{advice}")
    try:
        location = postcode_column.find(first, column)
    except NotFoundError as error:
        raise RefusedError(f"{name}: {error}{advice}") from None
    n = location.header
    return {
        "above": first[:n],
        "header": first[n],
        "rows": itertools.chain(first[n + 1 :], rows),
        "places": location.places,
    }


# Text


def _delimited(source: BinaryIO, head: bytes, name: str, options: argparse.Namespace) -> Table:
    seekable = source.seekable() and source is not sys.stdin.buffer
    encoding = options.encoding or _encoding(head, source if seekable else None, name)
    if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    if encoding in ("utf-16-le", "utf-16-be") and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    if seekable:
        source.seek(0)
        size = os.fstat(source.fileno()).st_size
    else:
        source, size = io.BufferedReader(_Again(head, source)), None
    csv.field_size_limit(MOST_IN_A_LINE)
    begin = head.decode(encoding, "replace")
    marked = begin.lstrip("\ufeff")  # a mark of its own is the encoding's; more of them are no part of a name
    first, of_excel = postcode_column.cut(marked)
    names = (options.postcode, *options.postcode.split(",")) if options.postcode else ("postcode",)
    delimiter = options.delimiter or of_excel or postcode_column.delimiter_of(first, *names)
    end = postcode_column.first_line_end(first)
    # Lines end as the first does: what else breaks one is a cell's own, and kept in quotes, refused without.
    text = io.TextIOWrapper(source, encoding, newline="\r" if end == "\r" else "\n")
    try:
        first_line = text.read(len(begin) - len(first))
    except UnicodeError:
        raise RefusedError(f"{name} is not {encoding} in line 1: name --encoding.") from None
    above = 1 if of_excel else 0

    def lines() -> Iterator[str]:
        while line := text.readline(MOST_IN_A_LINE + 1):
            if len(line) > MOST_IN_A_LINE:
                raise RefusedError(
                    f"{name} has a line of more than {MOST_IN_A_LINE >> 20} million characters after line "
                    f"{reader.line_num + above:,}: is it a table, with --delimiter and --encoding as they should be?"
                )
            if "\0" in line:
                raise RefusedError(_has_nul(name, reader.line_num + above + 1))
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)

    def rows() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            problem = _problem_of(error)
            raise RefusedError(f"{name} cannot be read after line {reader.line_num + above:,}: {problem}.") from None
        except UnicodeError:
            problem = f"{name} is not {encoding} after line {reader.line_num + above:,}: name --encoding."
            raise RefusedError(problem) from None

    return Table(
        **_located(rows(), name, options.postcode),  # type: ignore[arg-type]
        form=f"{encoding}, {DELIMITERS.get(delimiter, repr(delimiter))} between cells",
        encoding=encoding,
        delimiter=delimiter,
        end=end,
        size=size,
        read=lambda: text.buffer.tell() if seekable else 0,  # `text` closes the file when nobody holds it
        first_line=first_line,
    )


def _problem_of(error: csv.Error) -> str:
    message = str(error)
    if "expected after" in message:
        return "something follows quotes that close"
    return next((words for begin, words in _CSV_PROBLEMS.items() if message.startswith(begin)), "its quotes are wrong")


def _encoding(head: bytes, rest: BinaryIO | None, name: str) -> str:
    """Return the encoding by its mark, UTF-8 where everything is, otherwise that of Windows in Western Europe.

    rest: what follows `head`, None where it cannot be read twice. Raises RefusedError for a text that is UTF-8 but for
    some bytes: as another encoding its other letters would be changed.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        if 4 * head.count(b"\0") > len(head):
            utf_16 = "utf-16-be" if head[0::2].count(b"\0") > head[1::2].count(b"\0") else "utf-16-le"
            raise RefusedError(f"{name} is no text, or in UTF-16 without a mark: then name --encoding {utf_16}.")
        end = b"\n" if b"\n" in head else b"\r"
        raise RefusedError(_has_nul(name, head[: head.index(b"\0")].count(end) + 1))
    if _is_utf8(head, rest):
        return "utf-8"
    count = _Count()
    if rest is None:
        count.look((head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head).splitlines(keepends=True))
    else:
        rest.seek(0)
        pieces = iter(lambda: rest.readline(_HEAD), b"")
        count.look(line for piece in pieces for line in ([piece] if b"\n" in head else piece.splitlines(True)))
    if count.right * 10 >= count.wrong:
        raise RefusedError(
            f"{name} is UTF-8, but not in line {count.line_wrong:,}: correct that line, or name --encoding."
        )
    if count.line_of_none:
        raise RefusedError(
            f"{name} is neither UTF-8 nor cp1252 (Windows) in line {count.line_of_none:,}: name --encoding."
        )
    return "cp1252"


def _is_utf8(head: bytes, rest: BinaryIO | None) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        if rest is not None:
            while block := rest.read(_HEAD):
                decoder.decode(block)
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _Count:
    """Characters beyond ASCII: `right` in UTF-8, `wrong` bytes of none, and the first lines of such bytes."""

    right: int = 0
    wrong: int = 0
    line: int = 0
    line_wrong: int = 0
    line_of_none: int = 0

    def look(self, lines: Iterator[bytes] | list[bytes]) -> None:
        """Count what is in `lines`."""
        for line in lines:
            self.line += 1
            if line.isascii():
                continue
            left, right = _OF_SEVERAL.subn(b"", line)
            self.right += right
            wrong = len(left) - len(left.translate(None, bytes(range(128, 256))))
            self.wrong += wrong
            if wrong and not self.line_wrong:
                self.line_wrong = self.line
            if wrong and not self.line_of_none and _NOT_IN_CP1252.search(line):
                self.line_of_none = self.line


def _has_nul(name: str, line: int) -> str:
    return f"{name} has a NUL, which no text has, in line {line:,}: the file is damaged, or no table. Save it again."


# Workbooks


def _workbook(source: BinaryIO, name: str, options: argparse.Namespace, opened: contextlib.ExitStack) -> Table:
    try:
        sheet = next(opened.enter_context(sheets(source, options.sheet, as_text=True)))
    except SheetMissingError as error:
        raise RefusedError(
            f"{name} has no sheet '{options.sheet}', but {postcode_column.listed(error.sheets)}."
        ) from None
    others = [other for other in sheet.names if other != sheet.name]
    advice = (
        f" This is its sheet '{sheet.name}'; --sheet names another: {postcode_column.listed(others)}." if others else ""
    )
    return Table(
        **_located(cast(Iterator[list[str]], sheet.rows), name, options.postcode, advice),  # type: ignore[arg-type]
        form=f"a workbook, sheet '{sheet.name}' of {len(sheet.names)}",
        encoding="utf-8-sig",  # by which Excel knows a CSV for UTF-8
        delimiter=options.delimiter or ("\t" if options.output.lower().endswith(".tsv") else ","),
        end="\r\n",
    )


class _Again(io.RawIOBase):
    """What was read of a stream that cannot be rewound, and then the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read into `buffer`; return how many bytes, 0 at the end."""
        view = memoryview(buffer).cast("B")
        block = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(view) :]
        view[: len(block)] = block
        return len(block)
