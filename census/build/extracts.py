"""Cut and load the demonstration extract: the figures of chosen authorities, in the project's own tables.

`cut` writes it from a full database, `load` builds from it. A table that has areas is cut to those of the extract,
any other (authorities, green space, indices, publications) is kept completely. The files are CSV, gzipped above 1 MB,
with their row counts and checksums in manifest.json; cutting the same database twice gives the same bytes.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import json
import shutil
import sqlite3
from numbers import Number
from pathlib import Path
from typing import TypedDict

from census.build import map_shapes
from census.build.database import Build
from census.domain.types import Row
from census.schema.tables import PROVENANCE, all_tables
from sources.postcode_directory import AUTHORITY
from sources.publication import Publication, SourceError, Table

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "extract"
MANIFEST = "manifest.json"
GZIP_ABOVE = 1_000_000  # bytes


class ExtractTable(TypedDict):
    """A file of the extract."""

    file: str
    rows: int
    sha256: str


class ExtractManifest(TypedDict):
    """What manifest.json of the extract says: whose areas it has, and its files by table."""

    codes: list[str]
    directory: str | None
    cut_from: str
    tables: dict[str, ExtractTable]


def cut(
    database: Path, codes: list[str], folder: Path, publications: list[Publication], maps: Path | None = None
) -> ExtractManifest:
    """Write the extract of the authorities `codes` from the full `database` into `folder`; return its manifest.

    A code is a local authority's, of 2019 or of today; anything else is the beginning of postcodes that no index
    covers ("JE2 3A"). An authority's areas are those that lie in it by either vintage and those in which it has a
    postcode, with the areas that became of them in 2021 and those that these were made of; all postcodes of these areas
    are taken, and from the full `maps`, if that is given, the boundaries. Raises SourceError for a code that selects
    nothing.
    """
    with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        scope, digest, directory, left_out = connection.execute(
            "select scope, digest, directory, left_out from edition"
        ).fetchone()
        if scope != "complete" or left_out:
            raise SourceError(f"{database} is not a complete database; an extract is cut from one built with --full.")
        _select(connection, codes)
        files = {
            table.name: _table_file(connection, table)
            for table in all_tables(publications).values()
            if not table.derived
        }
        if maps:
            files["boundaries"] = (map_shapes.EXTRACT.name, *map_shapes.cut(maps, connection))
    tables: dict[str, ExtractTable] = {
        table: {"file": name, "rows": rows, "sha256": hashlib.sha256(data).hexdigest()}
        for table, (name, data, rows) in files.items()
    }
    manifest: ExtractManifest = {"codes": codes, "directory": directory, "cut_from": digest, "tables": tables}
    contents = {name: data for name, data, _ in files.values()}
    _replace_folder(folder, contents | {MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()})
    return manifest


def _replace_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Put a folder with these files, by name, in the place of `folder`."""
    new, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    for name, data in files.items():
        (new / name).write_bytes(data)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _select(connection: sqlite3.Connection, codes: list[str]) -> None:
    """Make the temporary tables `chosen_lsoa_2011`, `chosen_lsoa_2021` (areas) and `chosen_postcodes`."""
    connection.executescript(
        """
        create temp table chosen_lsoa_2011 (code text primary key);
        create temp table chosen_lsoa_2021 (code text primary key);
        create temp table chosen_postcodes (postcode text primary key);
        """
    )
    for code in codes:
        if AUTHORITY.fullmatch(code):
            areas = connection.execute(
                """
                insert or ignore into chosen_lsoa_2011
                select code from small_areas where ?1 in (local_authority_2019, local_authority)
                union
                select lsoa_2011 from postcodes where local_authority = ?1 and lsoa_2011 is not null
                """,
                (code,),
            ).rowcount
            where, parameter = "local_authority = ? and lsoa_2011 is null", code
        else:
            areas = 0
            where, parameter = "lsoa_2011 is null and substr(postcode, 1, length(?1)) = ?1", code
        cursor = connection.execute(
            f"insert or ignore into chosen_postcodes select postcode from postcodes where {where}", (parameter,)
        )
        if not areas and not cursor.rowcount:
            raise SourceError(f"--extract: no area or postcode is in {code!r}, or the code is given twice.")
    chosen = -1
    while chosen != connection.total_changes:  # until no change of 2021 leads out of the areas chosen
        chosen = connection.total_changes
        connection.executescript(
            """
            insert or ignore into chosen_lsoa_2021
            select lsoa_2021 from lsoa_changes where lsoa_2011 in (select code from chosen_lsoa_2011)
            union
            select lsoa_2021 from postcodes
            where lsoa_2011 in (select code from chosen_lsoa_2011) and lsoa_2021 is not null;

            insert or ignore into chosen_lsoa_2011
            select lsoa_2011 from lsoa_changes where lsoa_2021 in (select code from chosen_lsoa_2021);
            """
        )
    connection.execute(
        """
        insert or ignore into chosen_postcodes
        select postcode from postcodes where lsoa_2011 in (select code from chosen_lsoa_2011)
        """
    )


def _table_file(connection: sqlite3.Connection, table: Table) -> tuple[str, bytes, int]:
    """Return the name and the content of a table's file, and its number of rows."""
    where = ""
    if table.name == "postcodes":
        where = "where postcode in (select postcode from chosen_postcodes)"
    elif table.area:
        where = "where " + " and ".join(
            f"{column} in (select code from chosen_{geography})" for column, geography in table.area.items()
        )
    elif table.name == PROVENANCE.name:
        where = "where status <> 'hosted'"
    rows = connection.execute(
        f"select {', '.join(table.columns)} from {table.name} {where} order by {table.key}"
    ).fetchall()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(rows)
    data = text.getvalue().encode()
    if len(data) <= GZIP_ABOVE:
        return f"{table.name}.csv", data, len(rows)
    return f"{table.name}.csv.gz", gzip.compress(data, 9, mtime=0), len(rows)


def load(build: Build, folder: Path = FOLDER) -> None:
    """Fill the tables from the extract in `folder`. Raises SourceError for a file that is not as the manifest says."""
    try:
        manifest: ExtractManifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder / MANIFEST} cannot be read: {error}") from error
    tables = {name: table for name, table in build.tables.items() if not table.derived}
    known = {row[1] for row in _rows(folder, manifest["tables"][PROVENANCE.name], PROVENANCE)}
    newer = [p for p in build.publications if p.id not in known and not p.hosted]  # published since it was cut
    empty = {table.name for p in newer for table in p.tables}
    for name, table in tables.items():
        if name in manifest["tables"]:
            build.insert(name, list(table.columns), _rows(folder, manifest["tables"][name], table))
        elif name not in empty:
            raise SourceError(f"{folder} has no table {name}; cut the extract again (--extract).")
    for publication in newer:
        build.record_publication(publication, "left out")
    for name in (name for name, table in tables.items() if table.area):
        build.db.conn.execute(
            f"update {PROVENANCE.name} set status = 'extract'"
            " where status = 'complete' and ', ' || tables || ',' like ?",
            (f"%, {name},%",),
        )
    names = ", ".join(_names(build, manifest["codes"]))
    build.record_edition(manifest["directory"], "extract", names, {p.id for p in newer})


def _names(build: Build, codes: list[str]) -> list[str]:
    known = dict(build.db.conn.execute("select code, name from local_authorities"))
    return [known.get(code) or f"{code}…" for code in codes]


def _rows(folder: Path, described: ExtractTable, table: Table) -> list[Row]:
    path = folder / described["file"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != described["sha256"]:
        raise SourceError(f"{path} is not the file that {MANIFEST} describes (another sha256).")
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    if header != list(table.columns) or len(rows) != described["rows"]:
        raise SourceError(f"{path}: expected {described['rows']} rows of {', '.join(table.columns)}.")
    types = [float if type_ is Number else type_ for type_ in table.columns.values()]
    return [tuple(None if cell == "" else type_(cell) for cell, type_ in zip(row, types, strict=True)) for row in rows]
