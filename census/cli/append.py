"""Adds the index of multiple deprivation to a table of postcodes on your own machine: no network, no log, no copy.

python append.py patients.csv --postcode POSTCODE -o out.csv
python append.py patients.xlsx --index england_2019 --quantile 20 -o out.csv
zcat patients.csv.gz | python append.py - -o - --columns decile,idaci_decile | gzip > out.csv.gz

Every row stays, in its order, with its cells as they are; the added column `imd_status` is found, terminated,
not_covered, unknown or invalid. What the table is and what was found goes to standard error, without a postcode.
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
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from census.domain.types import Row
from census.lookup import postcode_lists
from census.lookup.database import Lookup
from census.lookup.errors import RequestError
from census.lookup.green_space import GreenSpace
from census.lookup.indices import as_quantile
from census.lookup.postcode_lists import OWN, Counts, KnownByArea
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS
from census.schema.indices import indices
from census.schema.verify import Damaged, verify
from census.tables.private_file import private_file, sweep
from census.tables.user_table import RefusedError, Table, table_of
from census.terminal import as_utf8, write_any_character
from sources.workbook_reader import WorkbookError

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("status", "nation", "area_code", "index_id", "rank", "of", "decile", "quintile")
AT_ONCE = 1000  # rows
# What begins as a formula does, after white space too, and in the wide forms of East Asia; but a plain number is none.
_FORMULA = re.compile(
    r"(?! *[-+]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?%? *\Z)"
    r"[\s\ufeff\0]*[-=+@\uff1d\uff0b\uff0d\uff20]"
    r"|[\t\r\n]"
)
_GREEN_SPACE_OF = "local_authority_2019_code"

Adder = Callable[[list[str]], tuple[list[Row], Counts]]


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
        choice, columns, groups = chosen(lookup, options)
        source = sys.stdin.buffer if options.table == "-" else opened.enter_context(open(options.table, "rb"))
        table = table_of(source, name, options, opened)
        names = [options.prefix + column for column in columns]
        if taken := [column for column in names if column in table.header]:
            raise RefusedError(f"{name} has a column {taken[0]} already: choose another --prefix.")
        number = len(table.header)
        print(f"{name}: {table.form}, {number} column{'s' * (number != 1)}, {where_of(table)}", file=sys.stderr)
        output = sys.stdout.buffer if options.output == "-" else opened.enter_context(output_file(options))
        text = io.TextIOWrapper(output, table.encoding, newline="")
        writer = csv.writer(Lines(text, table.end), delimiter=table.delimiter, lineterminator="\r\n")
        escaped = escape_row if options.escape_formulas else list
        text.write(table.first_line)
        writer.writerows(map(escaped, table.above))
        writer.writerow(escaped([*table.header, *names]))
        counts: Counts = Counter()
        added = adder(lookup, choice, columns, groups)
        with progress(table) as advance:
            for rows in blocks(table, name):
                cells, counted = added([table.postcode_of(row) for row in rows])
                counts += counted
                writer.writerows(escaped([*row, *more]) for row, more in zip(rows, cells, strict=True))
                advance()
        text.flush()
        text.detach()
    seconds = time.monotonic() - started
    where = "standard output" if options.output == "-" else options.output
    print(f"{counts.total():,} rows to {where} in {seconds:.1f} s, with {', '.join(names)}", file=sys.stderr)
    for line in summary(lookup, counts, choice, columns, options.prefix):
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
    lookup = Lookup(path, indices())
    try:
        yield lookup
    finally:
        lookup.close()


def chosen(lookup: Lookup, options: argparse.Namespace) -> tuple[str, list[str], int | None]:
    """Return the index, the columns and the quantile that options name.

    Status and the quantile are among the columns.
    """
    try:
        choice = lookup.indices.choice(options.index)
        groups = None if options.quantile is None else as_quantile(options.quantile)
    except RequestError as error:
        raise RefusedError(str(error)) from None
    columns = list(dict.fromkeys(options.columns or COLUMNS))
    if "status" not in columns:
        columns.insert(0, "status")
    if groups is not None and "data_quantile" not in columns:
        columns.append("data_quantile")
    possible = dict.fromkeys((*FIELDS, *QUANTILE_FIELDS, *_green_space_columns(lookup), "edition"))
    for column in columns:
        if column not in possible:
            raise RefusedError(f"'{column}' is not a column that can be added. There are {', '.join(possible)}.")
        if column in QUANTILE_FIELDS and groups is None:
            raise RefusedError(f"The column {column} needs --quantile.")
    return choice, columns, groups


def adder(lookup: Lookup, choice: str, columns: list[str], groups: int | None) -> Adder:
    """Return a function from a list of postcodes to the cells of `columns` and the counter of `postcode_lists.many`."""
    read = tuple(column for column in columns if column in FIELDS or column in QUANTILE_FIELDS)
    known: KnownByArea = {}

    def plain(texts: list[str]) -> tuple[list[Row], Counts]:
        if OWN.isdisjoint(columns):
            return postcode_lists.by_areas(lookup, texts, choice, read, groups, known)
        return postcode_lists.many(lookup, texts, choice, read, groups)

    if len(read) == len(columns):
        return plain
    read = tuple(dict.fromkeys((*read, _GREEN_SPACE_OF)))

    def with_more(texts: list[str]) -> tuple[list[Row], Counts]:
        answers, counts = plain(texts)
        cells = []
        for answer in answers:
            values = dict(zip(read, answer, strict=True)) | {"edition": lookup.edition}
            if green_space := lookup.green_space.get(values[_GREEN_SPACE_OF]):
                values |= vars(green_space)
            cells.append(tuple(values.get(column) for column in columns))
        return cells, counts

    return with_more


def summary(lookup: Lookup, counts: Counts, choice: str, columns: list[str], prefix: str) -> Iterator[str]:
    """Yield what was found, from which edition, and whose the figures are, in lines."""
    counted = postcode_lists.summary(lookup, counts, choice)
    yield ", ".join(f"{status} {n:,}" for status, n in counted.statuses.items())
    if counted.nations:
        yield ", ".join(f"{nation} {n:,}" for nation, n in counted.nations.items())
    if counted.older_edition:
        which = f"see {prefix}index_id" if "index_id" in columns else "index_id, added to --columns, says which"
        yield f"{counted.older_edition:,} have figures of an older index than their nation's newest: {which}"
    if without := counted.without_figures:
        yield f"{without:,} of those found or terminated have no figures of the index that you named"
    yield f"from {lookup.edition}"
    if lookup.extract:
        yield "This database is an extract: it knows the postcodes of a few authorities only (build_db.py --full)."
    more = [source for source in ("uk_composite", "green_space") if _uses(lookup, source, columns)]
    for source in lookup.sources({index for _, _, index in counts}, "Northern Ireland" in counted.nations, more):
        parts = (f"{source.title}, {source.licence}", source.attribution, source.conditions)
        yield ". ".join(part.rstrip(".") for part in parts if part) + "."


def _uses(lookup: Lookup, source: str, columns: list[str]) -> bool:
    green = _green_space_columns(lookup)
    return any(column in green if source == "green_space" else column.startswith(source) for column in columns)


def _green_space_columns(lookup: Lookup) -> list[str]:
    columns = GreenSpace.__dataclass_fields__ if lookup.green_space else ()
    return [column for column in columns if column not in FIELDS]


# Reading


def blocks(table: Table, name: str) -> Iterator[list[list[str]]]:
    """Yield the rows in blocks of AT_ONCE, each row as long as the header."""
    width, n = len(table.header), len(table.above) + 2
    names = f"row {n - 1:,}" if table.above else "first row"
    while block := list(islice(table.rows, AT_ONCE)):
        for place, row in enumerate(block):
            if len(row) != width:
                if any(row[width:]):
                    raise RefusedError(f"Row {n + place:,} of {name} has {len(row)} cells, its {names} {width}.")
                block[place] = row[:width] + [""] * (width - len(row))
        n += len(block)
        yield block


def where_of(table: Table) -> str:
    """Return where the postcodes are, in words and numbers."""
    numbers = " and ".join(str(place + 1) for place in table.places)
    rows = "row that stays as it is" if len(table.above) == 1 else "rows that stay as they are"
    above = f", below {len(table.above)} {rows}" if table.above else ""
    return f"postcodes in column{'s' * (len(table.places) > 1)} {numbers}{above}"


# Writing


class Lines:
    """Where csv writes rows, each with its own end: csv quotes only the characters of the end that it was given."""

    def __init__(self, file: io.TextIOWrapper, end: str) -> None:
        self.file, self.end = file, end

    def write(self, row: str) -> None:
        """Write a row, which ends with a carriage return and a line feed."""
        self.file.write(row[:-2] + self.end)


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

    parser.add_argument(
        "table", metavar="TABLE", help="CSV, TSV, xlsx, xlsb, xls or ods with the names of its columns; or -"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="where the CSV goes; - is standard output"
    )
    parser.add_argument(
        "--postcode",
        metavar="COLUMN",
        help="name or number of the column of postcodes, or of the two of their halves: A,B; default: the one called"
        " so, or the only one that holds them",
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
    parser.add_argument("--quantile", metavar="N", help="adds data_quantile, the group out of N; 5 gives quintiles")
    parser.add_argument("--prefix", metavar="TEXT", default="imd_", help="what added names begin with; default: imd_")
    parser.add_argument("--encoding", metavar="NAME", type=codec, help="default: UTF-8, UTF-16 by its mark, or cp1252")
    parser.add_argument("--delimiter", metavar="CHARACTER", type=character, help="default: detected; tab is a tab")
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook; default: the first that is not hidden")
    parser.add_argument(
        "--database",
        metavar="FILE",
        type=Path,
        default=ROOT / "census.db",
        help="default: the census.db next to append.py",
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
