"""What the areas of each layer of the map carry, from census.db."""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from census.domain.geographies import PARENTS
from census.domain.map_layers import DECILES, LAYERS, OUTLINES, PROPERTIES, VINTAGES
from census.domain.types import Record
from census.lookup import tile_tables

Placed = tuple[str, Record]
"""The geography of an area, and its properties on the map."""


@dataclass(frozen=True)
class ShownIndex:
    """An index that a layer shows, in the words of `indices`, and whether its deciles are published or computed."""

    id: str
    nation: str
    year: int
    geography: str
    areas: int
    title: str
    decile_basis: str
    domain_decile_basis: str


def editions(connection: sqlite3.Connection, layer: str) -> list[ShownIndex]:
    """Return the indices that a layer shows, one a nation; none of local authorities."""
    cursor = connection.execute(
        """
        select id, nation, year, geography, areas, title, decile_basis, domain_decile_basis
        from indices join (
            select index_id, min(decile_basis) as decile_basis, min(domain_decile_basis) as domain_decile_basis
            from deprivation group by index_id
        ) on index_id = id
        where loaded order by year, id
        """
    )
    newest: dict[str, ShownIndex] = {}
    for index in (ShownIndex(*row) for row in cursor):
        if layer == "uk_latest" or (layer == "uk_2011" and index.geography == "lsoa_2011"):
            newest[index.nation] = index
    return [newest[nation] for nation in ("England", "Wales", "Scotland", "Northern Ireland") if nation in newest]


def rows(connection: sqlite3.Connection, layer: str) -> Iterator[Placed]:
    """Yield what the areas of a layer carry: (geography, properties) by index and code.

    Properties that are none are absent.

    `year` is that of the areas, `imd_year` that of the index; ranks are as published, deciles as in `deprivation`.
    """
    if layer == "local_authorities":
        for code, name, nation, successor, now in connection.execute(
            """
            select own.code, own.name, own.nation, coalesce(other.code, own.code), coalesce(other.name, own.name)
            from local_authorities as own left join local_authorities as other on other.code = own.successor
            where ', ' || own.vintages || ',' like '%, 2024,%' and coalesce(own.successor, own.code) in (
                select local_authority from small_areas union select local_authority from lsoas_2021
            )
            order by own.code
            """
        ):
            own = {"code": code, "area_name": name, "la_code": successor, "la_name": now, "nation": nation}
            yield OUTLINES, {**own, "year": 2024}
        return
    for index in editions(connection, layer):
        year = 2001 if index.nation == "Northern Ireland" else VINTAGES[index.geography]
        areas = connection.execute(
            f"""
            select area.code, area.nation, {year}, {index.year}, decile, {", ".join(DECILES)}, rank, of,
                coalesce(area.name, area.publisher_name), area.local_authority, local_authorities.name
            from deprivation join {PARENTS[index.geography]} as area on area.code = deprivation.area_code
            left join local_authorities on local_authorities.code = area.local_authority
            where index_id = ? order by area_code
            """,
            (index.id,),
        )
        for row in areas:
            yield (
                index.geography,
                {name: value for name, value in zip(PROPERTIES, row, strict=True) if value is not None},
            )


def figures_digest(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 of all that the layers carry: the map of a database with another one is not its map."""
    hashed = hashlib.sha256()
    for layer in LAYERS:
        for row in rows(connection, layer):
            hashed.update(orjson.dumps(row))
    for table in tile_tables.TABLES:
        for feature in tile_tables.features(connection, table):
            hashed.update(orjson.dumps((table, feature)))
    return hashed.hexdigest()
