"""Refuse a census.db that another version of this project built, and say what to do.

Queries and pages read tables, columns and views by name; over an older database each of them would fail on its own.
"""

import sqlite3
from pathlib import Path

import click
from datasette.app import Datasette

from census.schema.tables import all_tables
from census.schema.verify import unreadable
from census.schema.views import VIEWS, view_sql
from sources.registry import publications


async def check(datasette: Datasette) -> None:
    """Compare the database with this version. Raises ClickException, which ends the start."""
    census = datasette.databases.get("census")
    if census is None:
        return
    try:
        lacking = await census.execute_fn(lacks)
    except sqlite3.DatabaseError as error:
        raise click.ClickException(unreadable(Path(census.path), error)) from None
    if lacking:
        raise click.ClickException(
            f"{census.path} was built by another version of this project: it has no {', '.join(lacking[:3])}."
            " Build it again: make extract (the demonstration) or make full (the whole UK)."
        )


def lacks(connection: sqlite3.Connection) -> list[str]:
    """Return what this version reads and the database behind `connection` does not have.

    Hosted data sets may come and go.
    """
    there = dict(connection.execute("select name, sql from sqlite_master where type in ('table', 'view')"))
    lacking = [f"view {name} as it is here" for name in VIEWS if there.get(name) != view_sql(name)]
    for name, table in all_tables(publications()).items():
        columns = {row[1] for row in connection.execute(f"pragma table_xinfo({name})")}
        lacking += [f"{name}.{column}" for column in table.columns if column not in columns]
    return lacking
