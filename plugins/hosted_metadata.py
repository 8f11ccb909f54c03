"""Describe the tables of hosted data sets as their YAML does."""

import copy
import sys

from datasette import hookimpl
from datasette.app import Datasette

from api.asgi import WhenStarted
from sources import hosting
from sources.publication import SourceError


@hookimpl
def startup(datasette: Datasette) -> WhenStarted:
    async def add() -> None:
        database = datasette.databases.get("census")
        if database is None:
            return
        there = await database.table_names()
        try:
            whole = hosting.describe(copy.deepcopy(datasette._metadata_local))
        except SourceError as error:
            print(f"{error} Hosted data sets are not described.", file=sys.stderr)
            return
        told = datasette._metadata_local["databases"]["census"]["tables"]
        described = whole["databases"]["census"]["tables"]
        told.update({name: says for name, says in described.items() if name in there and name not in told})

    return add
