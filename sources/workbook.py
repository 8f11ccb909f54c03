"""Tables out of csv, xls, xlsx, ods and GeoJSON files, all alike.

The header is found by its labels, wherever it stands and whatever white space is in it; values are converted to the
column's type, and what cannot be is refused with file, sheet, row and label.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Number
from pathlib import Path

from census.domain.types import Row
from sources.publication import SourceError
from sources.workbook_reader import SheetMissingError, WorkbookError, sheets

HEADER_SEARCH_ROWS = 30

Grid = Sequence[Sequence[object]]
"""The cells of a sheet, row by row."""


@dataclass(frozen=True)
class Column:
    """A column to read: the labels it may stand under (any one of them), and its type, as of a table's column."""

    type: type
    labels: tuple[str, ...]


def column(type_: type, *labels: str) -> Column:
    """Return a column of `type_` under any of `labels`; a label of a two-row header is "upper | lower"."""
    return Column(type_, labels)


def label(text: object) -> str:
    """Return a label as it is compared: one space between words, no case, no byte-order mark."""
    return " ".join(str(text).replace("\ufeff", " ").split()).casefold()


def rows(
    path: Path, data: bytes, columns: dict[str, Column], sheet: str | None = None, header_rows: int = 1
) -> Iterator[Row]:
    """Return the rows of `columns`, in their order and typed; blank cells are None, blank rows are passed over.

    path: the file's name says what it is (.csv, .xls, .xlsx, .ods, .geojson). data: its bytes.
    sheet: a workbook's sheet; None takes the one sheet that holds the labels.
    header_rows: 2 for a header of groups over columns.
    Raises SourceError, naming file, sheet and label, for a label that is missing or there twice, and naming the row
    and the cell for a value that is not of its type.
    """
    found, misses = [], []
    for name, grid in _sheets(path, data, sheet):
        where = f"{path.name}, sheet {name!r}" if name else path.name
        first, places, complaint = _header(grid, columns, header_rows)
        if complaint:
            misses.append((len(places), f"{where}: {complaint}"))
        else:
            found.append((grid, first, places, columns, where))
    if not found or any(seen == len(columns) for seen, _ in misses):  # all labels, but one of them twice
        raise SourceError(max(misses)[1])
    if len(found) > 1:
        raise SourceError(f"{path.name}: the labels stand in several sheets ({', '.join(f[-1] for f in found)})")
    return _typed(*found[0])


def _sheets(path: Path, data: bytes, sheet: str | None) -> Iterator[tuple[str | None, Grid]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        yield None, _csv_grid(path, data)
    elif suffix in (".geojson", ".json"):
        yield None, _feature_grid(path, data)
    elif suffix in (".xls", ".xlsx", ".ods"):
        try:
            with sheets(data, sheet, every=True, loose=True) as every:
                for one in every:
                    yield one.name, list(one.rows)
        except SheetMissingError as error:
            there = ", ".join(map(repr, error.sheets))
            raise SourceError(f"{path.name} has no sheet {sheet!r}; it has {there}") from None
        except WorkbookError as error:
            raise SourceError(f"{path.name} {error}") from None
    else:
        raise SourceError(f"{path.name}: expected a name that ends in .csv, .xls, .xlsx, .ods or .geojson")


def decode(data: bytes) -> str:
    """Return text in UTF-8, with or without a byte-order mark, otherwise in Windows-1252."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _csv_grid(path: Path, data: bytes) -> Grid:
    try:
        return list(csv.reader(io.StringIO(decode(data), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} is not a readable CSV file: {error}") from error


def _feature_grid(path: Path, data: bytes) -> Grid:
    try:
        properties = [feature["properties"] for feature in json.loads(data)["features"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path.name} is not a GeoJSON feature collection: {error}") from error
    keys = list(dict.fromkeys(key for p in properties for key in p))
    return [keys] + [["" if p.get(key) is None else p[key] for key in keys] for p in properties]


def _header(grid: Grid, columns: dict[str, Column], header_rows: int) -> tuple[int, list[int], str | None]:
    """Return the first row of data, the place of each column found, and what is wrong with the header, or None."""
    best: tuple[int, list[int], str | None] = (0, [], "the file is empty")
    for top in range(min(HEADER_SEARCH_ROWS, len(grid) - header_rows + 1)):
        labels = _labels(grid[top : top + header_rows])
        places, complaints = [], []
        for wanted in columns.values():
            found = [i for i, text in enumerate(labels) if text in {label(x) for x in wanted.labels}]
            places += found[:1]
            if not found:
                complaints.append(f"label {wanted.labels[0]!r} is missing")
            elif len(found) > 1:
                complaints.append(f"label {wanted.labels[0]!r} stands there {len(found)} times")
        if not complaints:
            return top + header_rows, places, None
        if not best[0] or len(places) > len(best[1]):
            best = (top + header_rows, places, "; ".join(complaints[:5]))
    return best


def _labels(header: Grid) -> list[str]:
    if len(header) == 1:
        return [label(cell) for cell in header[0]]
    upper, lower = header
    group, labels = "", []
    for i, cell in enumerate(lower):
        over = label(upper[i]) if i < len(upper) else ""
        group = over or group
        below = label(cell)
        labels.append(f"{group} | {below}" if below else over)
    return labels


def _typed(grid: Grid, first: int, places: list[int], columns: dict[str, Column], where: str) -> Iterator[Row]:
    wanted = [(_CONVERT[c.type], place) for c, place in zip(columns.values(), places, strict=True)]
    for number, row in enumerate(grid[first:], first + 1):
        filled = (cell for cell in row if not _blank(cell))
        if next(filled, None) is None or next(filled, None) is None:  # blank, or a footnote
            continue
        try:
            values = tuple([convert(row[place]) for convert, place in wanted])
        except (ValueError, IndexError):
            raise SourceError(f"{where}, row {number}{_fault(row, places, columns)}") from None
        yield values


def _fault(row: Sequence[object], places: list[int], columns: dict[str, Column]) -> str:
    """Return which of the wanted cells of a row cannot be read, and why."""
    for column, place in zip(columns.values(), places, strict=True):
        if place >= len(row):
            return f": it ends before {column.labels[0]!r}"
        try:
            _CONVERT[column.type](row[place])
        except ValueError as error:
            return f", {column.labels[0]!r}: {error}"
    raise AssertionError("one of them cannot be read")


def _blank(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, str) and cell.isspace())


def text(cell: object) -> str | None:
    """Return a cell's text with one space between words, None where blank."""
    if isinstance(cell, str):
        return " ".join(cell.split()) or None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(str(cell).split()) or None


_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def real(cell: object) -> float | None:
    """Return a cell's number, None where blank.

    Raises ValueError for anything else, infinities and percentages included.
    """
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, str) and _NUMBER.fullmatch(cell):
        bare = cell
    elif _blank(cell):
        return None
    else:
        bare = str(cell).strip()
        if _THOUSANDS.fullmatch(bare):
            bare = bare.replace(",", "")
        if not _NUMBER.fullmatch(bare):
            raise ValueError(f"expected a number, found {str(cell)[:40]!r}")
    value = float(bare)
    if not math.isfinite(value):
        raise ValueError(f"expected a number, found {bare[:40]!r}")
    return value


def integer(cell: object) -> int | None:
    """Return a cell's whole number, None where blank. Raises ValueError for anything else."""
    if isinstance(cell, str) and len(cell) < 16 and cell.isascii() and cell.isdigit():
        return int(cell)
    value = real(cell)
    if value is None:
        return None
    if not value.is_integer():
        raise ValueError(f"expected a whole number, found {str(cell)[:40]!r}")
    return int(value)


_CONVERT: dict[type, Callable[[object], str | int | float | None]] = {
    str: text,
    int: integer,
    float: real,
    Number: real,
}
