"""Verify that a census.db is, bit by bit or row by row, as it was built: a damaged one is not read.

The build writes inspect-data.json next to census.db, with the file's SHA-256; the file itself has the digest of every
row. The former takes half a second for the whole UK (400 MB), the latter half a minute, so it is computed only where
no SHA-256 fits: for a copy without inspect-data.json, or with that of another build.
"""

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

from census.domain.types import Record
from census.schema import hosted
from census.schema.tables import all_tables, digest
from sources import registry


class Damaged(Exception):
    """A database is not as it was built. The message says which, and what to do."""


def verify(database: Path) -> None:
    """Verify a census.db. Raises Damaged."""
    if not is_as_described(database, description(database)):
        verify_rows(database)


def description(database: Path) -> Record:
    """Return what inspect-data.json next to a census.db says of it; empty where there is none."""
    try:
        described: Record = json.loads(database.with_name("inspect-data.json").read_text(encoding="utf-8"))["census"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return described


def is_as_described(database: Path, described: Record) -> bool:
    """Return whether the file has the size and SHA-256 that `described`, of inspect-data.json, gives."""
    if database.stat().st_size != described.get("size"):
        return False
    with database.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == described.get("hash")


def verify_rows(database: Path) -> None:
    """Compare the digest of every row with the one that the build recorded. Raises Damaged."""
    try:
        uri = f"{database.resolve().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            [recorded] = connection.execute("select digest from edition").fetchone()
            actual = digest(connection, all_tables(registry.publications() + hosted.data_sets()))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise Damaged(unreadable(database, error)) from None
    if actual != recorded:
        raise Damaged(damaged(database, f"its rows have the digest {actual[:16]}, not {recorded[:16]}"))


def unreadable(database: Path, error: Exception) -> str:
    """Return the message about a file that SQLite cannot read as a census.db."""
    return f"{database} is not a database that this version's build_db.py made, or is damaged ({error})."


def damaged(database: Path, why: str) -> str:
    """Return the message about a damaged database."""
    return (
        f"{database} is not as it was built: {why}. A figure in it may be wrong, so it is not read."
        f" Copy it again with the inspect-data.json next to it, or build it again;"
        f" python build_db.py --check {database.name} says what differs."
    )
