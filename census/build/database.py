"""Writing census.db: tables as declared, rows as read, provenance, and the steps that finish and publish the file.

The database is built in a file that has no name (it is unlinked as soon as it is open), so a build that fails or is
killed leaves nothing behind; only a finished and checked database is given its name, in one rename. (Killed in the
instant between a file's first name and its rename, it stays as `.NAME.PID`; the next build removes it.) A census.db
without an inspect-data.json that fits is one whose build was killed between the two; the server ignores the old one and
says so.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from numbers import Number
from pathlib import Path

from census.build import derive, downloads, hosting
from census.build.atomic_file import strays, unnamed
from census.build.fetch import Library, NoAddress, NotInMirror, Obtained
from census.domain.codes import AREA_CODE
from census.domain.types import Progress, Record, Row, Say
from census.schema import manifest
from census.schema.deprivation import DEPRIVATION, common_words_sql
from census.schema.tables import EDITION, INDICES, NOT_LOADED, PROVENANCE, all_tables, digest
from census.schema.views import VIEWS, view_sql
from sources import geography
from sources.publication import Publication, SourceError, SourceFile, Table
from sources.welsh_names import WELSH_NAMES
from sources.workbook import Column
from sources.workbook import rows as read_rows

APPLICATION_ID = 0x43454E53  # "CENS"


def attributed(publication: Publication, edition: str | None) -> str:
    """Return the attribution that `publication` asks for, with the year of the `edition` where it names one."""
    return publication.attribution.replace(" {year}", f" {edition[-4:]}" if edition else "")


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
        self._files: dict[str, Obtained] = {}
        self._absent: set[str] = set()
        self._counts: dict[str, int] = {}
        self._editions: dict[str, str] = {}
        self._exact = {file: n for p in publications for file, n in p.rows.items()}
        output.parent.mkdir(parents=True, exist_ok=True)
        for stray in strays(output):
            stray.unlink()
        handle, path = tempfile.mkstemp(prefix=".census-", suffix=".building", dir=output.parent)
        self._file = os.fdopen(handle, "rb")
        try:
            connection = sqlite3.connect(path, isolation_level=None)
        finally:
            os.unlink(path)
        import sqlite_utils  # here, because it brings pandas along: 60 MB and half a second that only a build needs

        self.db = sqlite_utils.Database(connection)
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
        for table in self.tables.values():
            self._create(table)

    def _create(self, table: Table) -> None:
        sql = self.db.create_table_sql(
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
        self.db.conn.execute(sql)

    # What a publication's load function uses

    def file(self, file: SourceFile) -> Obtained:
        """Return the file on this machine, fetched if it was not yet."""
        if file.id not in self._files:
            if self.library is None:
                raise SourceError(f"{file.id}: it is in no extract, and a build from one fetches no files.")
            self._files[file.id] = self.library.obtain(file)
        return self._files[file.id]

    def rows(
        self, file: SourceFile, columns: dict[str, Column], sheet: str | None = None, header_rows: int = 1
    ) -> Iterator[Row]:
        """Return the rows of `columns` in `file`, as `sources.workbook.rows` gives them, counted."""
        obtained = self.file(file)
        found = list(read_rows(Path(obtained.name), obtained.read(), columns, sheet, header_rows))
        where = f"{obtained.name}, sheet {sheet!r}" if sheet else obtained.name
        exact = self._exact.get(file.id)
        if exact is not None and len(found) != exact:
            raise SourceError(f"{where}: expected {exact:,} rows, found {len(found):,}")
        self.counted(file, len(found))
        return iter(found)

    def counted(self, file: SourceFile, rows: int) -> None:
        """Note how many rows were read from `file`."""
        self._counts[file.id] = rows

    def edition(self, file: SourceFile, edition: str) -> None:
        """Note the edition of a file whose publication has many."""
        self._editions[file.id] = edition

    def insert(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows. Raises SourceError where a key is there twice or a required cell is blank."""
        marks = ", ".join("?" * len(columns))
        with self._refusing(table):
            self.db.conn.execute("begin")
            self.db.conn.executemany(f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)
            self.db.conn.execute("commit")

    def update(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Set `columns[1:]` of the rows whose key is `columns[0]`. Raises SourceError for a key that is not there."""
        sql = f"update {table} set {', '.join(f'{c} = ?' for c in columns[1:])} where {columns[0]} = ?"
        self.db.conn.execute("begin")
        for row in rows:
            if self.db.conn.execute(sql, (*row[1:], row[0])).rowcount != 1:
                raise SourceError(f"{table}: {row[0]} is in one file of the publication but not in the other.")
        self.db.conn.execute("commit")

    def merge(self, table: str, columns: list[str], rows: Iterable[Row]) -> None:
        """Add rows, or fills the blanks of those that are there (key: `columns[0]`).

        Raises SourceError for a key that is there twice in `rows`, and where two publications say different things of
        the same cell.
        """
        key, *others = columns
        self.db.conn.execute("begin")
        self.db.conn.execute(f"create temp table incoming as select {', '.join(columns)} from {table} where false")
        self.db.conn.execute(f"create unique index temp.incoming_key on incoming ({key})")
        with self._refusing(table):
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
        """Add small areas, or fills the blanks of those that are there.

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
        found = self.db.conn.execute(
            "select code from local_authorities where name = ? and nation = ? order by code", (name, nation)
        ).fetchall()
        return found[0][0] if len(found) == 1 else None

    # The steps of a build

    def load(self, skip: set[str]) -> None:
        """Fetch and loads every publication that is not in `skip`, and notes where each came from."""
        skip = skip | {p.id for p in self.publications if p.goes_with in skip}
        official = [p for p in self.publications if not p.hosted]
        wanted = [p for p in official if p.id not in skip]
        missing = []
        for file in (file for p in wanted for file in p.files):
            try:
                obtained = self.file(file)
                self.say(f"{file.id}: {obtained.described}")
            except (NoAddress, NotInMirror) as error:
                if file.optional:
                    self._absent.add(file.id)
                    self.say(f"{error} It is not loaded.")
                else:
                    missing.append(str(error))
            except SourceError as error:
                missing.append(f"{file.id}: {str(error).removeprefix(f'{file.id}: ')}")
        if missing:
            raise SourceError("\n".join(missing))
        absent = {p.id for p in wanted if any(file.id in self._absent for file in p.files)}
        for publication in wanted:
            if publication.load and publication.id not in absent:
                self.say(f"loading {publication.id}")
                publication.load(self)
        derive.derive(self.db)
        for publication in official:
            status = "left out" if publication.id in skip else NOT_LOADED if publication.id in absent else "complete"
            self.note(publication, status)
        directory = self.db.conn.execute(
            "select title || ', ' || edition from publications where id = 'postcode_directory' and status <> 'left out'"
        ).fetchone()
        self.insert_edition(directory[0] if directory else None, "complete", None, skip)

    def insert_edition(self, directory: str | None, scope: str, authorities: str | None, left_out: set[str]) -> None:
        """Add the row of the edition, all but the digest."""
        told = ", ".join(sorted(left_out)) or None
        row = ("", directory, scope, authorities, told, derive.dates_of_areas(self.db.conn))
        self.insert(EDITION.name, list(EDITION.columns), [row])

    def load_hosted(self) -> None:
        """Load the hosted data sets; after all else, for they join it."""
        for publication in self.publications:
            if publication.hosted:
                data = publication.hosted.read_bytes()
                [file] = publication.files
                self._files[file.id] = Obtained(
                    publication.hosted, file.names[0], len(data), hashlib.sha256(data).hexdigest(), None
                )
                self.counted(file, hosting.load(self, publication))
                self.note(publication, "hosted")

    def note(self, publication: Publication, status: str) -> None:
        """Add its rows to the tables of publications and of indices."""
        for file in publication.files:
            obtained = self._files.get(file.id)
            compared = None if publication.hosted else obtained
            edition = self._editions.get(file.id, publication.edition)
            row = {
                "id": file.id,
                "publication": publication.id,
                "title": publication.title,
                "publisher": publication.publisher,
                "edition": edition or None,
                "status": status,
                "page": publication.page,
                "address": file.address,
                "file": obtained and obtained.name,
                "bytes": obtained and obtained.size,
                "sha256": obtained and obtained.sha256,
                "rows": self._counts.get(file.id),
                "retrieved": obtained and obtained.retrieved,
                "licence": publication.licence.name,
                "licence_url": publication.licence.url,
                "attribution": attributed(publication, edition),
                "conditions": publication.conditions,
                "tables": ", ".join(publication.fills),
                "checked": compared and compared.checked,
                "checked_note": compared and compared.checked_note,
            }
            self.insert(PROVENANCE.name, list(row), [tuple(row.values())])

        if index := publication.index:
            loaded = status == "complete"
            bands = [
                name
                for name in index.bands
                if not loaded or self.db.conn.execute(f"select count(imd_{name}) from {index.table}").fetchone()[0]
            ]
            row = {
                **{name: getattr(index, name) for name in ("id", "nation", "year", "title", "publisher", "areas")},
                **{name: getattr(index, name) for name in ("area_kind", "geography", "band_rule")},
                "published_bands": ", ".join(bands) or None,
                "table_name": index.table,
                "loaded": int(loaded),
                "publication": publication.files[0].id,
            }
            self.insert(INDICES.name, list(row), [tuple(row.values())])

    def finish(self) -> None:
        """Add common words, indexes, the digest of all figures, statistics and full-text search; compact the file."""
        for index in filter(None, (p.index for p in self.publications)):
            self.db.conn.execute(f"insert into {DEPRIVATION.name} {common_words_sql(index)} order by area_code")
        for table in self.tables.values():
            for name, indexed in table.index_names.items():
                self.db.conn.execute(f"create index {name} on {table.name} {indexed}")
        for name in VIEWS:
            self.db.conn.execute(view_sql(name))
        self.db.conn.execute("update edition set digest = ?", (digest(self.db.conn, self.tables),))
        self.db.analyze()
        self.db.vacuum()
        for table in self.tables.values():  # after the VACUUM, which may number the rows anew
            if table.search:
                self.db.table(table.name).enable_fts(list(table.search), tokenize="unicode61 remove_diacritics 2")
                self.db.table(table.name).optimize()

    def publish(self) -> None:
        """Give the finished database its name, in place of an older one.

        With the name census.db it also gets inspect-data.json and the downloads beside it.
        """
        pages = self.db.conn.execute("pragma page_count").fetchone()[0]
        size = pages * self.db.conn.execute("pragma page_size").fetchone()[0]
        counts = {name: self.db[name].count for name in self.db.table_names()}
        [digested] = self.db.conn.execute("select digest from edition").fetchone()
        whole = self.output.name == "census.db"
        folder = manifest.folder_of(self.output, digested)
        with contextlib.ExitStack() as stack:
            if whole:
                place = stack.enter_context(downloads.written(self.db.conn, self.tables, folder, self.output.parent))
            self.db.close()
            out, name_it = stack.enter_context(unnamed(self.output))
            hashed, left = hashlib.sha256(), size
            while left and (block := self._file.read(min(left, 1 << 20))):
                hashed.update(block)
                out.write(block)
                left -= len(block)
            out.flush()
            os.fsync(out.fileno())
            if left:
                raise SourceError(f"{self.output}: {left} bytes of the finished database could not be read back.")
            if whole:
                place()
            name_it()
        if whole:
            downloads.remove_others(folder)
            self._inspected(hashed.hexdigest(), size, counts)

    def _inspected(self, hash_: str, size: int, counts: dict[str, int]) -> None:
        described = {
            "census": {
                "hash": hash_,
                "size": size,
                "file": self.output.name,
                "tables": {name: {"count": n} for name, n in counts.items()},
            }
        }
        with unnamed(self.output.with_name("inspect-data.json")) as (out, name_it):
            out.write(json.dumps(described, indent=1).encode() + b"\n")
            out.flush()
            name_it()

    def close(self) -> None:
        """Give the disk space back."""
        self.db.close()
        self._file.close()

    @contextlib.contextmanager
    def _refusing(self, table: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise SourceError(f"{table}: {error}") from error
