"""Vector tiles at the addresses of the RCPCH Census Platform, as its pg_tileserv has them, from maps/uk.mbtiles.

A tile goes out as stored when it is requested by the name of its own tier. Under another tier's name, or none, it
is renamed; beyond the deepest zoom that is stored it is cut from the tile above it. Both take a few milliseconds, in a
thread, and the newest few hundred are kept.
"""

import gzip
import re
from collections.abc import Callable
from functools import lru_cache, partial

from census.domain import map_layers, mvt
from census.domain.types import Record
from census.lookup.maps import Maps
from census.lookup.tile_tables import ABSENT, TABLES, TIERS, ZOOMS, TileTable

SCHEMA = "public"
INDEX = "index.json"
TILE = re.compile(r"public\.([a-z0-9_]+)/([0-9]{1,2})/([0-9]{1,7})/([0-9]{1,7})\.(?:pbf|mvt)", re.ASCII)
JSON = re.compile(r"public\.([a-z0-9_]+)\.json", re.ASCII)
KEPT_TILES = 256  # of some 10 to 20 KB each
TYPES = {str: "text", int: "int4"}

NAMES: dict[str, tuple[TileTable, str | None]] = {
    name: (table, tier)
    for table in TABLES.values()
    for name, tier in (
        *((f"{table.name}_{tier}", tier) for tier in TIERS),
        *(((table.name, None),) if table.untiered else ()),
    )
}
"""Name of each table that may be requested, to the table of the map and the tier."""


def unknown(maps: Maps, name: str) -> str | None:
    """Return why there is no table `name` in the map; None where there is one."""
    for absent, why in ABSENT.items():
        if re.fullmatch(rf"{absent}(_({'|'.join(TIERS)}))?", name):
            return f"There is no table '{name}': {why}"
    if name not in NAMES:
        return f"There is no table '{name[:40]}': {INDEX} lists those that there are."
    table = maps.tables.get(NAMES[name][0].name)
    if table is None or table.bounds is None:
        lacks = table.lacks if table else "This map was made without it."
        return f"There are no tiles of '{name}' here: {lacks}"
    return None


def tile(maps: Maps, name: str, zoom: int, column: int, row: int) -> bytes | Callable[[], bytes] | None:
    """Return a tile of the table `name`, gzipped; None where it is empty; where it is to be changed, what does so."""
    table, tier = NAMES[name]
    levels = max(0, zoom - map_layers.ZOOMS[-1])
    stored = maps.tile(table.name, zoom - levels, column >> levels, row >> levels)
    if not stored:
        return None
    if tier and not levels and TIERS[tier][0] <= zoom <= TIERS[tier][1]:
        return stored
    within = (1 << levels) - 1
    return partial(_changed, stored, name, levels, column & within, row & within)


@lru_cache(KEPT_TILES)
def _changed(stored: bytes, name: str, levels: int, column: int, row: int) -> bytes:
    """Return a stored tile, gzipped, under another name or of a deeper zoom; empty where nothing is left."""
    data, layer = gzip.decompress(stored), f"{SCHEMA}.{name}"
    data = mvt.overzoomed(data, layer, levels, column, row) if levels else mvt.renamed(data, layer)
    return gzip.compress(data, 5, mtime=0) if data else b""


def index(maps: Maps, base: str) -> dict[str, Record]:
    """Return what pg_tileserv lists in index.json. base: the address of the tiles."""
    return {
        f"{SCHEMA}.{name}": {
            "id": f"{SCHEMA}.{name}",
            "name": name,
            "schema": SCHEMA,
            "type": "table" if tier else "view",
            "description": _description(maps, table),
            "detailurl": f"{base}/{SCHEMA}.{name}.json",
        }
        for name, (table, tier) in NAMES.items()
        if unknown(maps, name) is None
    }


def detail(maps: Maps, name: str, base: str, attribution: str) -> Record:
    """Return what pg_tileserv says of a table, and where its figures and shapes are from.

    base: the address of the tiles. attribution: of the figures.
    """
    table, _ = NAMES[name]
    made = maps.tables[table.name]
    if made.bounds is None:
        raise ValueError(f"{name} has no tiles here: `unknown` says so.")
    west, south, east, north = made.bounds
    return {
        "id": f"{SCHEMA}.{name}",
        "schema": SCHEMA,
        "name": name,
        "description": _description(maps, table),
        "properties": [
            {"name": property_, "type": TYPES[type_], "description": ""}
            for property_, type_ in table.properties.items()
        ],
        "geometrytype": "MultiPolygon",
        "center": [round((west + east) / 2, 4), round((south + north) / 2, 4)],
        "bounds": made.bounds,
        "minzoom": ZOOMS[0],
        "maxzoom": ZOOMS[-1],
        "tileurl": f"{base}/{SCHEMA}.{name}/{{z}}/{{x}}/{{y}}.pbf",
        "detailurl": f"{base}/{SCHEMA}.{name}.json",
        "editions": made.indices,
        "derived": table.derived or None,
        "extract": maps.authorities,
        "attribution": f"{attribution} {maps.attribution}".strip(),
    }


def _description(maps: Maps, table: TileTable) -> str:
    made = maps.tables[table.name]
    of_extract = "An extract: areas of some authorities, and parts of what is dissolved." if maps.authorities else ""
    return " ".join(filter(None, (f"{table.description.rstrip('.')}.", table.derived, made.lacks, of_extract)))
