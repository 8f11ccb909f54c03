"""Read tables from csv, xls, xlsx, ods and GeoJSON files.

The header is searched for by its labels, in any of the first rows and with any white space; values are converted to the
column's type, and a value that cannot be is refused with file, sheet, row and label.
"""

import csv
import io
import json
import math
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Number
from operator import itemgetter
from pathlib import Path
from typing import Any

from census.domain.types import NamedRow, Row
from sources.publication import SourceError
from sources.workbook_reader import SheetMissingError, WorkbookError, sheets

HEADER_SEARCH_ROWS = 30

Grid = Sequence[Sequence[object]]
"""The cells of a sheet, row by row."""


@dataclass(frozen=True)
class Column:
    """A column to read: the labels that it may have (any one of them), and its type, as of a table's column."""

    type: type
    labels: tuple[str, ...]


def column(type_: type, *labels: str) -> Column:
    """Return a column of `type_` under any of `labels`; a label of a two-row header is "upper | lower"."""
    return Column(type_, labels)


def label(text: object) -> str:
    """Return a label as it is compared: one space between words, no case, no byte-order mark."""
    return " ".join(str(text).replace("\ufeff", " ").split()).casefold()


class Rows(list[NamedRow]):
    """The rows of a table that was read: named tuples, whose fields are `columns` in this order."""

    def __init__(self, columns: Iterable[str], cells: Iterable[Row]) -> None:
        self.columns = tuple(columns)
        make_row: Any = namedtuple("Row", self.columns)._make  # type: ignore[attr-defined]
        super().__init__(map(make_row, cells))

    def select(self, *columns: str) -> Iterator[Row]:
        """Yield the cells of these columns of each row, in this order. Raises KeyError for an unknown column."""
        place_of = {column: place for place, column in enumerate(self.columns)}
        places = [place_of[column] for column in columns]
        return map(itemgetter(*places), self) if len(places) > 1 else ((row[places[0]],) for row in self)


def rows(path: Path, data: bytes, columns: dict[str, Column], sheet: str | None = None, header_rows: int = 1) -> Rows:
    """Return the rows of `columns`, typed; blank cells are None, blank rows and footnotes are left out.

    path: the file's name gives its format (.csv, .xls, .xlsx, .ods, .geojson). data: its bytes.
    sheet: a workbook's sheet; None takes the one sheet that has the labels.
    header_rows: 2 for a header of groups above columns.
    Raises SourceError, naming file, sheet and label, for a label that is missing or duplicated, and naming the row
    and the cell for a value that is not of its type.
    """
    tables, misses = [], []
    for name, grid in _sheets(path, data, sheet):
        where = f"{path.name}, sheet {name!r}" if name else path.name
        first, places, complaint = _header(grid, columns, header_rows)
        if complaint:
            misses.append((len(places), f"{where}: {complaint}"))
        else:
            tables.append((grid, first, places, columns, where))
    if not tables or any(labels == len(columns) for labels, _ in misses):  # all labels, but one of them twice
        raise SourceError(max(misses)[1])
    if len(tables) > 1:
        raise SourceError(f"{path.name}: the labels stand in several sheets ({', '.join(t[-1] for t in tables)})")
    return Rows(columns, _typed(*tables[0]))


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
    """Return the first row of data, the places of the columns, and what is wrong with the header, or None."""
    best: tuple[int, list[int], str | None] = (0, [], "the file is empty")
    for top in range(min(HEADER_SEARCH_ROWS, len(grid) - header_rows + 1)):
        labels = _labels(grid[top : top + header_rows])
        places, complaints = [], []
        for column_ in columns.values():
            accepted = {label(text) for text in column_.labels}
            matches = [place for place, text in enumerate(labels) if text in accepted]
            places += matches[:1]
            if not matches:
                complaints.append(f"label {column_.labels[0]!r} is missing")
            elif len(matches) > 1:
                complaints.append(f"label {column_.labels[0]!r} stands there {len(matches)} times")
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
    conversions = [(_CONVERT[c.type], place) for c, place in zip(columns.values(), places, strict=True)]
    for number, row in enumerate(islice(grid, first, None), first + 1):
        filled = (cell for cell in row if not _blank(cell))
        if next(filled, None) is None or next(filled, None) is None:  # blank, or a footnote
            continue
        try:
            values = tuple([convert(row[place]) for convert, place in conversions])
        except (ValueError, IndexError):
            raise SourceError(f"{where}, row {number}{_fault(row, places, columns)}") from None
        yield values


def _fault(row: Sequence[object], places: list[int], columns: dict[str, Column]) -> str:
    """Return which cell of a row cannot be read, and why."""
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
