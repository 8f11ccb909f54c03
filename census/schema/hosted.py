"""Describe the hosted data sets: tables that others contribute, each a CSV and its description in sources/hosted/.

How to contribute one is in docs/hosting.md. The description is a Data Package with a Table Schema
(NAME.datapackage.yaml or .json, see `census.schema.data_package`); the YAML of before (NAME.yml, with entries as in
`REQUIRED`) is accepted too, until version 0.4. `census.build.hosting` loads the CSV.
"""

import contextlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import yaml

from census.domain.codes import AREA_CODE
from census.domain.postcode import normalise
from census.domain.types import Record
from census.schema import data_package
from census.schema.data_package import JOINS, Constraint, DescriptionError
from sources.postcode_directory import AUTHORITY
from sources.publication import Licence, Publication, SourceError, SourceFile, Table

FOLDER = Path(__file__).resolve().parents[2] / "sources" / "hosted"
PACKAGE, OLD = (".datapackage.yaml", ".datapackage.json"), ".yml"
NAME = re.compile(r"[a-z][a-z0-9_]{1,59}")
SPECIAL = ("rowid", "oid", "current_date", "current_time", "current_timestamp", "true", "false")
NAMING = "2 to 60 small letters, digits and underscores, a letter first, and no word of SQL"
REQUIRED = ("title", "description", "source", "source_url", "licence", "licence_url", "attribution", "columns")
OPTIONAL = ("publisher", "edition", "conditions", "key")
FORMS: dict[str, tuple[str, Callable[[str], object]]] = {
    "small_areas": ("the code of an LSOA of 2011, data zone or SOA", AREA_CODE.fullmatch),
    "lsoas_2021": ("the code of an LSOA of 2021", AREA_CODE.fullmatch),
    "local_authorities": ("the code of a local authority, which a county (E10…) is not here", AUTHORITY.fullmatch),
    "postcodes": ("a postcode as ONS writes it (SW1A 1AA)", lambda text: normalise(text) == text),
    "indices": ("the id of an index", bool),
}


@dataclass(frozen=True)
class Column:
    """A column of a data set.

    type: a key of `TYPES`. joins: the table whose key its cells are, a key of `JOINS`. required: no cell is empty.
    unique: no two cells are equal. constraints: by name, what each cell must fulfil.
    """

    type: str
    description: str
    joins: str | None = None
    required: bool = False
    unique: bool = False
    constraints: dict[str, Constraint] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """What the description of a data set says. key: the columns by which a row is identified."""

    title: str
    description: str
    source: str
    source_url: str
    licence: str
    licence_url: str
    attribution: str
    columns: dict[str, Column]
    publisher: str | None = None
    edition: str | None = None
    conditions: str | None = None
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """The words of a form of descriptions: its labels of entries, and its types with those of `TYPES`."""

    labels: dict[str, str]
    types: dict[str, str]

    def label(self, entry: str) -> str:
        """Return what the form calls an entry of `REQUIRED` or `OPTIONAL`."""
        return self.labels.get(entry, entry)


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


PACKAGE_FORM = Form(data_package.LABELS, data_package.TYPES)
OLD_FORM = Form({}, {type_: type_ for type_ in TYPES})


def data_sets(folder: Path = FOLDER) -> list[Publication]:
    """Return the data sets of `folder`, by name. Raises SourceError for a description that is not as it must be."""
    for path in sorted(folder.glob("*")):
        suffix = path.name[len(_name(path)) :]
        if suffix not in (".csv", OLD, *PACKAGE):
            raise SourceError(f"{path}: a data set is a .csv and a {PACKAGE[0]}, nothing else.")
        if suffix != ".csv" and not path.with_name(f"{_name(path)}.csv").is_file():
            raise SourceError(f"{path.name} has no {_name(path)}.csv next to it in {folder}.")
    return [_publication(path) for path in sorted(folder.glob("*.csv"))]


def _name(path: Path) -> str:
    """Return the name of the data set that a file belongs to."""
    return path.name.split(".", maxsplit=1)[0]


def description_of(csv: Path) -> Path:
    """Return the description next to the CSV of a data set. Raises SourceError where there is none, or two."""
    paths = [path for suffix in (*PACKAGE, OLD) if (path := csv.with_name(f"{_name(csv)}{suffix}")).is_file()]
    if not paths:
        raise SourceError(f"{csv.name} has no {_name(csv)}{PACKAGE[0]} next to it in {csv.parent}.")
    if len(paths) > 1:
        raise SourceError(f"{csv.parent}: {' and '.join(path.name for path in paths)} describe one CSV. Delete one.")
    return paths[0]


def _publication(csv: Path) -> Publication:
    """Return the publication of a data set, with its table."""
    name, data_set = _name(csv), described(csv)
    joined = {name: column.joins for name, column in data_set.columns.items() if column.joins}
    table = Table(
        name,
        {name: TYPES[column.type][0] for name, column in data_set.columns.items()},
        primary_key=data_set.key,
        references={column: (other, JOINS[other]) for column, other in joined.items()},
        not_null=frozenset(data_set.key),
        indexes=tuple(joined),
        derived=True,
    )
    return Publication(
        id=name,
        title=data_set.title,
        publisher=data_set.publisher or data_set.source,
        edition=data_set.edition or "",
        page=data_set.source_url,
        files=(SourceFile(name, (f"{name}.csv",), None),),
        load=None,
        hosted=csv,
        tables=(table,),
        fills=(name,),
        attribution=data_set.attribution,
        licence=Licence(data_set.licence, data_set.licence_url),
        conditions=data_set.conditions,
    )


def described(csv: Path) -> DataSet:
    """Return what the description of a CSV says. Raises SourceError, naming the file and the entry that is wrong."""
    path = description_of(csv)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path}: cannot be read (a text with a colon in it needs quotes): {error}") from error
    try:
        return _data_set(_name(csv), content, OLD_FORM if path.name.endswith(OLD) else PACKAGE_FORM)
    except DescriptionError as error:
        raise SourceError(f"{path}: {error}") from None


def _data_set(name: str, content: object, form: Form) -> DataSet:
    """Return the data set `name` that `content` describes. Raises DescriptionError."""
    if not isinstance(content, dict):
        raise DescriptionError(f"expected entries such as title and licence, found {type(content).__name__}.")
    if not usable(name) or "_fts" in name:
        raise DescriptionError(f"its name becomes a table's: {NAMING}.")
    entries = data_package.entries_of(content, name) if form is PACKAGE_FORM else content
    if unknown := sorted(set(entries) - {*REQUIRED, *OPTIONAL}):
        raise DescriptionError(f"unknown entry {', '.join(unknown)}. There are {', '.join((*REQUIRED, *OPTIONAL))}.")
    _check_texts(entries, form)
    if not isinstance(entries["columns"], dict):
        raise DescriptionError("columns must be entries of column name to type and description.")
    columns = {name: _column(name, column, form) for name, column in entries["columns"].items()}
    key = _key(entries, form)
    texts = {entry: text for entry, text in entries.items() if entry not in ("columns", "key")}
    return DataSet(**texts, columns=columns, key=key)


def _check_texts(entries: Record, form: Form) -> None:
    """Raise DescriptionError where an entry is missing, or one that must be a text is none."""
    for entry in REQUIRED:
        if not entries.get(entry) or not str(entries[entry]).strip():
            raise DescriptionError(f"{form.label(entry)} is missing.")
    for entry in set(entries) - {"columns", "key"}:
        if not isinstance(entries[entry], str):
            label = form.label(entry)
            raise DescriptionError(f"{label} must be a text: put it between quotes ({label}: '…').")
    for entry in ("source_url", "licence_url"):
        if not re.fullmatch(r"https?://\S+", entries[entry]):
            raise DescriptionError(f"{form.label(entry)} must be an address (https://…), found {entries[entry]!r}.")


def _key(entries: Record, form: Form) -> tuple[str, ...]:
    """Return the columns of the key. Raises DescriptionError."""
    key = entries.get("key") or []
    label = form.label("key")
    if not isinstance(key, list):
        raise DescriptionError(
            f"{label} must be a list of columns ([{next(iter(entries['columns']))}]), found {key!r}."
        )
    if unknown := [str(column) for column in key if str(column) not in entries["columns"]]:
        raise DescriptionError(f"{label} names {', '.join(unknown)}, which is not among the columns.")
    return tuple(key)


def _column(name: object, entries: object, form: Form) -> Column:
    """Return a column as its description says. Raises DescriptionError."""
    if not usable(str(name)):
        raise DescriptionError(f"column {name!r}: a name has {NAMING}.")
    if not isinstance(entries, dict) or not entries.get("description"):
        raise DescriptionError(f"column {name} has no description.")
    type_ = form.types.get(str(entries.get("type")))
    if type_ is None:
        raise DescriptionError(
            f"column {name}: type must be one of {', '.join(form.types)}, found {entries.get('type')!r}."
        )
    if unknown := sorted(set(entries) - {"type", "description", "joins", "constraints"}):
        raise DescriptionError(f"column {name}: unknown entry {', '.join(unknown)}.")
    joins = entries.get("joins")
    if joins and str(joins) not in JOINS:
        raise DescriptionError(f"column {name}: joins must be one of {', '.join(JOINS)}, found {joins!r}.")
    if joins and type_ != "text":
        raise DescriptionError(f"column {name}: a column that joins is of type {next(iter(form.types))}.")
    bounds = entries.get("constraints") or {}
    constraints, problem = data_package.constraints_of(bounds, TYPES[type_][1])
    if problem:
        raise DescriptionError(f"column {name}: {problem}")
    required, unique = (bool(bounds.get(constraint)) for constraint in ("required", "unique"))
    return Column(type_, entries["description"], joins, required, unique, constraints)


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
    """Add the descriptions of the data sets of `folder` to `metadata` (metadata.yml, read), and return it."""
    tables = metadata["databases"]["census"]["tables"]
    for publication in data_sets(folder):
        csv = folder / f"{publication.id}.csv"
        data_set = described(csv)
        if publication.id in metadata["databases"]["census"].get("queries", {}):
            path = description_of(csv)
            raise SourceError(f"{path}: there is a query {publication.id}, at the same address.")
        tables[publication.id] = {
            "title": data_set.title,
            "description": data_set.description,
            "license": data_set.licence,
            "license_url": data_set.licence_url,
            "source": data_set.source,
            "source_url": data_set.source_url,
            "about": "A hosted data set",
            "about_url": data_set.source_url,
            "columns": {name: column.description for name, column in data_set.columns.items()},
        }
    return metadata
