"""Let /-/databases.json name files without their folders: their place on the machine is private."""

import functools
from pathlib import Path
from typing import Any

from datasette.app import Datasette


def apply() -> None:
    """Change what Datasette lists. It binds the method as it makes its routes, so this comes before."""
    connected = Datasette._connected_databases
    if hasattr(connected, "__wrapped__"):
        return

    @functools.wraps(connected)
    def without_folders(self: Datasette) -> list[dict[str, Any]]:
        databases: list[dict[str, Any]] = connected(self)
        return [database | {"path": database["path"] and Path(database["path"]).name} for database in databases]

    Datasette._connected_databases = without_folders
