"""Open a census.db to look things up in, without Datasette."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from census.domain import postcode
from census.domain.bands import BandRule
from census.domain.types import Record, Row
from census.lookup import green_space, messages
from census.lookup.indices import Index, Indices
from census.lookup.sources import Publication, Source, sources_of

Result = TypeVar("Result")


class Lookup:
    """A census.db, opened read-only on a connection of its own, memory-mapped; for one thread at a time.

    database: the file, or a connection to it. rules: for each index how its publisher cuts bands, as
    `census.schema.indices.indices` gives them. immutable: the file is known not to change while it is open, as one that
    a build published; SQLite then spares its locks.

    edition: the text that every answer gives. digest: the database's. directory: the postcode directory's edition, None
    for a database without one. authorities: those of an extract, None for a complete database. complete: no publication
    that gives names was left out. publications: by id. green_space: by the code of the authority of 2019.
    """

    def __init__(
        self, database: Path | sqlite3.Connection, rules: Mapping[str, BandRule], immutable: bool = False
    ) -> None:
        self.connection = database if isinstance(database, sqlite3.Connection) else _connect(database, immutable)
        for name, function in postcode.FUNCTIONS.items():
            self.connection.create_function(name, 1, function, deterministic=True)
        for name, sentence in messages.FUNCTIONS.items():
            self.connection.create_function(name, -1, sentence, deterministic=True)
        [edition] = self.rows("select edition_notes.edition, edition.* from edition_notes, edition")
        self.edition: str = edition["edition"]
        self.digest: str = edition["digest"]
        self.directory: str | None = edition["directory"]
        self.extract = edition["scope"] == "extract"
        self.authorities: str | None = edition["authorities"] if self.extract else None
        self.complete = edition["left_out"] is None and self.directory is not None
        rows = self.rows(f"select {columns(Index)} from indices order by year desc, id")
        self.indices = Indices((Index(**row | {"loaded": bool(row["loaded"])}) for row in rows), rules)
        publications = self.read(Publication, f"select {columns(Publication)} from publications order by id")
        self.publications = {publication.id: publication for publication in publications}
        self.green_space = {
            row.local_authority_2019_code: row for row in self.read(green_space.GreenSpace, green_space.SQL)
        }

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def rows(self, sql: str, parameters: Sequence[object] | Record = ()) -> list[Record]:
        """Return the rows that `sql` gives, each as a dict."""
        with closing(self.connection.cursor()) as cursor:
            cursor.row_factory = _as_dict
            rows: list[Record] = cursor.execute(sql, parameters).fetchall()
        return rows

    def read(self, kind: Callable[..., Result], sql: str, parameters: Sequence[object] | Record = ()) -> list[Result]:
        """Return the rows that `sql` gives, each as a `kind`, which takes its columns in their order."""
        return [kind(*row) for row in self.connection.execute(sql, parameters)]

    def sources(self, indices: Iterable[str | None], northern_ireland: bool, more: Iterable[str]) -> list[Source]:
        """Return the sources of an answer's figures: those of `indices` (ids), of `more` publications, and postcodes.

        northern_ireland: whether a postcode of Northern Ireland (BT) is among them.
        """
        publications = (self.indices[id_].publication for id_ in indices if id_)
        return sources_of(self.publications, publications, northern_ireland, more)


@cache
def columns(kind: type[Any], table: str = "") -> str:
    """Return the fields of a dataclass as the columns of a SELECT, of `table` where one is given."""
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{field.name}"' for field in fields(kind))


def _connect(database: Path, immutable: bool) -> sqlite3.Connection:
    address = f"{Path(database).resolve().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(
        address, uri=True, check_same_thread=False, cached_statements=256, isolation_level=None
    )
    connection.execute(f"pragma mmap_size = {1 << 31}")
    return connection


def _as_dict(cursor: sqlite3.Cursor, row: Row) -> Record:
    return dict(zip([column[0] for column in cursor.description], row, strict=True))
