"""Define what the `load` function of a publication can do with the database under construction."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from census.domain.types import Progress, Record, Row
from sources.publication import SourceFile
from sources.workbook import Column, Rows


class ObtainedFile(Protocol):
    """A file of a publication on this machine."""

    @property
    def name(self) -> str:
        """Its name, without a folder."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it, unpacked."""

    def read(self) -> bytes:
        """Read all of it, unpacked."""


class Build(Protocol):
    """A database under construction: the part of `census.build.database.Build` that publications use.

    progress: shows the progress of a long step.
    """

    @property
    def progress(self) -> Progress:
        """Make a progress bar for a title and a number of bytes."""

    def file(self, file: SourceFile) -> ObtainedFile:
        """Return the file on this machine, fetched if it was not yet."""

    def rows(
        self, file: SourceFile, columns: dict[str, Column], sheet: str | None = None, header_rows: int = 1
    ) -> Rows:
        """Return the rows of `columns` in `file` as named tuples, converted and counted."""

    def counted(self, file: SourceFile, rows: int) -> None:
        """Note how many rows were read from `file`."""

    def edition(self, file: SourceFile, edition: str) -> None:
        """Note the edition of a file whose publication has many."""

    def insert(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows. Raises SourceError for a duplicate key or a required cell that is blank."""

    def update(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Set `columns[1:]` of the rows whose key is `columns[0]`. Raises SourceError for an unknown key."""

    def merge(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows, or fill the blanks of existing ones (key: `columns[0]`). Raises SourceError for contradictions."""

    def areas(self, areas: Iterable[Record]) -> None:
        """Add small areas, or fill the blanks of existing ones: `code`, `kind`, `nation` and what else is known."""

    def authorities(self, vintage: str, authorities: Iterable[tuple[str, str | None, str]]) -> None:
        """Add local authorities (code, name, nation) that exist in `vintage`, a year."""

    def health_geographies(self, vintage: str, places: Iterable[tuple[str, str, str, str | None, str | None]]) -> None:
        """Add health geographies (code, kind, nation, name, ODS code) that exist in `vintage`, a year."""

    def name_authorities(self, names: dict[str, str]) -> None:
        """Name the authorities that no publication has named; `names` is code to name."""

    def authority_named(self, name: str, nation: str) -> str | None:
        """Return the code of the authority of that name, None where no loaded publication has it."""

    def execute(self, sql: str) -> None:
        """Run an SQL statement over the tables loaded so far."""
