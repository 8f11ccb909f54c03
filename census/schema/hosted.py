"""Hosted data sets: tables that others offer, each a CSV and a small YAML in sources/hosted/.

How to offer one, and what the YAML says, is in docs/hosting.md. csvs-to-sqlite loads the CSV. By itself it drops what
it cannot read, takes "NA" for nothing and 00123 for 123, so the file is read with the csv module first, each cell is
handed over behind a mark that keeps it text, and what comes back is compared cell by cell.
"""

import contextlib
import re
import sqlite3
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

import yaml

from census.domain.codes import AREA_CODE
from census.domain.postcode import normalise
from census.domain.types import Record
from sources.postcode_directory import AUTHORITY
from sources.publication import Licence, Publication, SourceError, SourceFile, Table

if TYPE_CHECKING:
    pass

FOLDER = Path(__file__).resolve().parents[2] / "sources" / "hosted"
NAME = re.compile(r"[a-z][a-z0-9_]{1,59}")
SPECIAL = ("rowid", "oid", "current_date", "current_time", "current_timestamp", "true", "false")
NAMING = "2 to 60 small letters, digits and underscores, a letter first, and no word of SQL"
REQUIRED = ("title", "description", "source", "source_url", "licence", "licence_url", "attribution", "columns")
OPTIONAL = ("publisher", "edition", "conditions", "key")
JOINS = {
    "small_areas": "code",
    "lsoas_2021": "code",
    "local_authorities": "code",
    "postcodes": "postcode",
    "indices": "id",
}
FORMS: dict[str, tuple[str, Callable[[str], object]]] = {
    "small_areas": ("the code of an LSOA of 2011, data zone or SOA", AREA_CODE.fullmatch),
    "lsoas_2021": ("the code of an LSOA of 2021", AREA_CODE.fullmatch),
    "local_authorities": ("the code of a local authority, which a county (E10…) is not here", AUTHORITY.fullmatch),
    "postcodes": ("a postcode as ONS writes it (SW1A 1AA)", lambda text: normalise(text) == text),
    "indices": ("the id of an index", bool),
}


class HostedColumn(TypedDict):
    """What a data set's YAML says of a column."""

    type: str
    description: str
    joins: NotRequired[str]


class DataSet(TypedDict):
    """What a data set's YAML says."""

    title: str
    description: str
    source: str
    source_url: str
    licence: str
    licence_url: str
    attribution: str
    columns: dict[str, HostedColumn]
    publisher: NotRequired[str]
    edition: NotRequired[str]
    conditions: NotRequired[str]
    key: NotRequired[list[str]]


def _date(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:  # it takes 20260131 and 2026-W05-6 too
        raise ValueError
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"0|-?[1-9][0-9]*", text) or abs(int(text)) >= 2**63:
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) or Decimal(repr(float(text))) != Decimal(text):
        raise ValueError  # also for more digits than a number keeps
    return float(text)


TYPES: dict[str, tuple[type, Callable[[str], str | int | float]]] = {
    "text": (str, str),
    "integer": (int, _whole),
    "number": (float, _number),
    "date": (str, _date),
}
"""Type to its type in the table and how a cell is read. An empty cell is null in every column."""
HINTS = {
    "integer": "digits alone, as 17 or -4, no zero in front",
    "number": "digits and a point, as 3.5, no more of them than a number keeps",
    "date": "a day that exists, as 2026-01-31",
}


def data_sets(folder: Path = FOLDER) -> list[Publication]:
    """Return the data sets of `folder`, by name. Raises SourceError for a YAML that is not as docs/hosting.md says."""
    for path in sorted(folder.glob("*")):
        if path.suffix not in (".csv", ".yml"):
            raise SourceError(f"{path}: a data set is a .csv and a .yml, nothing else.")
        other = path.with_suffix(".yml" if path.suffix == ".csv" else ".csv")
        if not other.is_file():
            raise SourceError(f"{path.name} has no {other.name} beside it in {folder}.")
    return [_data_set(path) for path in sorted(folder.glob("*.yml"))]


def _data_set(path: Path) -> Publication:
    name, told = path.stem, described(path)
    columns = told["columns"]
    joined = {column: says["joins"] for column, says in columns.items() if says.get("joins")}
    table = Table(
        name,
        {column: TYPES[says["type"]][0] for column, says in columns.items()},
        primary_key=tuple(told.get("key") or ()),
        references={column: (other, JOINS[other]) for column, other in joined.items()},
        not_null=frozenset(told.get("key") or ()),
        indexes=tuple(joined),
        derived=True,
    )
    file = SourceFile(name, (f"{name}.csv",), None)
    return Publication(
        id=name,
        title=told["title"],
        publisher=told.get("publisher") or told["source"],
        edition=str(told.get("edition") or ""),
        page=told["source_url"],
        files=(file,),
        load=None,
        hosted=path.with_suffix(".csv"),
        tables=(table,),
        fills=(name,),
        attribution=told["attribution"],
        licence=Licence(told["licence"], told["licence_url"]),
        conditions=told.get("conditions"),
    )


def described(path: Path) -> DataSet:
    """Return what the YAML `path` says. Raises SourceError, naming the file and the entry, where it says too little."""
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path}: cannot be read (a text with a colon in it needs quotes): {error}") from error
    problem = _problem(path.stem, told)
    if problem:
        raise SourceError(f"{path}: {problem}")
    checked: DataSet = told
    return checked


def _problem(name: str, told: object) -> str | None:
    """Return what is wrong with what the YAML of the data set `name` says, or None."""
    if not isinstance(told, dict):
        return f"expected entries such as title and licence, found {type(told).__name__}."
    if not usable(name) or "_fts" in name:
        return f"its name becomes a table's: {NAMING}."
    if unknown := sorted(set(told) - {*REQUIRED, *OPTIONAL}):
        return f"unknown entry {', '.join(unknown)}. There are {', '.join((*REQUIRED, *OPTIONAL))}."
    if problem := _entry_problem(told):
        return problem
    if not isinstance(told["columns"], dict):
        return "columns must be entries of column name to type and description."
    for column, says in told["columns"].items():
        if problem := _column_problem(column, says):
            return f"column {column}{problem}" if usable(str(column)) else f"column {column!r}{problem}"
    return _key_problem(told)


def _entry_problem(told: Record) -> str | None:
    """Return what is wrong with the entries that are texts, or None."""
    for entry in REQUIRED:
        if not told.get(entry) or not str(told[entry]).strip():
            return f"{entry} is missing."
    for entry in set(told) - {"columns", "key"}:
        if not isinstance(told[entry], str):
            return f"{entry} must be a text: put it between quotes ({entry}: '…')."
    for entry in ("source_url", "licence_url"):
        if not re.fullmatch(r"https?://\S+", told[entry]):
            return f"{entry} must be an address (https://…), found {told[entry]!r}."
    return None


def _key_problem(told: Record) -> str | None:
    """Return what is wrong with the key, or None."""
    key = told.get("key") or []
    if not isinstance(key, list):
        return f"key must be a list of columns ([{next(iter(told['columns']))}]), found {key!r}."
    if unknown := [str(column) for column in key if str(column) not in told["columns"]]:
        return f"key names {', '.join(unknown)}, which is not among the columns."
    return None


def _column_problem(column: object, says: object) -> str | None:
    """Return what is wrong with what a YAML says of a column, or None."""
    if not usable(str(column)):
        return f": a name has {NAMING}."
    if not isinstance(says, dict) or not says.get("description"):
        return " has no description."
    if str(says.get("type")) not in TYPES:
        return f": type must be one of {', '.join(TYPES)}, found {says.get('type')!r}."
    if unknown := sorted(set(says) - {"type", "description", "joins"}):
        return f": unknown entry {', '.join(unknown)}."
    if str(says.get("joins")) not in ("None", *JOINS):
        return f": joins must be one of {', '.join(JOINS)}, found {says['joins']!r}."
    if says.get("joins") and says["type"] != "text":
        return ": a column that joins is of type text."
    return None


def usable(name: str) -> bool:
    """Return whether `name` may name a table or column in anyone's SQL, without quotes."""
    if not NAME.fullmatch(name) or name in SPECIAL or name.startswith("idx_"):
        return False
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"create table {name} ({name})")
        except sqlite3.OperationalError:
            return False
    return True


def describe(metadata: Record, folder: Path = FOLDER) -> Record:
    """Add the descriptions of the data sets of `folder` to `metadata` (metadata.yml, read), and returns it."""
    tables = metadata["databases"]["census"]["tables"]
    for publication in data_sets(folder):
        told = described(folder / f"{publication.id}.yml")
        if publication.id in metadata["databases"]["census"].get("queries", {}):
            raise SourceError(f"{folder / publication.id}.yml: there is a query {publication.id}, at the same address.")
        tables[publication.id] = {
            "title": told["title"],
            "description": told["description"],
            "license": told["licence"],
            "license_url": told["licence_url"],
            "source": told["source"],
            "source_url": told["source_url"],
            "about": "A hosted data set",
            "about_url": told["source_url"],
            "columns": {column: says["description"] for column, says in told["columns"].items()},
        }
    return metadata
