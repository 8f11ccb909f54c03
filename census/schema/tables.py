"""Declare the tables of census.db, and compute the digest of their rows."""

import hashlib
import sqlite3

import orjson

from census.schema.deprivation import DEPRIVATION
from census.schema.views import VIEWS
from sources.publication import Publication, SourceError, Table

NOT_LOADED = "not loaded"  # the status of a publication that a mirror may be without

PROVENANCE = Table(
    "publications",
    {
        "id": str,
        "publication": str,
        "title": str,
        "publisher": str,
        "edition": str,
        "status": str,
        "page": str,
        "address": str,
        "file": str,
        "bytes": int,
        "sha256": str,
        "rows": int,
        "retrieved": str,
        "licence": str,
        "licence_url": str,
        "attribution": str,
        "conditions": str,
        "tables": str,
        "checked": str,
        "checked_note": str,
    },
    primary_key="id",
)

ATTRIBUTIONS = """
    select distinct attribution || coalesce(' ' || conditions, '') from publications
    where ', ' || tables || ', ' like '%, ' || :table || ', %' and status not in ('left out', 'not loaded') order by 1
"""
"""What the publishers of a table's figures ask to be said of them, as SQL with the parameter `table`."""

INDICES = Table(
    "indices",
    {
        "id": str,
        "nation": str,
        "year": int,
        "title": str,
        "publisher": str,
        "areas": int,
        "area_kind": str,
        "geography": str,
        "band_rule": str,
        "published_bands": str,
        "table_name": str,
        "loaded": int,
        "publication": str,
    },
    primary_key="id",
    references={"publication": ("publications", "id")},
)

EDITION = Table(
    "edition",
    {"digest": str, "directory": str, "scope": str, "authorities": str, "left_out": str, "small_areas": str},
    primary_key="digest",
    derived=True,
)

OWN_TABLES = (PROVENANCE, INDICES, DEPRIVATION, EDITION)


def all_tables(publications: list[Publication]) -> dict[str, Table]:
    """Return every table of the database by its name, parents before their children.

    Raises SourceError where two publications have a table of one name.
    """
    tables, ids = {t.name: t for t in OWN_TABLES}, set()
    for publication in publications:
        for file in publication.files:
            if file.id in ids:
                raise SourceError(f"{publication.hosted or publication.id}: there is a publication {file.id} already.")
            ids.add(file.id)
        for table in publication.tables:
            if table.name in tables or table.name in VIEWS:
                raise SourceError(f"{publication.hosted or publication.id}: there is a table {table.name} already.")
            tables[table.name] = table
    ordered: dict[str, Table] = {}

    def place(table: Table) -> None:
        if table.name in ordered:
            return
        for other, _ in table.references.values():
            if other != table.name:
                place(tables[other])
        ordered[table.name] = table

    for table in tables.values():
        place(table)
    return ordered


def digest(connection: sqlite3.Connection, tables: dict[str, Table]) -> str:
    """Return the SHA-256 of every row of every table (of `edition`, all but the digest), which identifies a build.

    It depends on the figures alone, not on the version of SQLite or the layout of the file.
    """
    hashed = hashlib.sha256()
    for table in sorted(tables.values(), key=lambda t: t.name):
        columns = [column for column in table.columns if (table.name, column) != (EDITION.name, "digest")]
        hashed.update(orjson.dumps([table.name, columns]))
        names = ", ".join(f'"{column}"' for column in columns)
        cursor = connection.execute(f"select {names} from {table.name} order by {table.key}")
        while rows := cursor.fetchmany(5000):
            hashed.update(orjson.dumps(rows))
    return hashed.hexdigest()
