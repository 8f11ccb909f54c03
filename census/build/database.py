"""Create census.db and write to it: tables as declared, rows as read, and where they came from.

The database is written to a file that has no name (it is unlinked as soon as it is open), so a build that fails or is
killed leaves nothing behind. `census.build.finish` gives the finished and checked database its name.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from census.build import derive
from census.build.atomic_file import leftovers
from census.build.fetch import Library, Obtained
from census.build.provenance import Provenance, index_row
from census.domain.codes import AREA_CODE
from census.domain.types import Progress, Record, Row, Say
from census.schema.tables import EDITION, INDICES, PROVENANCE, all_tables
from sources import geography
from sources.publication import Index, Publication, SourceError, SourceFile, Table
from sources.welsh_names import WELSH_NAMES
from sources.workbook import Column, Rows
from sources.workbook import rows as read_rows

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x43454E53  # "CENS"


def create_unnamed(folder: Path) -> tuple["Database", BinaryIO]:
    """Return an empty database in a file without a name in `folder`, and that file, open for reading."""
    import sqlite_utils  # here, because it imports pandas: 60 MB and half a second that only a build needs

    handle, path = tempfile.mkstemp(prefix=".census-", suffix=".building", dir=folder)
    file = os.fdopen(handle, "rb")
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    finally:
        os.unlink(path)
    connection.executescript(
        f"""
        pragma journal_mode = off;
        pragma synchronous = off;
        pragma locking_mode = exclusive;
        pragma cache_size = -200000;
        pragma temp_store = memory;
        pragma application_id = {APPLICATION_ID};
        pragma encoding = 'UTF-8';
        """
    )
    return sqlite_utils.Database(connection), file


def create_table(db: "Database", table: Table) -> None:
    """Create a table as it is declared."""
    sql = db.create_table_sql(
        table.name,
        {column: float if type_ is Number else type_ for column, type_ in table.columns.items()},
        pk=table.primary_key or None,
        not_null=set(table.not_null),
        foreign_keys=[(column, *reference) for column, reference in table.references.items()],
    )
    for column, type_ in table.columns.items():
        if type_ is Number:  # sqlite-utils has no name for it
            sql = sql.replace(f'"{column}" REAL', f'"{column}" NUMERIC')
    if table.without_rowid:
        sql = sql.rstrip().rstrip(";") + " WITHOUT ROWID"
    db.conn.execute(sql)


class Build:
    """A database under construction. Publications' `load` functions read and write through it.

    progress: as for `census.build.fetch.Library`. say: prints a line.
    """

    def __init__(
        self,
        output: Path,
        publications: list[Publication],
        library: Library | None,
        progress: Progress,
        say: Say = print,
    ) -> None:
        self.output, self.publications, self.library = output, publications, library
        self.progress, self.say = progress, say
        self.tables = all_tables(publications)
        self.provenance = Provenance()
        self._expected_rows = {file: rows for p in publications for file, rows in p.rows.items()}
        output.parent.mkdir(parents=True, exist_ok=True)
        for leftover in leftovers(output):
            leftover.unlink()
        self.db, self.storage = create_unnamed(output.parent)
        for table in self.tables.values():
            create_table(self.db, table)

    # What a publication's `load` function uses

    def file(self, file: SourceFile) -> Obtained:
        """Return the file on this machine, fetched if it was not yet."""
        files = self.provenance.files
        if file.id not in files:
            if self.library is None:
                raise SourceError(f"{file.id}: it is in no extract, and a build from one fetches no files.")
            files[file.id] = self.library.obtain(file)
        return files[file.id]

    def rows(
        self, file: SourceFile, columns: dict[str, Column], sheet: str | None = None, header_rows: int = 1
    ) -> Rows:
        """Return the rows of `columns` in `file`, as `sources.workbook.rows` does; count them.

        Raises SourceError where the publication has another number of rows.
        """
        obtained = self.file(file)
        rows = read_rows(Path(obtained.name), obtained.read(), columns, sheet, header_rows)
        expected = self._expected_rows.get(file.id, len(rows))
        if len(rows) != expected:
            where = f"{obtained.name}, sheet {sheet!r}" if sheet else obtained.name
            raise SourceError(f"{where}: expected {expected:,} rows, found {len(rows):,}")
        self.counted(file, len(rows))
        return rows

    def counted(self, file: SourceFile, rows: int) -> None:
        """Note how many rows were read from `file`."""
        self.provenance.rows[file.id] = rows

    def edition(self, file: SourceFile, edition: str) -> None:
        """Note the edition of a file whose publication has many."""
        self.provenance.editions[file.id] = edition

    def insert(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows. Raises SourceError for a duplicate key or a required cell that is blank."""
        marks = ", ".join("?" * len(columns))
        with self._as_source_error(table):
            self.db.conn.execute("begin")
            self.db.conn.executemany(f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)
            self.db.conn.execute("commit")

    def update(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Set `columns[1:]` of the rows whose key is `columns[0]`. Raises SourceError for an unknown key."""
        sql = f"update {table} set {', '.join(f'{c} = ?' for c in columns[1:])} where {columns[0]} = ?"
        self.db.conn.execute("begin")
        for row in rows:
            if self.db.conn.execute(sql, (*row[1:], row[0])).rowcount != 1:
                raise SourceError(f"{table}: {row[0]} is in one file of the publication but not in the other.")
        self.db.conn.execute("commit")

    def merge(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows, or fill the blanks of existing ones (key: `columns[0]`).

        Raises SourceError for a duplicate key in `rows`, and where two publications give a cell different values.
        """
        key, *others = columns
        self.db.conn.execute("begin")
        self.db.conn.execute(f"create temp table incoming as select {', '.join(columns)} from {table} where false")
        self.db.conn.execute(f"create unique index temp.incoming_key on incoming ({key})")
        with self._as_source_error(table):
            self.db.conn.executemany(f"insert into incoming values ({', '.join('?' * len(columns))})", rows)
        for column in others:
            clash = self.db.conn.execute(
                f"select {key}, {table}.{column}, incoming.{column} from {table} join incoming using ({key})"
                f" where {table}.{column} <> incoming.{column} order by 1 limit 1"
            ).fetchone()
            if clash:
                raise SourceError(
                    f"{table}: two publications give {clash[0]} a {column}: {clash[1]!r} and {clash[2]!r}."
                )
        filled = ", ".join(f"{c} = coalesce({c}, excluded.{c})" for c in others)
        self.db.conn.execute(
            f"insert into {table} ({', '.join(columns)}) select * from incoming where true"
            f" on conflict ({key}) do update set {filled}"
        )
        self.db.conn.execute("drop table incoming")
        self.db.conn.execute("commit")

    def areas(self, areas: Iterable[Record]) -> None:
        """Add small areas, or fill the blanks of existing ones.

        Each has `code`, `kind` and `nation`, and what the publication knows of `name`, `publisher_name` and
        `local_authority_2019`. The row in the list of its kind is added with it.
        """
        areas = list(areas)
        for area in areas:
            if not AREA_CODE.fullmatch(area["code"] or ""):
                raise SourceError(f"{area['code']!r} does not look like the code of an LSOA, data zone or SOA.")
        columns = list(geography.SMALL_AREAS.columns)[:6]
        self.merge("small_areas", columns, (tuple(area.get(c) for c in columns) for area in areas))
        for kind, table in geography.LISTS.items():
            codes = [(area["code"],) for area in areas if area["kind"] == kind]
            self.db.conn.executemany(f"insert or ignore into {table} (code) values (?)", codes)

    def authorities(self, vintage: str, authorities: Iterable[tuple[str, str | None, str]]) -> None:
        """Add local authorities (code, name, nation) that exist in `vintage`, a year."""
        unique = list(dict.fromkeys(authorities))
        columns = ["code", "name", "nation", "name_welsh"]
        self.merge("local_authorities", columns, ((*row, WELSH_NAMES.get(row[0])) for row in unique))
        self._add_vintage("local_authorities", vintage, unique)

    def health_geographies(self, vintage: str, places: Iterable[tuple[str, str, str, str | None, str | None]]) -> None:
        """Add health geographies (code, kind, nation, name, ODS code) that exist in `vintage`, a year."""
        unique = list(dict.fromkeys(places))
        self.merge("health_geographies", ["code", "kind", "nation", "name", "ods_code"], unique)
        self._add_vintage("health_geographies", vintage, unique)

    def _add_vintage(self, table: str, vintage: str, rows: Iterable[Row]) -> None:
        """Add `vintage` to those of the rows of `table`, whose code comes first."""
        for code, *_ in rows:
            [(before,)] = self.db.conn.execute(f"select vintages from {table} where code = ?", (code,))
            vintages = sorted({*(before.split(", ") if before else ()), vintage})
            self.db.conn.execute(f"update {table} set vintages = ? where code = ?", (", ".join(vintages), code))

    def execute(self, sql: str) -> None:
        """Run an SQL statement over the tables loaded so far."""
        self.db.conn.execute(sql)

    def name_authorities(self, names: dict[str, str]) -> None:
        """Give a name to the authorities that no publication has named; `names` is code to name."""
        self.db.conn.executemany(
            "update local_authorities set name = ? where code = ? and name is null",
            [(name, code) for code, name in names.items()],
        )

    def authority_named(self, name: str, nation: str) -> str | None:
        """Return the code of the authority of that name, None where no loaded publication names it."""
        codes = self.db.conn.execute(
            "select code from local_authorities where name = ? and nation = ?", (name, nation)
        ).fetchall()
        return codes[0][0] if len(codes) == 1 else None

    # Provenance

    def record_publication(self, publication: Publication, status: str) -> None:
        """Add the rows of a publication to the tables `publications` and `indices`."""
        for file in publication.files:
            self._insert_record(PROVENANCE, self.provenance.file_row(publication, file, status))
        if index := publication.index:
            loaded = status == "complete"
            bands = [name for name in index.bands if not loaded or self._has_figures(index, f"imd_{name}")]
            self._insert_record(INDICES, index_row(publication, index, bands, loaded))

    def record_edition(self, directory: str | None, scope: str, authorities: str | None, left_out: set[str]) -> None:
        """Add the row of the table `edition`, without the digest.

        directory: title and edition of the postcode directory. scope: complete or extract. authorities: names of those
        of an extract. left_out: ids of publications.
        """
        names = ", ".join(sorted(left_out)) or None
        row = ("", directory, scope, authorities, names, derive.dates_of_areas(self.db.conn))
        self.insert(EDITION.name, list(EDITION.columns), [row])

    def close(self) -> None:
        """Give the disk space back."""
        self.db.close()
        self.storage.close()

    def _insert_record(self, table: Table, record: Record) -> None:
        self.insert(table.name, list(record), [tuple(record.values())])

    def _has_figures(self, index: Index, column: str) -> bool:
        return bool(self.db.conn.execute(f"select count({column}) from {index.table}").fetchone()[0])

    @contextlib.contextmanager
    def _as_source_error(self, table: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise SourceError(f"{table}: {error}") from error
