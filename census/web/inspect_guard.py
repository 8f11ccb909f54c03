"""Ignore row counts that another build left.

The file holds row counts and a hash that spare a server the counting. One left over from another build would give
wrong counts, so a server that finds one which does not fit (size, hash) ignores it, and says so.
"""

import sys
from pathlib import Path

from datasette.app import Datasette
from datasette.inspect import inspect_hash

from sources.rows import Record


def check(datasette: Datasette) -> None:
    """Let `datasette` ignore what does not fit."""
    for name, described in list((datasette.inspect_data or {}).items()):
        database = datasette.databases.get(name)
        if database is None or database.path is None or fits(Path(database.path), described):
            continue
        print(f"inspect-data.json does not fit {Path(database.path).name}; it is ignored.", file=sys.stderr)
        del datasette.inspect_data[name]
        database.is_mutable = True
        database.cached_hash = database.cached_size = database._cached_table_counts = None


def fits(path: Path, described: Record) -> bool:
    """Return whether the file `path` has the size and SHA-256 that `described`, of inspect-data.json, gives."""
    return path.stat().st_size == described.get("size") and inspect_hash(path) == described.get("hash")
