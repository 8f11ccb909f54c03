"""Look small areas up: an LSOA, data zone or super output area, its figures, and the areas around it."""

from dataclasses import dataclass

import orjson

from census.domain.geographies import PARENTS
from census.domain.types import Record
from census.lookup.database import Lookup
from census.lookup.errors import NotFound
from census.lookup.green_space import GreenSpace
from census.lookup.indices import Index
from census.lookup.messages import explain
from census.lookup.places import LISTED, ListedArea
from census.lookup.sources import Source


@dataclass(frozen=True)
class AreaFigures:
    """A row of the table `deprivation`: an area's figures in one index; 1 is the most deprived."""

    index_id: str
    year: int
    area_code: str
    lsoa_2011: str | None
    lsoa_2021: str | None
    rank: float
    of: int
    decile: int
    decile_basis: str
    quintile: int
    quintile_basis: str
    quartile: int | None
    vigintile: int | None
    score: float | None
    income_rank: float | None
    income_decile: int | None
    employment_rank: float | None
    employment_decile: int | None
    education_rank: float | None
    education_decile: int | None
    health_rank: float | None
    health_decile: int | None
    crime_rank: float | None
    crime_decile: int | None
    barriers_to_housing_and_services_rank: float | None
    barriers_to_housing_and_services_decile: int | None
    access_to_services_rank: float | None
    access_to_services_decile: int | None
    housing_rank: float | None
    housing_decile: int | None
    living_environment_rank: float | None
    living_environment_decile: int | None
    idaci_rank: float | None
    idaci_decile: int | None
    idaopi_rank: float | None
    idaopi_decile: int | None
    domain_decile_basis: str


@dataclass(frozen=True)
class Change:
    """What became of an LSOA of 2011 in 2021, in ONS's letters: unchanged, split, merged, or otherwise (X)."""

    lsoa_2011: str
    lsoa_2021: str
    change: str


@dataclass(frozen=True)
class Area:
    """A small area, with its figures in every index that was requested, the newest first.

    eras: the years of the lists that have it, 2011 or 2021. local_authority_code: the one of today. latitude,
    longitude: the mean position of its live postcodes, in degrees. message: why there are no figures. lists: its row in
    each list of areas that has it, by the name of the table.
    """

    code: str
    kind: str
    nation: str
    name: str | None
    publisher_name: str | None
    eras: list[str]
    local_authority_code: str | None
    local_authority_name: str | None
    latitude: float | None
    longitude: float | None
    message: str | None
    deprivation: list[AreaFigures]
    uk_composite_rank: int | None
    uk_composite_decile: int | None
    green_space: GreenSpace | None
    changes: list[Change]
    lists: dict[str, Record]
    edition: str
    sources: list[Source]


@dataclass(frozen=True)
class NamedDecile:
    """An area and its decile in one index."""

    code: str
    name: str | None
    decile: int


_LISTS = ("lsoas_2011", "lsoas_2021", "data_zones_2011", "soas_2001")
_COLUMNS = ", ".join(
    "indices.year" if name == "year" else f'deprivation."{name}"' for name in AreaFigures.__dataclass_fields__
)
_FIGURES = f"""
    select {_COLUMNS}
    from deprivation join indices on indices.id = deprivation.index_id
    where deprivation.area_code = ? order by indices.year desc, indices.id
"""
_PLACED = """
    select {area}.*, local_authorities.name as local_authority_name
    from {area} left join local_authorities on local_authorities.code = {area}.local_authority
    where {area}.code = ?
"""
_COMPOSITE = "select uk_imd_e_rank, uk_imd_e_pop_decile from imd_uk_composite where area_code = ?"
_CHANGES = """
    select lsoa_2011, lsoa_2021, change from lsoa_changes where lsoa_2011 = ?
    union
    select lsoa_2011, lsoa_2021, change from lsoa_changes where lsoa_2021 = ?
    order by 1, 2
"""
_NATION = "select nation from small_areas where code = :code union select nation from lsoas_2021 where code = :code"
_NAMED = """
    select area.code, coalesce(area.name, area.publisher_name), deprivation.decile
    from json_each(:codes)
    cross join deprivation on deprivation.area_code = json_each.value and deprivation.index_id = :index
    join {parent} as area on area.code = deprivation.area_code
"""
_AROUND = f"""
    select {LISTED}
    from (
      select code, coalesce(name, publisher_name) as name, latitude, longitude,
        -- In degrees of latitude, squared; a degree of longitude is some 0.62 of one in Britain and Northern Ireland.
        (latitude - :latitude) * (latitude - :latitude)
          + 0.38 * (longitude - :longitude) * (longitude - :longitude) as distance
      from {{parent}}
      where latitude between :latitude - :reach and :latitude + :reach
      and longitude between :longitude - 2 * :reach and :longitude + 2 * :reach
    ) as area
    cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index
    order by area.distance, area.code limit :limit
"""
_REACH = (0.02, 0.1, 0.5)  # degrees of latitude in which neighbours are looked for: 2, 11 and 55 km
NEIGHBOURS = 60


def area(lookup: Lookup, code: str, choice: str = "") -> Area:
    """Return a small area of 2011 or 2021. Raises NotFound.

    code: in any case. choice: of an index, as `Indices.choice` gives it; empty for every index.
    """
    code = code.strip(" ").upper()
    rows = {
        "2011": lookup.rows(_PLACED.format(area="small_areas"), (code,)),
        "2021": lookup.rows(_PLACED.format(area="lsoas_2021"), (code,)),
    }
    eras = [era for era, of_era in rows.items() if of_era]
    if not eras:
        raise NotFound("unknown", _no_such_area(lookup, code))
    row = rows[eras[0]][0]
    figures = _figures(lookup, code, choice)
    message = None if figures else _no_figures(lookup, code, row["nation"], eras, choice)
    if message and lookup.indices.newest(choice)[row["nation"]] is None:
        raise NotFound("index_of_another_nation", message)
    composite = lookup.connection.execute(_COMPOSITE, (code,)).fetchone()
    green_space = lookup.green_space.get(row.get("local_authority_2019") or "")
    lists = {table: lookup.rows(f"select * from {table} where code = ?", (code,)) for table in _LISTS}
    more = [name for name, there in (("uk_composite", composite), ("green_space", green_space)) if there]
    return Area(
        code=code,
        kind=row.get("kind", "LSOA"),
        nation=row["nation"],
        name=row["name"],
        publisher_name=row["publisher_name"],
        eras=eras,
        local_authority_code=row["local_authority"],
        local_authority_name=row["local_authority_name"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        message=message,
        deprivation=figures,
        uk_composite_rank=composite[0] if composite else None,
        uk_composite_decile=composite[1] if composite else None,
        green_space=green_space,
        changes=lookup.read(Change, _CHANGES, (code, code)),
        lists={table: in_list[0] for table, in_list in lists.items() if in_list},
        edition=lookup.edition,
        sources=lookup.sources({of.index_id for of in figures}, row["nation"] == "Northern Ireland", more),
    )


def nation_of(lookup: Lookup, code: str) -> str:
    """Return the nation of a small area of 2011 or 2021. Raises NotFound."""
    row = lookup.connection.execute(_NATION, {"code": code}).fetchone()
    if row is None:
        raise NotFound("unknown", explain("unknown_small_area", code))
    nation: str = row[0]
    return nation


def why_no_figures(lookup: Lookup, code: str, index: Index) -> str | None:
    """Return why a small area has no figures of an index of its nation; None where it has."""
    if any(figures.index_id == index.id for figures in _figures(lookup, code, index.id)):
        return None
    tables = {"2011": "small_areas", "2021": "lsoas_2021"}
    eras = [era for era, table in tables.items() if lookup.rows(f"select 1 from {table} where code = ?", (code,))]
    return _no_figures(lookup, code, index.nation, eras, index.id)


def around(lookup: Lookup, code: str, index: Index) -> list[ListedArea]:
    """Return the NEIGHBOURS areas of an index whose centroids are nearest to that of `code`, itself the first."""
    parent = PARENTS[index.geography]
    [position] = lookup.rows(f"select latitude, longitude from {parent} where code = ?", (code,))
    areas: list[ListedArea] = []
    for reach in _REACH if position["latitude"] is not None else ():
        parameters = position | {"reach": reach, "index": index.id, "limit": NEIGHBOURS}
        areas = lookup.read(ListedArea, _AROUND.format(parent=parent), parameters)
        if len(areas) == NEIGHBOURS and _distance(areas[-1], position) <= reach * reach:
            break
    return areas


def deciles_of(lookup: Lookup, codes: list[str], index: Index) -> list[NamedDecile]:
    """Return name and decile of those of `codes` that an index has."""
    parameters = {"codes": orjson.dumps(codes).decode(), "index": index.id}
    return lookup.read(NamedDecile, _NAMED.format(parent=PARENTS[index.geography]), parameters)


def _distance(area: ListedArea, position: Record) -> float:
    """Return the distance of an area that has a position, as `_AROUND` has it."""
    assert area.latitude is not None
    assert area.longitude is not None
    north, east = area.latitude - position["latitude"], area.longitude - position["longitude"]
    return float(north * north + 0.38 * east * east)


def _figures(lookup: Lookup, code: str, choice: str) -> list[AreaFigures]:
    rows = lookup.read(AreaFigures, _FIGURES, (code,))
    if choice == "latest":
        return rows[:1]
    return [row for row in rows if choice in ("", row.index_id, str(row.year))]


def _no_such_area(lookup: Lookup, code: str) -> str:
    if not code:
        return explain("no_area_code")
    return explain("not_an_area_code_in_extract" if lookup.extract else "not_an_area_code", code)


def _no_figures(lookup: Lookup, code: str, nation: str, eras: list[str], choice: str) -> str:
    """Return why a small area has no figures of the newest index that a choice names."""
    named = lookup.indices.of_nation(nation, choice)
    if not named:
        return lookup.indices.not_of(nation, choice)
    index = named[0]
    if not index.loaded:
        return explain("left_out", index.title)
    year = index.geography[-4:]
    if year in eras:
        return explain("no_figures", index.title, code)
    own, other = ("lsoa_2011", "lsoa_2021") if year == "2021" else ("lsoa_2021", "lsoa_2011")
    rows = lookup.rows(f"select {other} as code from lsoa_changes where {own} = ? order by {other}", (code,))
    areas = ", ".join(row["code"] for row in rows) or None
    return explain("no_figures_of_2011" if year == "2021" else "no_figures_of_2021", index.title, code, areas)
