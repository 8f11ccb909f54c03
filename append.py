#!/usr/bin/env python3
"""Adds the index of multiple deprivation to a table of postcodes on your own machine: no network, no log, no copy.

python append.py patients.csv --postcode POSTCODE -o out.csv
python append.py patients.xlsx --index england_2019 --quantile 20 -o out.csv
zcat patients.csv.gz | python append.py - -o - --columns decile,idaci_decile | gzip > out.csv.gz

Every row stays, in its order, with its cells as they are; the added column `imd_status` is found, terminated,
not_covered, unknown or invalid. What the table is and what was found is told on standard error, without a postcode.
"""

import argparse
import codecs
import contextlib
import csv
import io
import os
import re
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from api.lookup import FIELDS, OWN, QUANTILE_FIELDS, AskedError, Counts, KnownByArea, Lookup, as_quantile, canned_sql
from census.verify import Damaged, verify
from sources import postcode
from sources.postcode_column import DELIMITERS
from sources.private_file import private_file, sweep
from sources.terminal import as_utf8, write_any_character
from sources.workbook_reader import SheetMissingError, WorkbookError, sheets

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


ROOT = Path(__file__).resolve().parent
COLUMNS = ("status", "nation", "area_code", "index_id", "rank", "of", "decile", "quintile")
AT_ONCE = 1000  # rows
MOST_IN_A_LINE = 16 << 20  # characters, and in a cell: more would be no table, and has to be held in memory
MOST_NAMES = 20  # in a message
MOST_IN_A_NAME = 40  # characters
_HEAD = 1 << 20  # bytes by which a table is recognised
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx, xlsb and ods; xls
_VALUE = re.compile(  # what no column is called: a text with a postcode in it, a number, a date, an e-mail address
    r"\b[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\b"
    r"|^[-+]?[0-9][0-9.,]*$"
    r"|\b[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}\b"
    r"|\S@\S",
    re.IGNORECASE,
)
# What begins as a formula does, after white space too, and in the wide forms of East Asia; but a plain number is none.
_FORMULA = re.compile(
    r"(?! *[-+]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?%? *\Z)"
    r"[\s\ufeff\0]*[-=+@\uff1d\uff0b\uff0d\uff20]"
    r"|[\t\r\n]"
)
_GREEN_SPACE_OF = "local_authority_2019_code"


class RefusedError(Exception):
    """What cannot be done; the message says what and where, and holds nothing of a row."""


Row = tuple[Any, ...]
Adder = Callable[[list[str]], tuple[list[Row], Counts]]


@dataclass
class Table:
    """A table as it is read, and how one is written that looks like it.

    rows: the cells below the header. form: what was detected, for people. read: how many of its
    `size` bytes have been read.
    """

    header: list[str]
    rows: Iterator[list[str]]
    form: str
    encoding: str
    delimiter: str
    end: str
    size: int | None = None
    read: Callable[[], int] = lambda: 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 for a whole table, 1 for none, 2 for misuse."""
    write_any_character()
    options = _options(arguments)
    name = "standard input" if options.table == "-" else options.table
    try:
        with clean_up_on_signals():
            run(options, name)
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        problem = "interrupted"
    except Exception as error:
        problem = _problem(error, options, name)
    print(f"append.py: {problem}", file=sys.stderr)
    if options.output != "-":
        print("append.py: nothing was written", file=sys.stderr)
    return 1


def _problem(error: Exception, options: argparse.Namespace, name: str) -> str:
    """Return what went wrong, in words that hold nothing of a row: other programs' messages may quote a cell."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, WorkbookError):
        return f"{name} {error}"
    if isinstance(error, UnicodeEncodeError):
        return f"What is to be added cannot be written as {error.encoding}; choose other --columns."
    if isinstance(error, UnicodeError):
        return f"{name} is not {options.encoding}: name another --encoding."
    if isinstance(error, sqlite3.Error):
        return f"{options.database} is not a database that this version's build_db.py made, or is damaged ({error})."
    if isinstance(error, OSError):
        return f"{error.filename or options.output}: {error.strerror or type(error).__name__}"
    if isinstance(error, MemoryError):
        return f"There is not enough memory to read {name}."
    *_, last = traceback.extract_tb(error.__traceback__)
    where = f"{Path(last.filename).name}, line {last.lineno}"
    return (
        f"Internal error: {type(error).__name__} at {where}. Please report this line; it holds nothing of your table."
    )


@contextlib.contextmanager
def clean_up_on_signals() -> Iterator[None]:
    """Let the signals that end a process remove its unfinished file first; a second one does not interrupt that."""

    def end(number: int, _: object) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    before = {}
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) != signal.SIG_IGN):  # as nohup does
            before[number] = signal.getsignal(number) or signal.SIG_DFL
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(options: argparse.Namespace, name: str) -> None:
    """Read, looks up and writes, as the options say. Raises RefusedError and what reading and writing raise."""
    started = time.monotonic()
    if options.output != "-":
        sweep(Path(options.output).resolve().parent)
    with contextlib.ExitStack() as opened:
        lookup = opened.enter_context(database(options.database))
        wanted, columns, q = asked(lookup, options)
        source = sys.stdin.buffer if options.table == "-" else opened.enter_context(open(options.table, "rb"))
        table = table_of(source, name, options, opened)
        place = place_of(table.header, options.postcode)
        names = [options.prefix + column for column in columns]
        if taken := [column for column in names if column in table.header]:
            raise RefusedError(f"{name} has a column {taken[0]} already: choose another --prefix.")
        print(f"{name}: {table.form}, {len(table.header)} columns", file=sys.stderr)
        output = sys.stdout.buffer if options.output == "-" else opened.enter_context(output_file(options))
        text = io.TextIOWrapper(output, table.encoding, newline="")
        writer = csv.writer(text, delimiter=table.delimiter, lineterminator=table.end)
        escaped = escape_row if options.escape_formulas else list
        writer.writerow(escaped([*table.header, *names]))
        counts: Counts = Counter()
        added = adder(lookup, wanted, columns, q)
        with progress(table) as advance:
            for rows in blocks(table, name):
                cells, counted = added([row[place] for row in rows])
                counts += counted
                writer.writerows(escaped([*row, *more]) for row, more in zip(rows, cells, strict=True))
                advance()
        text.flush()
        text.detach()
    seconds = time.monotonic() - started
    where = "standard output" if options.output == "-" else options.output
    print(f"{counts.total():,} rows to {where} in {seconds:.1f} s, with {', '.join(names)}", file=sys.stderr)
    for line in summary(lookup, counts, wanted, columns, options.prefix):
        print(f"  {line}", file=sys.stderr)


@contextlib.contextmanager
def database(path: Path) -> Iterator[Lookup]:
    """Yield the census.db at `path`, opened."""
    if not path.is_file():
        raise RefusedError(f"There is no {path}: build it with build_db.py, or name another with --database.")
    try:
        verify(path)
    except Damaged as error:
        raise RefusedError(str(error)) from None
    lookup = Lookup(path, canned_sql())
    try:
        yield lookup
    finally:
        lookup.close()


def asked(lookup: Lookup, options: argparse.Namespace) -> tuple[str, list[str], int | None]:
    """Return the index, the columns and the quantile that options name.

    Status and the quantile are among the columns.
    """
    try:
        wanted = lookup.wanted(options.index)
        q = None if options.quantile is None else as_quantile(options.quantile)
    except AskedError as error:
        raise RefusedError(str(error)) from None
    columns = list(dict.fromkeys(options.columns or COLUMNS))
    if "status" not in columns:
        columns.insert(0, "status")
    if q is not None and "data_quantile" not in columns:
        columns.append("data_quantile")
    possible = dict.fromkeys((*FIELDS, *QUANTILE_FIELDS, *_green_space_columns(lookup), "edition"))
    for column in columns:
        if column not in possible:
            raise RefusedError(f"'{column}' is not a column that can be added. There are {', '.join(possible)}.")
        if column in QUANTILE_FIELDS and q is None:
            raise RefusedError(f"The column {column} needs --quantile.")
    return wanted, columns, q


def adder(lookup: Lookup, wanted: str, columns: list[str], q: int | None) -> Adder:
    """Give what gives, for a list of postcodes, the cells of `columns` and the counter of `Lookup.table`."""
    read = tuple(column for column in columns if column in FIELDS or column in QUANTILE_FIELDS)
    known: KnownByArea = {}

    def plain(texts: list[str]) -> tuple[list[Row], Counts]:
        if OWN.isdisjoint(columns):
            return lookup.by_areas(texts, wanted, read, q, known)
        return lookup.table(texts, wanted, read, q)

    if len(read) == len(columns):
        return plain
    read = tuple(dict.fromkeys((*read, _GREEN_SPACE_OF)))

    def with_more(texts: list[str]) -> tuple[list[Row], Counts]:
        answers, counts = plain(texts)
        cells = []
        for answer in answers:
            told = dict(zip(read, answer, strict=True))
            told |= lookup.green_space.get(told[_GREEN_SPACE_OF], {}) | {"edition": lookup.edition}
            cells.append(tuple(told.get(column) for column in columns))
        return cells, counts

    return with_more


def summary(lookup: Lookup, counts: Counts, wanted: str, columns: list[str], prefix: str) -> Iterator[str]:
    """Yield what was found, from which edition, and whose the figures are, in lines."""
    told = lookup.summary(counts, wanted)
    yield ", ".join(f"{status} {n:,}" for status, n in told["statuses"].items())
    if told["nations"]:
        yield ", ".join(f"{nation} {n:,}" for nation, n in told["nations"].items())
    if told["older_edition"]:
        which = f"see {prefix}index_id" if "index_id" in columns else "index_id, added to --columns, says which"
        yield f"{told['older_edition']:,} have figures of an older index than their nation's newest: {which}"
    if without := told["without_figures"]:
        yield f"{without:,} of those found or terminated have no figures of the index that was asked for"
    yield f"from {lookup.edition}"
    if lookup.extract:
        yield "This database is an extract: it knows the postcodes of a few authorities only (build_db.py --full)."
    more = [source for source in ("uk_composite", "green_space") if _uses(lookup, source, columns)]
    for source in lookup.sources({index for _, _, index in counts}, "Northern Ireland" in told["nations"], more):
        parts = (f"{source['title']}, {source['licence']}", source["attribution"], source["conditions"])
        yield ". ".join(part.rstrip(".") for part in parts if part) + "."


def _uses(lookup: Lookup, source: str, columns: list[str]) -> bool:
    green = _green_space_columns(lookup)
    return any(column in green if source == "green_space" else column.startswith(source) for column in columns)


def _green_space_columns(lookup: Lookup) -> list[str]:
    first = next(iter(lookup.green_space.values()), {})
    return [column for column in first if column not in FIELDS]


# Reading


def table_of(source: BinaryIO, name: str, options: argparse.Namespace, opened: contextlib.ExitStack) -> Table:
    """Return the table in `source`, a binary file. `options` name what is not to be detected.

    opened: ends what is open as long as the table is read.
    """
    head = source.read(_HEAD)
    if not head:
        raise RefusedError(f"{name} is empty.")
    if head.startswith(_WORKBOOKS):
        whole = io.BufferedReader(_Again(head, source)) if source is sys.stdin.buffer else source
        table = _workbook(whole, name, options, opened)
    else:
        table = _delimited(source, head, name, options)
    if not table.header:
        raise RefusedError(f"{name} begins with an empty line instead of the names of its columns.")
    return table


def blocks(table: Table, name: str) -> Iterator[list[list[str]]]:
    """Yield the rows, so many at once, each as long as the header."""
    width, n = len(table.header), 2
    while block := list(islice(table.rows, AT_ONCE)):
        for place, row in enumerate(block):
            if len(row) != width:
                if any(row[width:]):
                    raise RefusedError(f"Row {n + place:,} of {name} has {len(row)} cells, its first row {width}.")
                block[place] = row[:width] + [""] * (width - len(row))
        n += len(block)
        yield block


def _delimited(source: BinaryIO, head: bytes, name: str, options: argparse.Namespace) -> Table:
    seekable = source.seekable() and source is not sys.stdin.buffer
    encoding = options.encoding or _encoding(head, source if seekable else None, name)
    if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    if seekable:
        source.seek(0)
        size = os.fstat(source.fileno()).st_size
    else:
        source, size = io.BufferedReader(_Again(head, source)), None
    csv.field_size_limit(MOST_IN_A_LINE)
    first = head.decode(encoding, "replace")
    delimiter = options.delimiter or _delimiter(first, options.postcode)
    text = io.TextIOWrapper(source, encoding, newline="")

    def lines() -> Iterator[str]:
        while line := text.readline(MOST_IN_A_LINE + 1):
            if len(line) > MOST_IN_A_LINE:
                raise RefusedError(
                    f"{name} has a line of more than {MOST_IN_A_LINE >> 20} million characters after line "
                    f"{reader.line_num:,}: is it a table, with --delimiter and --encoding as they should be?"
                )
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)

    def rows() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            raise RefusedError(f"{name} cannot be read after line {reader.line_num:,}: {error}.") from None
        except UnicodeError:
            raise RefusedError(f"{name} is not {encoding} after line {reader.line_num:,}: name --encoding.") from None

    every = rows()
    line = first.partition("\n")[0]
    return Table(
        header=next(every, []),
        rows=every,
        form=f"{encoding}, {DELIMITERS.get(delimiter, repr(delimiter))} between cells",
        encoding=encoding,
        delimiter=delimiter,
        end="\r\n" if line.endswith("\r") else "\n",
        size=size,
        read=lambda: text.buffer.tell() if seekable else 0,  # `text` closes the file when nobody holds it
    )


def _encoding(head: bytes, rest: BinaryIO | None, name: str) -> str:
    """Return the encoding by its mark, UTF-8 where everything is, otherwise that of Windows in Western Europe."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise RefusedError(f"{name} is no text, or in UTF-16 without a mark: then name --encoding utf-16-le.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        if rest is not None:
            while block := rest.read(_HEAD):
                decoder.decode(block)
            decoder.decode(b"", True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(text: str, wanted: str) -> str:
    """Return that of DELIMITERS by which the first row has the wanted column, or else the most cells."""

    def by(delimiter: str) -> tuple[bool, int]:
        row = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        return _plain(wanted) in map(_plain, row), len(row)

    return max(DELIMITERS, key=by)


def _workbook(source: BinaryIO, name: str, options: argparse.Namespace, opened: contextlib.ExitStack) -> Table:
    try:
        sheet = next(opened.enter_context(sheets(source, options.sheet, as_text=True)))
    except SheetMissingError as error:
        raise RefusedError(f"{name} has no sheet '{options.sheet}', but {_listed(error.sheets)}.") from None
    cells = cast(Iterator[list[str]], sheet.rows)
    header = next(cells, [])
    if not header and len(sheet.names) > 1:
        raise RefusedError(
            f"{name} begins with an empty line: its sheet '{_listed([sheet.name])}' is empty. "
            f"Name another with --sheet; there are {_listed(sheet.names)}."
        )
    return Table(
        header=header,
        rows=cells,
        form=f"a workbook, sheet '{sheet.name}' of {len(sheet.names)}",
        encoding="utf-8-sig",  # by which Excel knows a CSV for UTF-8
        delimiter=options.delimiter or ("\t" if options.output.lower().endswith(".tsv") else ","),
        end="\r\n",
    )


def _listed(names: list[str]) -> str:
    """Return names of columns or sheets for a message, not without end."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return (
        ", ".join(name if len(name) <= MOST_IN_A_NAME else f"{name[:MOST_IN_A_NAME]}…" for name in names[:MOST_NAMES])
        + more
    )


class _Again(io.RawIOBase):
    """What was read of a stream that cannot be rewound, and then the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        block = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(view) :]
        view[: len(block)] = block
        return len(block)


def _plain(name: str) -> str:
    return name.strip().casefold()


def place_of(header: list[str], wanted: str) -> int:
    """Return the place of the column `wanted`, in its very letters or else in any case."""
    for alike in (str, _plain):
        places = [place for place, name in enumerate(header) if alike(name) == alike(wanted)]
        if len(places) == 1:
            return places[0]
        if places:
            raise RefusedError(f"There are {len(places)} columns '{wanted}'.")
    if any(postcode.normalise(name) or sum(map(str.isdigit, name)) > 5 for name in header):
        raise RefusedError("The first row must be the names of the columns; it looks like a row of the table.")
    named = f"There are {_listed(header)}."
    if any(not name.strip() or len(name) > MOST_IN_A_NAME or _VALUE.search(name.strip()) for name in header):
        named = f"The names of its {len(header):,} columns are not shown, for the first row may be a row of the table."
    raise RefusedError(f"There is no column '{wanted}': name --postcode. {named}")


# Writing


def escape_row(cells: list[Any]) -> list[Any]:
    """Return the cells with an apostrophe before each text that a spreadsheet would take for a formula (OWASP)."""
    return [f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in cells]


@contextlib.contextmanager
def output_file(options: argparse.Namespace) -> Iterator[BinaryIO]:
    """Yield a file that becomes the output when all of it is written, and of which nothing is left otherwise."""
    output = Path(options.output).resolve()
    exists = RefusedError(f"There is a file {options.output} already; --force replaces it.")
    if output.exists() and not output.is_file():
        raise RefusedError(f"{options.output} is not a file.")
    if output.exists() and not options.force:
        raise exists
    try:
        with private_file(output, options.force) as file:
            yield file
    except FileExistsError:  # made by another program while the table was read
        raise exists from None


@contextlib.contextmanager
def progress(table: Table) -> Iterator[Callable[[], None]]:
    """Yield a progress bar on standard error, where that is a terminal; gives what moves it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    import rich.console  # a third of the time that a short table takes
    import rich.progress

    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("adding", total=table.size)
        yield lambda: bar.update(task, completed=table.read())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def listed(text: str) -> list[str]:
        return [name.strip() for name in as_utf8(text).split(",") if name.strip()]

    def codec(text: str) -> str:
        try:
            "".encode(text)
            return codecs.lookup(text).name
        except LookupError:
            raise argparse.ArgumentTypeError(f"'{text}' is not an encoding") from None

    def character(text: str) -> str:
        text = as_utf8(text)
        text = {"tab": "\t", r"\t": "\t"}.get(text, text)
        if len(text) != 1 or text in '"\r\n':
            raise argparse.ArgumentTypeError("a delimiter is one character, or tab")
        return text

    parser.add_argument("table", metavar="TABLE", help="CSV, TSV, xlsx, xls or ods with names in its first row; or -")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="where the CSV goes; - is standard output"
    )
    parser.add_argument(
        "--postcode", metavar="COLUMN", default="postcode", help="column of postcodes; default: postcode"
    )
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        type=listed,
        help=f"what is added, with commas between; default: {','.join(COLUMNS)}",
    )
    parser.add_argument(
        "--index", metavar="INDEX", help="such as england_2025, or a year; default: the newest that has figures"
    )
    parser.add_argument("--quantile", metavar="N", help="adds data_quantile, the group of so many; 5 are quintiles")
    parser.add_argument("--prefix", metavar="TEXT", default="imd_", help="what added names begin with; default: imd_")
    parser.add_argument("--encoding", metavar="NAME", type=codec, help="default: UTF-8, UTF-16 by its mark, or cp1252")
    parser.add_argument("--delimiter", metavar="CHARACTER", type=character, help="default: detected; tab is a tab")
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook; default: the first")
    parser.add_argument(
        "--database",
        metavar="FILE",
        type=Path,
        default=ROOT / "census.db",
        help="default: the census.db beside append.py",
    )
    parser.add_argument(
        "--escape-formulas",
        action="store_true",
        help="put an apostrophe before what a spreadsheet would take for a formula; numbers stay",
    )
    parser.add_argument("--force", action="store_true", help="replace the output if there is one")
    options = parser.parse_args(arguments)
    for name in ("postcode", "index", "quantile", "prefix", "sheet"):
        if (text := getattr(options, name)) is not None:
            setattr(options, name, as_utf8(text))
    if options.output.lower().endswith((".xlsx", ".xls", ".ods")):
        parser.error("the output is CSV, which spreadsheets open: name it .csv")
    return options


if __name__ == "__main__":
    sys.exit(main())
