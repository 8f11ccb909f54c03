"""Load the hosted data sets, through csvs-to-sqlite.

By itself csvs-to-sqlite drops what it cannot read, takes "NA" for nothing and 00123 for 123. So the file is read with
the csv module first, each cell is handed over behind a mark that keeps it text, and what comes back is compared cell by
cell before it is converted to the types of the description.
"""

import contextlib
import csv
import io
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from census.schema.data_package import JOINS
from census.schema.hosted import FORMS, HINTS, TYPES, Column, DataSet, described
from sources.publication import Publication, SourceError

if TYPE_CHECKING:
    from census.build.database import Build

MARK = "="
MOST_PROBLEMS = 20  # of a file, in one message
MOST_IN_A_ROW = 10_000  # bytes: the server reads none above 16,384 (plugins/safe_sql.py)


@dataclass
class CheckedRow:
    """A row of a data set: its values by column, what is wrong with it, and which cell refers to what is not here.

    problems: each what follows "FILE, line N" in a sentence.
    """

    values: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    missing: str = ""


def load(build: "Build", publication: Publication) -> int:
    """Fill the table of a hosted data set; return the number of rows read.

    Rows that refer to an area or a postcode which an extract does not hold are left out, as in every table, and so are
    rows that refer to a publication which was left out of the build; `build.say` lists them.
    Raises SourceError with file, line and column for all that cannot be read, is not of its type, violates a constraint
    or refers to nothing.
    """
    assert publication.hosted is not None
    file, data_set = publication.hosted, described(publication.hosted)
    names = list(data_set.columns)
    lines, cells = read(file, names)
    stored = through_csvs_to_sqlite(file.stem, names, cells)
    _compare(file, names, cells, stored)
    [part] = build.db.conn.execute("select scope = 'extract' from edition").fetchone()
    first_lines = [FirstLines(data_set.key, True)]
    first_lines += [FirstLines((name,), False) for name, column in data_set.columns.items() if column.unique]
    kept, problems, left_out = [], [], []
    for line, row in zip(lines, stored, strict=True):
        checked = _check_row(build, data_set, row, bool(part))
        checked.problems += filter(None, (first_line.problem(checked.values, line) for first_line in first_lines))
        problems += [f"{file}, line {line}{problem}" for problem in checked.problems]
        if checked.missing:
            left_out.append(f"line {line}, {checked.missing}")
        else:
            kept.append(tuple(checked.values.get(name) for name in names))
    if problems:
        more = [f"And {len(problems) - MOST_PROBLEMS:,} more."] if len(problems) > MOST_PROBLEMS else []
        raise SourceError("\n".join([*problems[:MOST_PROBLEMS], *more]))
    if left_out:
        build.say(
            f"{file.name}: {len(left_out):,} of {len(cells):,} rows are left out, for this database, a part, does not"
            f" hold what they join, or it does not exist (only --full can tell): {'; '.join(left_out[:MOST_PROBLEMS])}"
        )
    build.insert(file.stem, names, kept)
    return len(cells)


class FirstLines:
    """In which line each value of some columns comes first: of the key, or of a unique column."""

    def __init__(self, columns: tuple[str, ...], is_key: bool) -> None:
        self.columns, self.is_key = columns, is_key
        self._lines: dict[tuple[object, ...], int] = {}

    def problem(self, values: dict[str, object], line: int) -> str:
        """Note the values of a line; return what is wrong with them, or nothing. Values that differ in form are one."""
        key = tuple(values[column] for column in self.columns if column in values)  # 1 and 1.0 are one number
        problem = ""
        if None in key:
            problem = "empty" if self.is_key else ""
        elif key in self._lines and key:
            problem = f"{', '.join(map(str, key))} is in line {self._lines[key]} already"
        if len(key) == len(self.columns):
            self._lines.setdefault(key, line)
        rule = "this is the key" if self.is_key else "this is unique"
        return f", column {', '.join(self.columns)}: {problem}, and {rule}." if problem else ""


def _check_row(build: "Build", data_set: DataSet, row: list[str], part: bool) -> CheckedRow:
    """Return a row's values as its columns' types. part: whether the database is one, which lacks areas."""
    checked = CheckedRow()
    if not any(cell.strip() for cell in row):
        checked.problems.append(": all of its cells are empty. Delete the line.")
    if (size := sum(len(cell.encode()) for cell in row)) > MOST_IN_A_ROW:
        checked.problems.append(f": a row of {size:,} bytes; {MOST_IN_A_ROW:,} are allowed.")
    for (name, column), cell in zip(data_set.columns.items(), row, strict=True):
        try:
            checked.values[name] = value = _value(column, cell)
            if column.joins and value is not None and not _joined(build, column.joins, cell, part):
                checked.missing = checked.missing or f"column {name}, {cell}"
        except SourceError as error:
            checked.problems.append(f", column {name}: {error}")
    return checked


def _value(column: Column, cell: str) -> object:
    """Return the value of a cell, None where it is empty. Raises SourceError."""
    if not cell:
        if column.required:
            raise SourceError("empty, and a value is required.")
        return None
    try:
        value = TYPES[column.type][1](cell)
    except ValueError:
        expected = f"expected {column.type}, found {cell[:40]!r}"
        raise SourceError(f"{expected} ({HINTS[column.type]}; empty is null).") from None
    for name, constraint in column.constraints.items():
        if not constraint.fulfilled(value):
            raise SourceError(f"expected {constraint.expected} ({name}), found {cell[:40]!r}.")
    return value


def _joined(build: "Build", table: str, cell: str, part: bool) -> bool:
    """Return whether what `cell` refers to is in the database; False only where the database is a part of the UK.

    Raises SourceError.
    """
    form, fits = FORMS[table]
    if not fits(cell):
        raise SourceError(f"expected {form}, found {cell[:40]!r}")
    if build.db.conn.execute(f"select 1 from {table} where {JOINS[table]} = ?", (cell,)).fetchone():
        return True
    loaded = build.db.conn.execute(f"select exists (select 1 from {table})").fetchone()[0]
    if (part and table in ("small_areas", "lsoas_2021", "postcodes")) or not loaded:
        return False
    raise SourceError(f"{cell} is not in {table}, so it joins nothing.")


def read(file: Path, columns: list[str]) -> tuple[list[int], list[list[str]]]:
    """Return the line numbers and cells of the CSV `file`, whose header must be `columns`. Raises SourceError."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise SourceError(f"{file}, line {line}: not UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, cells, start = [], [], 1
    try:
        for row in reader:
            if start == 1 and row != columns:
                hint = " (commas must stand between them)" if len(row) == 1 < len(columns) else ""
                raise SourceError(f"{file}, line 1: expected {', '.join(columns)}; found {', '.join(row)}{hint}")
            if len(row) < len(columns):
                raise SourceError(f"{file}, line {start}, column {columns[len(row)]}: the line ends before it.")
            if len(row) > len(columns):
                raise SourceError(f"{file}, line {start}: there are cells after the last column, {columns[-1]}.")
            for column, cell in zip(columns, row, strict=True):
                if "\0" in cell:
                    raise SourceError(f"{file}, line {start}, column {column}: a character that is no text.")
            if start > 1:
                lines.append(start)
                cells.append(row)
            start = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(f"{file}, line {start}: {error}") from error
    if not cells:
        raise SourceError(f"{file}: no rows.")
    return lines, cells


def through_csvs_to_sqlite(name: str, columns: list[str], cells: list[list[str]]) -> list[list[str]]:
    """Return the cells as csvs-to-sqlite stored them; a mark before each kept it from taking any for a null."""
    from csvs_to_sqlite.cli import cli  # pandas takes a second to import

    with tempfile.TemporaryDirectory() as folder:
        marked, stored = Path(folder, f"{name}.csv"), Path(folder, "stored.db")
        with marked.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(columns)
            writer.writerows([[MARK + cell for cell in row] for row in cells])
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            cli.main([str(marked), str(stored), "--just-strings", "--table", name], standalone_mode=False)
        connection = sqlite3.connect(stored)
        try:
            rows = connection.execute(f"select {', '.join(columns)} from {name} order by rowid").fetchall()
        except sqlite3.OperationalError as error:
            raise SourceError(f"{name}.csv: csvs-to-sqlite made no table of it: {output.getvalue().strip()}") from error
        finally:
            connection.close()
    return [[(cell or "").removeprefix(MARK) for cell in row] for row in rows]


def _compare(file: Path, columns: list[str], cells: list[list[str]], stored: list[list[str]]) -> None:
    if len(cells) != len(stored):
        raise SourceError(f"{file}: {len(cells)} rows were read and {len(stored)} stored.")
    for number, (row, other) in enumerate(zip(cells, stored, strict=True), 1):
        for column, cell, kept in zip(columns, row, other, strict=True):
            if cell != kept:
                raise SourceError(f"{file}, row {number}, column {column}: {cell[:40]!r} was stored as {kept[:40]!r}.")
