"""Finish census.db and publish it: common words, indexes, digest, search; then its name, in one rename.

Only a finished and checked database is given its name. (A build that is killed in the instant between a file's first
name and its rename leaves `.NAME.PID`, which the next build removes.) A census.db whose inspect-data.json does not fit
is one whose build was killed between the two; the server ignores the old inspect-data.json and says so.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from census.build import downloads
from census.build.atomic_file import atomic_file
from census.build.database import Build
from census.schema import manifest
from census.schema.deprivation import DEPRIVATION, common_words_sql
from census.schema.tables import digest
from census.schema.views import VIEWS, view_sql
from sources.publication import SourceError

BLOCK = 1 << 20  # bytes
TOKENIZER = "unicode61 remove_diacritics 2"


def finish(build: Build) -> None:
    """Add common words, indexes, the digest of all figures, statistics and full-text search; compact the file."""
    db = build.db
    for index in filter(None, (p.index for p in build.publications)):
        db.conn.execute(f"insert into {DEPRIVATION.name} {common_words_sql(index)} order by area_code")
    for table in build.tables.values():
        for name, indexed in table.index_names.items():
            db.conn.execute(f"create index {name} on {table.name} {indexed}")
    for name in VIEWS:
        db.conn.execute(view_sql(name))
    db.conn.execute("update edition set digest = ?", (digest(db.conn, build.tables),))
    db.analyze()
    db.vacuum()
    for table in build.tables.values():  # after the VACUUM, which may renumber the rows
        if table.search:
            db.table(table.name).enable_fts(list(table.search), tokenize=TOKENIZER)
            db.table(table.name).optimize()


def publish(build: Build) -> None:
    """Give the finished database its name, in place of an older one.

    With the name census.db it also gets inspect-data.json and the downloads next to it.
    """
    size = _pragma(build, "page_count") * _pragma(build, "page_size")
    if build.output.name != "census.db":
        _write_database(build, size, lambda: None)
        return
    [digest_of_rows] = build.db.conn.execute("select digest from edition").fetchone()
    folder = manifest.folder_of(build.output, digest_of_rows)
    counts = {name: build.db[name].count for name in build.db.table_names()}
    with downloads.written(build.db.conn, build.tables, folder, build.output.parent) as publish_downloads:
        hash_ = _write_database(build, size, publish_downloads)
    downloads.remove_others(folder)
    _write_inspect_data(build.output, hash_, size, counts)


def _pragma(build: Build, name: str) -> int:
    value: int = build.db.conn.execute(f"pragma {name}").fetchone()[0]
    return value


def _write_database(build: Build, size: int, before_naming: Callable[[], None]) -> str:
    """Copy the database, of `size` bytes, to its output and name it; return its SHA-256.

    Raises SourceError where it cannot be read back.
    """
    build.db.close()
    hashed, left = hashlib.sha256(), size
    with atomic_file(build.output) as (out, publish_output):
        while left and (block := build.storage.read(min(left, BLOCK))):
            hashed.update(block)
            out.write(block)
            left -= len(block)
        out.flush()
        os.fsync(out.fileno())
        if left:
            raise SourceError(f"{build.output}: {left} bytes of the finished database could not be read back.")
        before_naming()
        publish_output()
    return hashed.hexdigest()


def _write_inspect_data(output: Path, hash_: str, size: int, counts: dict[str, int]) -> None:
    """Write inspect-data.json, which tells Datasette that the file does not change, and how many rows it has."""
    tables = {name: {"count": rows} for name, rows in counts.items()}
    described = {"census": {"hash": hash_, "size": size, "file": output.name, "tables": tables}}
    with atomic_file(output.with_name("inspect-data.json")) as (out, publish_file):
        out.write(json.dumps(described, indent=1).encode() + b"\n")
        out.flush()
        publish_file()
