"""Read the description of a contributed data set: a Data Package with a Table Schema (Frictionless Standards).

https://specs.frictionlessdata.io/data-package/ and https://specs.frictionlessdata.io/table-schema/

A package here has one resource, a CSV of the package's name. Properties that say how a table is to be read or what it
must fulfil are honoured or refused, never ignored. A foreign key refers to a table of census.db, by its name, as if it
were a resource of the same package. `attribution` and `conditions` are properties of our own, which the standard
allows. The library frictionless is not used: it is 39 packages and half a second of every start of a server, and it
cannot check what is not in the package.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from census.domain.types import Record

TYPES = {"string": "text", "integer": "integer", "number": "number", "date": "date"}
"""Type of a field to the type of a column."""
LABELS = {
    "source": "sources[0].title",
    "source_url": "sources[0].path",
    "licence": "licenses[0].title",
    "licence_url": "licenses[0].path",
    "publisher": "contributors[0].title",
    "edition": "version",
    "columns": "resources[0].schema.fields",
    "key": "resources[0].schema.primaryKey",
}
"""Entry of a description to what it is in a package, where that has another name."""
JOINS = {
    "small_areas": "code",
    "lsoas_2021": "code",
    "local_authorities": "code",
    "postcodes": "postcode",
    "indices": "id",
}
"""Table that a column may refer to, to its key."""
_LISTED = (
    ("source", "sources", "title"),
    ("source_url", "sources", "path"),
    ("licence", "licenses", "title"),
    ("licence_url", "licenses", "path"),
    ("publisher", "contributors", "title"),
)
"""Entry, with the list of the package and the property of its one item that give it."""
_TEXTS = ("title", "description", "attribution", "conditions")
_ACCEPTED = {
    "": "$schema profile name id homepage image created keywords version title description attribution conditions"
    " sources licenses contributors resources",
    "resources[0]": "$schema profile type name path title description format mediatype encoding bytes hash schema",
    "resources[0].schema": "$schema fields primaryKey foreignKeys missingValues",
    "field": "name type format title description example constraints",
}
_ONLY = {"encoding": ("utf-8", "utf8"), "format": ("csv", "default")}
"""Property to the values that it may have, in lower case: no other way to read a CSV is known here."""


class DescriptionError(Exception):
    """A description is not as docs/hosting.md says. The message says what is wrong."""


@dataclass(frozen=True)
class Constraint:
    """What each cell of a column that is not empty must fulfil.

    fulfilled: whether a value, as read, does. expected: the same in words.
    """

    fulfilled: Callable[[object], bool]
    expected: str


def entries_of(package: Record, name: str) -> Record:
    """Return the entries of the package for the data set `name`, as `census.schema.hosted.REQUIRED` calls them.

    Each column has `type`, `description`, `constraints` and, if it refers to a table, `joins`. Raises DescriptionError.
    """
    _refuse_unknown(package, "")
    resource = _only(package, "resources")
    _refuse_unknown(resource, "resources[0]")
    if resource.get("path") != f"{name}.csv":
        raise DescriptionError(f"resources[0].path must be {name}.csv, found {resource.get('path')!r}.")
    schema = resource.get("schema")
    if not isinstance(schema, dict):
        raise DescriptionError("resources[0].schema must be a Table Schema: fields, primaryKey, foreignKeys.")
    _refuse_unknown(schema, "resources[0].schema")
    if schema.get("missingValues", [""]) != [""]:
        raise DescriptionError('resources[0].schema.missingValues must be [""]: an empty cell alone is null.')
    entries = {entry: package[entry] for entry in _TEXTS if entry in package}
    for entry, items, property_ in _LISTED:
        if items in package:
            entries[entry] = _only(package, items).get(property_)
    if "version" in package:
        entries["edition"] = package["version"]
    if "primaryKey" in schema:
        key = schema["primaryKey"]
        entries["key"] = [key] if isinstance(key, str) else key
    return entries | {"columns": _columns(schema)}


def _columns(schema: Record) -> Record:
    """Return the columns of a Table Schema, by name. Raises DescriptionError."""
    fields = schema.get("fields")
    if not isinstance(fields, list) or not fields or not all(isinstance(field, dict) for field in fields):
        raise DescriptionError("resources[0].schema.fields must be a list of fields with name, type and description.")
    columns = dict(map(_column, fields))
    if len(columns) < len(fields):
        raise DescriptionError("resources[0].schema.fields has two fields of one name.")
    for number, foreign_key in enumerate(schema.get("foreignKeys") or []):
        where = f"resources[0].schema.foreignKeys[{number}]"
        column, table, key = _foreign_key(foreign_key, where)
        if column not in columns:
            raise DescriptionError(f"{where}.fields names {column}, which is not among the fields.")
        if JOINS.get(table) != key:
            tables = ", ".join(f"{other}.{own}" for other, own in JOINS.items())
            raise DescriptionError(f"{where}.reference must be one of {tables}, found {table}.{key}.")
        columns[column]["joins"] = table
    return columns


def _column(field: Record) -> tuple[str, Record]:
    """Return the name of a field and its entries as a column."""
    name = str(field.get("name"))
    _refuse_unknown(field, "field", f"field {name}")
    return name, {
        "type": field.get("type"),
        "description": field.get("description"),
        "constraints": field.get("constraints") or {},
    }


def _foreign_key(foreign_key: object, where: str) -> tuple[str, str, str]:
    """Return the column of a foreign key, and the table and the column that it refers to."""
    match foreign_key:
        case {"fields": str(column) | [str(column)], "reference": {"resource": str(table), "fields": keys}}:
            match keys:
                case str(key) | [str(key)]:
                    return column, table, key
    raise DescriptionError(f"{where} must have one of fields, and in reference a resource and one of its fields.")


def _only(package: Record, property_: str) -> Record:
    """Return the one item of a list of the package."""
    items = package.get(property_)
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise DescriptionError(f"{property_} must be a list of one, with its properties.")
    item: Record = items[0]
    return item


def _refuse_unknown(item: Record, kind: str, where: str = "") -> None:
    """Raise DescriptionError for a property that is not known here, or that has a value which is not."""
    where = where or kind
    accepted = _ACCEPTED[kind].split()
    if unknown := sorted(map(str, set(item) - {*accepted})):
        prefix = f"{where}: " if where else ""
        raise DescriptionError(f"{prefix}unknown entry {', '.join(unknown)}. There are {', '.join(accepted)}.")
    for property_, values in _ONLY.items():
        if property_ in item and str(item[property_]).lower() not in values:
            raise DescriptionError(f"{where}.{property_} must be {values[0]}, found {item[property_]!r}.")


def constraints_of(constraints: object, read: Callable[[str], str | int | float]) -> tuple[dict[str, Constraint], str]:
    """Return what a field's `constraints` ask of its cells, by name, and a sentence about what is wrong with them.

    read: how a cell of the field's type is read. `required` and `unique` concern a row, so they are not among them.
    """
    if not isinstance(constraints, dict):
        return {}, f"constraints must be a list of name: value, found {constraints!r}."
    known: dict[str, Constraint] = {}
    for name, bound in constraints.items():
        if name in ("required", "unique") and isinstance(bound, bool):
            continue
        try:
            known[name] = _constraint(name, bound, read)
        except (ValueError, TypeError, re.error):
            return {}, f"constraint {name} cannot be {bound!r} ({', '.join(CONSTRAINTS)} are known)."
    return known, ""


CONSTRAINTS = ("required", "unique", "minimum", "maximum", "minLength", "maxLength", "pattern", "enum")


def _constraint(name: object, bound: object, read: Callable[[str], str | int | float]) -> Constraint:
    """Return a constraint. Raises ValueError, TypeError or re.error where there is no such one."""
    if name == "enum" and isinstance(bound, list):
        values = {read(str(value)) for value in bound}
        return Constraint(values.__contains__, f"one of {', '.join(map(str, bound))}")
    if name == "pattern":
        pattern = re.compile(str(bound))
        return Constraint(lambda value: pattern.fullmatch(str(value)) is not None, f"the pattern {bound}")
    if name in ("minLength", "maxLength"):
        length = int(str(bound))
        if name == "minLength":
            return Constraint(lambda value: len(str(value)) >= length, f"{length} characters or more")
        return Constraint(lambda value: len(str(value)) <= length, f"{length} characters or fewer")
    if name in ("minimum", "maximum"):
        limit = read(str(bound))
        if name == "minimum":
            return Constraint(lambda value: bool(value >= limit), f"{bound} or more")  # type: ignore[operator]
        return Constraint(lambda value: bool(value <= limit), f"{bound} or less")  # type: ignore[operator]
    raise ValueError
