"""Refuse a census.db that is damaged, and ignore row counts that another build left.

inspect-data.json has row counts and a hash that spare a server the counting. One left over from another build would
give wrong counts, so a server that finds one which does not fit (size, hash) ignores it, says so, and compares every
row with the digest in the file before it answers anything.
"""

import asyncio
import sys
from pathlib import Path

import click
from datasette.app import Datasette

from census.schema.verify import Damaged, is_as_described, verify_rows


def ignore_other_counts(datasette: Datasette) -> None:
    """Let `datasette` ignore what does not fit."""
    for name, described in list((datasette.inspect_data or {}).items()):
        database = datasette.databases.get(name)
        if database is None or database.path is None or is_as_described(Path(database.path), described):
            continue
        print(f"inspect-data.json does not fit {Path(database.path).name}; it is ignored.", file=sys.stderr)
        del datasette.inspect_data[name]
        database.is_mutable = True
        database.cached_hash = database.cached_size = database._cached_table_counts = None


async def check(datasette: Datasette) -> None:
    """Compare the rows with their digest where no hash has shown them right. Raises ClickException: the start ends."""
    census = datasette.databases.get("census")
    if census is None or census.path is None or "census" in (datasette.inspect_data or {}):
        return
    try:
        await asyncio.to_thread(verify_rows, Path(census.path))
    except Damaged as error:
        raise click.ClickException(str(error)) from None
