"""Define the tables of vector tiles that the RCPCH Census Platform serves, for its map component, and what they hold.

Each is a layer of maps/uk.mbtiles with the platform's names and properties and the published deciles. Only the local
authorities of May 2024 have published boundaries here; those of other years, NHS regions, integrated care boards and
health boards are dissolved from their small areas, and say so.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

TIERS = {"z0_4": (0, 4), "z5_7": (5, 7), "z8_10": (8, 10), "z11_14": (11, 14)}
"""Suffix of a table's name to the zooms at which the map component asks for it."""

ZOOMS = range(15)
NAMED = {"code": str, "area_name": str, "nation": str, "year": int}


@dataclass(frozen=True)
class TileTable:
    """A table of tiles: its `properties` and their types, in order.

    derived: how its shapes were made, where they are not published ones. untiered: also there without a tier.
    needs: the table of census.db without which it has nothing to show. lookups: publications of census.db beyond the
    indices that it is made from.
    """

    name: str
    description: str
    properties: dict[str, type]
    derived: str = ""
    untiered: bool = False
    needs: str = ""
    lookups: tuple[str, ...] = ()


_MASTER = {
    **dict.fromkeys(("code", "area_name", "la_code", "la_name", "nhser_code", "nhser_name"), str),
    **dict.fromkeys(("icb_code", "icb_name", "lhb_code", "lhb_name", "nation"), str),
    **dict.fromkeys(("year", "imd_year", "imd_decile", "la_year"), int),
}
_LSOA = {"lsoa_code": str, "area_name": str, "imd_decile": int, "imd_rank": int, "year": int}
_HEALTH = (
    "NHS regions by a derived lookup (each board's region is that of most of its hospital trusts, 2021);"
    " integrated care boards by ONS's lookup of {year}; health boards by ONS's lookup of 2022."
)

TABLES = {
    table.name: table
    for table in (
        TileTable(
            "uk_master_2011",
            "Deprivation deciles on the areas of 2011 (2001 in Northern Ireland): England and Wales 2019,"
            f" Scotland 2020, Northern Ireland 2017. {_HEALTH.format(year=2022)}",
            _MASTER,
            lookups=("lsoa_2011_lookup", "nhs_geography_2022", "nhs_regions_2021", "health_boards_2022"),
        ),
        TileTable(
            "uk_master_2021",
            "Deprivation deciles: England 2025 on the LSOAs of 2021; Wales 2019 on those of 2011, Scotland 2020,"
            f" Northern Ireland 2017. {_HEALTH.format(year=2024)}",
            _MASTER,
            lookups=("lsoa_2011_lookup", "nhs_geography_2024", "nhs_regions_2021", "health_boards_2022"),
        ),
        TileTable("lsoa_tiles_2011", "LSOAs of 2011 with the indices of 2019, England and Wales", _LSOA),
        TileTable("lsoa_tiles_2021", "LSOAs of 2021 with the index of 2025, England alone", _LSOA),
        TileTable(
            "la_tiles",
            "Local authorities in one layer: Scotland 2011, England and Wales 2019, England and Wales 2024",
            {"year": int, "lad_code": str},
            "Those of 2024 are published boundaries. Those of 2019 and of Scotland are derived: dissolved from the"
            " LSOAs and data zones of 2011 by their authority in ONS's lookup of 2019 and in SIMD 2020v2.",
            untiered=True,
            lookups=("lsoa_2011_lookup", "local_authority_names", "scotland_2020"),
        ),
        TileTable(
            "nhser_tiles_2021",
            "NHS England regions of 2021",
            NAMED,
            "Derived: dissolved from the LSOAs of 2011 by ONS's lookup of 2022 to integrated care boards, and from"
            " these by a derived lookup to the regions of 2021.",
            untiered=True,
            needs="nhs_regions_2021",
            lookups=("nhs_geography_2022", "nhs_regions_2021"),
        ),
        TileTable(
            "icb_tiles_2023",
            "Integrated care boards of 2024, which have the codes of April 2023",
            NAMED,
            "Derived: dissolved from the LSOAs of 2021 by ONS's lookup of 2024.",
            untiered=True,
            lookups=("nhs_geography_2024",),
        ),
        TileTable(
            "lhb_tiles_2022",
            "Local health boards of Wales, 2022",
            NAMED,
            "Derived: dissolved from the LSOAs of 2011 by their authority and ONS's lookup of 2022.",
            untiered=True,
            needs="health_boards_2022",
            lookups=("lsoa_2011_lookup", "health_boards_2022"),
        ),
    )
}

ABSENT = {
    "channel_islands_tiles": "No boundaries of Guernsey, Jersey and the Isle of Man are at hand whose licence allows"
    " this site to publish them."
}
"""The platform's tables that are not served, and why."""


@dataclass(frozen=True)
class Feature:
    """What a table shows: `properties`, and the areas (`codes` of a `geography`) whose boundary it has, together.

    dissolved: its boundary is made from those of its areas; otherwise it has one area, and that one's.
    """

    geography: str
    codes: tuple[str, ...]
    properties: dict[str, str | int]
    dissolved: bool = False


def index_ids(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the indices that a table shows, one a nation, as far as they were loaded."""
    loaded = connection.execute("select nation, geography, id from indices where loaded order by year, id").fetchall()
    older = {nation: id_ for nation, geography, id_ in loaded if geography == "lsoa_2011"}
    newer = [id_ for nation, geography, id_ in loaded if geography == "lsoa_2021" and nation == "England"][-1:]
    of_2021 = [*newer, *(id_ for nation, id_ in older.items() if nation != "England")]
    lsoas = [id_ for nation, id_ in older.items() if nation in ("England", "Wales")]
    named = {
        "uk_master_2011": [*older.values()],
        "uk_master_2021": of_2021,
        "lsoa_tiles_2011": lsoas,
        "lsoa_tiles_2021": newer,
    }
    return named.get(table, [])


def features(connection: sqlite3.Connection, table: str) -> Iterator[Feature]:
    """Yield what a table shows, in the order of codes; a property without a value is absent."""
    if table == "la_tiles":
        yield from _authorities(connection)
        return
    if table in _DISSOLVED:
        yield from _dissolved(connection, table)
        return
    properties = TABLES[table].properties
    for id_ in index_ids(connection, table):
        [geography] = connection.execute("select geography from indices where id = ?", (id_,)).fetchone()
        for row in connection.execute(f"{_AREAS[geography]} where index_id = ? order by area_code", (id_,)):
            of_area = dict(zip(("rank", *_MASTER), row, strict=True))
            of_area |= {"lsoa_code": of_area["code"], "imd_rank": of_area["rank"]}
            kept = {name: of_area[name] for name in properties if of_area[name] is not None}
            yield Feature(geography, (of_area["code"],), kept)


_NATION = "replace(lower(area.nation), ' ', '_')"
_AREAS = {
    "lsoa_2011": f"""
        select
            rank, area.code, coalesce(area.name, area.publisher_name), authority.code, authority.name,
            nhs_region, nhs_region_name, board.code, board.name, health_board, health_board_name, {_NATION},
            case area.nation when 'Northern Ireland' then 2001 else 2011 end, indices.year, decile,
            iif(authority.code is null, null, case area.nation when 'Scotland' then 2011 else 2019 end)
        from deprivation
        join indices on indices.id = index_id
        join small_areas as area on area.code = area_code
        left join local_authorities as authority
            on authority.code = area.local_authority_2019 and area.nation <> 'Northern Ireland'
        left join lsoas_2011 on lsoas_2011.code = area.code
        left join health_geographies as board on board.code = icb_2022
        left join nhs_regions_2021 using (icb_2022)
        left join health_boards_2022 on health_boards_2022.local_authority = area.local_authority_2019
    """,
    "lsoa_2021": f"""
        select
            rank, area.code, coalesce(area.name, area.publisher_name), authority.code, authority.name,
            nhs_region, nhs_region_name, board.code, board.name, null, null, {_NATION},
            2021, indices.year, decile, iif(authority.code is null, null, 2024)
        from deprivation
        join indices on indices.id = index_id
        join lsoas_2021 as area on area.code = area_code
        left join local_authorities as authority on authority.code = area.local_authority_2024
        left join health_geographies as board on board.code = area.icb_2024
        left join nhs_regions_2021 on nhs_regions_2021.icb_2024 = area.icb_2024
    """,
}
"""Geography to the SQL of its areas: the rank, then the properties of `_MASTER`."""

_DISSOLVED = {
    "nhser_tiles_2021": (
        "lsoa_2011",
        2022,
        """
        select nhs_region, nhs_region_name, 'england', json_group_array(code)
        from (select code, icb_2022 from lsoas_2011 order by code) join nhs_regions_2021 using (icb_2022)
        group by nhs_region order by nhs_region
        """,
    ),
    "icb_tiles_2023": (
        "lsoa_2021",
        2024,
        """
        select board.code, board.name, 'england', json_group_array(area.code)
        from (select code, icb_2024 from lsoas_2021 order by code) as area
        join health_geographies as board on board.code = icb_2024
        group by board.code order by board.code
        """,
    ),
    "lhb_tiles_2022": (
        "lsoa_2011",
        2022,
        """
        select health_board, health_board_name, 'wales', json_group_array(code)
        from (select code, local_authority_2019 from small_areas order by code)
        join health_boards_2022 on local_authority = local_authority_2019
        group by health_board order by health_board
        """,
    ),
}
"""Table to the geography of the areas that its shapes are dissolved from, the year of the lookup, and the SQL."""


def _dissolved(connection: sqlite3.Connection, table: str) -> Iterator[Feature]:
    geography, year, sql = _DISSOLVED[table]
    for code, name, nation, codes in connection.execute(sql):
        properties = {"code": code, "area_name": name, "nation": nation, "year": year}
        kept = {name: value for name, value in properties.items() if value is not None}
        yield Feature(geography, tuple(orjson.loads(codes)), kept, True)


def _authorities(connection: sqlite3.Connection) -> Iterator[Feature]:
    for nation, year in (("Scotland", 2011), ("England", 2019), ("Wales", 2019)):
        for code, codes in connection.execute(
            """
            select local_authority_2019, json_group_array(code)
            from (select * from small_areas where nation = ? and local_authority_2019 is not null order by code)
            group by local_authority_2019 order by local_authority_2019
            """,
            (nation,),
        ):
            yield Feature("lsoa_2011", tuple(orjson.loads(codes)), {"year": year, "lad_code": code}, True)
    for (code,) in connection.execute(
        """
        select code from local_authorities
        where nation in ('England', 'Wales') and ', ' || vintages || ',' like '%, 2024,%'
        and coalesce(successor, code) in (
            select local_authority from small_areas union select local_authority from lsoas_2021
        )
        order by code
        """
    ):
        yield Feature("local_authority_2024", (code,), {"year": 2024, "lad_code": code})
