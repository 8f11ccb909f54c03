"""Load the hosted data sets, through csvs-to-sqlite."""

import contextlib
import csv
import io
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sources.publication import Publication, SourceError

if TYPE_CHECKING:
    from census.build.database import Build
from census.schema.hosted import FORMS, HINTS, JOINS, TYPES, DataSet, described

MARK = "="

MOST_PROBLEMS = 20  # of a file, that are told at once

MOST_IN_A_ROW = 10_000  # bytes: the server reads none above 16,384 (plugins/safe_sql.py)


def load(build: "Build", publication: Publication) -> int:
    """Fill the table of a hosted data set; returns the number of rows read.

    Rows that join an area or a postcode which an extract does not hold are left out, as in every table, and so are rows
    that join a publication which was left out of the build; `build.say` tells of them.
    Raises SourceError with file, line and column for all that cannot be read, is not of its type, or joins nothing.
    """
    assert publication.hosted is not None
    file = publication.hosted
    told = described(file.with_suffix(".yml"))
    columns = told["columns"]
    lines, cells = read(file, list(columns))
    _compare(file, list(columns), cells, through_csvs_to_sqlite(file.stem, list(columns), cells))
    [part] = build.db.conn.execute("select scope = 'extract' from edition").fetchone()
    seen: dict[tuple[object, ...], int] = {}
    kept, problems, unheld = [], [], []
    for line, row in zip(lines, cells, strict=True):
        values, wrong, missing = _values(build, told, row, bool(part))
        key = tuple(values[column] for column in told.get("key") or () if column in values)  # 1 and 1.0 are one number
        if key and (None in key or key in seen):
            problem = f"{', '.join(map(str, key))} is in line {seen[key]} already" if key in seen else "empty"
            wrong.append(f", column {', '.join(told['key'])}: {problem}, and this is the key.")
        if len(key) == len(told.get("key") or ()):
            seen.setdefault(key, line)
        problems += [f"{file}, line {line}{problem}" for problem in wrong]
        if missing:
            unheld.append(f"line {line}, {missing}")
        else:
            kept.append(tuple(values.get(column) for column in columns))
    if problems:
        more = [f"And {len(problems) - MOST_PROBLEMS:,} more."] if len(problems) > MOST_PROBLEMS else []
        raise SourceError("\n".join([*problems[:MOST_PROBLEMS], *more]))
    if unheld:
        build.say(
            f"{file.name}: {len(unheld):,} of {len(cells):,} rows are left out, for this database, a part, does not"
            f" hold what they join, or it does not exist (only --full can tell): {'; '.join(unheld[:MOST_PROBLEMS])}"
        )
    build.insert(file.stem, list(columns), kept)
    return len(cells)


def _values(build: "Build", told: DataSet, row: list[str], part: bool) -> tuple[dict[str, object], list[str], str]:
    """Return a row's values by column, what is wrong with it, and which cell joins what a `part` lacks."""
    values: dict[str, object] = {}
    wrong, missing = [], ""
    if not any(cell.strip() for cell in row):
        wrong.append(": all of its cells are empty. Delete the line.")
    if (size := sum(len(cell.encode()) for cell in row)) > MOST_IN_A_ROW:
        wrong.append(f": a row of {size:,} bytes; {MOST_IN_A_ROW:,} are allowed.")
    for (column, says), cell in zip(told["columns"].items(), row, strict=True):
        try:
            values[column] = TYPES[says["type"]][1](cell) if cell else None
        except ValueError:
            hint = HINTS[says["type"]]
            wrong.append(f", column {column}: expected {says['type']}, found {cell[:40]!r} ({hint}; empty is null).")
            continue
        if cell and says.get("joins"):
            try:
                if not _joined(build, says["joins"], cell, part):
                    missing = missing or f"column {column}, {cell}"
            except SourceError as error:
                wrong.append(f", column {column}: {error}")
    return values, wrong, missing


def _joined(build: "Build", table: str, cell: str, part: bool) -> bool:
    """Return whether what `cell` joins is in the database; False only where the database is a part.

    Raises SourceError.
    """
    form, fits = FORMS[table]
    if not fits(cell):
        raise SourceError(f"expected {form}, found {cell[:40]!r}")
    if build.db.conn.execute(f"select 1 from {table} where {JOINS[table]} = ?", (cell,)).fetchone():
        return True
    there = build.db.conn.execute(f"select exists (select 1 from {table})").fetchone()[0]
    if (part and table in ("small_areas", "lsoas_2021", "postcodes")) or not there:
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
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            cli.main([str(marked), str(stored), "--just-strings", "--table", name], standalone_mode=False)
        connection = sqlite3.connect(stored)
        try:
            rows = connection.execute(f"select {', '.join(columns)} from {name} order by rowid").fetchall()
        except sqlite3.OperationalError as error:
            raise SourceError(f"{name}.csv: csvs-to-sqlite made no table of it: {said.getvalue().strip()}") from error
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
