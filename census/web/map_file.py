"""Open the map next to the census.db of a Datasette."""

from pathlib import Path

from datasette.app import Datasette

from census.lookup.maps import ABSENT, Maps, NoMap


def opened(datasette: Datasette) -> tuple[Maps | None, str]:
    """Return the map next to the census.db of `datasette`, for the server's own thread, opened once.

    Where there is none, return None, and why.
    """
    if not hasattr(datasette, "_census_maps"):
        datasette._census_maps = _open(datasette)
    opened: tuple[Maps | None, str] = datasette._census_maps
    return opened


def another(datasette: Datasette) -> Maps | None:
    """Return the same map on a connection of its own, for another thread; None where it was replaced meanwhile."""
    first, _ = opened(datasette)
    return _open(datasette, first)[0] if first else None


def _open(datasette: Datasette, like: Maps | None = None) -> tuple[Maps | None, str]:
    census = datasette.databases.get("census")
    if census is None or census.path is None:
        return None, ABSENT
    try:
        return Maps(Path(census.path), like), ""
    except NoMap as error:
        return None, str(error)
