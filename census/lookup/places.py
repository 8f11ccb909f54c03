"""Look local authorities and health geographies up, and how their small areas spread over an index."""

from dataclasses import dataclass
from typing import NamedTuple

from census.domain import geographies
from census.domain.geographies import PARENTS
from census.lookup import green_space
from census.lookup.database import Lookup, columns
from census.lookup.errors import NotFound
from census.lookup.green_space import GreenSpace
from census.lookup.indices import Index
from census.lookup.messages import explain
from census.lookup.sources import Source

DECILES = range(1, 11)
OVERALL = "imd"


@dataclass(frozen=True)
class Authority:
    """A row of the table `local_authorities`. vintages: the years of the lists that have it, with commas between.

    successor: the code of the authority that it became part of.
    """

    code: str
    name: str | None
    nation: str
    vintages: str | None
    successor: str | None
    latitude: float | None
    longitude: float | None
    name_welsh: str | None

    @property
    def kind(self) -> str:
        """The key of AREAS."""
        return "local authority" if self.successor is None else "gone local authority"


@dataclass(frozen=True)
class HealthGeography:
    """A row of the table `health_geographies`. ods_code: the NHS's own. areas_2011, areas_2021: how many it has."""

    code: str
    kind: str
    nation: str
    name: str | None
    ods_code: str | None
    vintages: str | None
    areas_2011: int | None
    areas_2021: int | None


@dataclass(frozen=True)
class Decile:
    """How many areas of a place are in a decile of the nation, and their share, from 0 to 1."""

    decile: int
    decile_basis: str
    areas: int
    share: float


@dataclass(frozen=True)
class RankedArea:
    """An area of a local authority, with its rank and decile."""

    area_code: str
    area_name: str | None
    rank: float
    decile: int


@dataclass(frozen=True)
class Distribution:
    """How the areas of a local authority are distributed over the deciles of one index.

    message: why there are no figures. of: how many areas the index ranks.
    """

    message: str | None
    index_id: str
    year: int
    of: int
    deciles: list[Decile]
    most_deprived: list[RankedArea]
    least_deprived: list[RankedArea]


@dataclass(frozen=True)
class NamedCode:
    """A code and its name."""

    code: str
    name: str | None


@dataclass(frozen=True)
class AuthorityFigures(Authority):
    """A local authority with its figures in every index that was requested, the newest first.

    green_space: of the authorities of 2019. small_areas: by the year of their list.
    """

    predecessors: list[NamedCode]
    deprivation: list[Distribution]
    green_space: list[GreenSpace]
    green_space_message: str | None
    small_areas: dict[str, list[NamedCode]]
    edition: str
    sources: list[Source]


class ListedArea(NamedTuple):
    """An area of a list: its figures in one index, and its centroid in degrees."""

    code: str
    name: str | None
    index_id: str
    rank: float
    of: int
    decile: int
    decile_basis: str
    quintile: int
    quintile_basis: str
    idaci_rank: float | None
    idaci_decile: int | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class AreaList:
    """The areas of a place in one index, and the terms of their figures."""

    index: Index
    licence: str
    attribution: str
    edition: str
    areas: list[ListedArea]


@dataclass(frozen=True)
class Ranked:
    """An area at one end of a spread."""

    code: str
    name: str | None
    rank: float
    decile: int


@dataclass(frozen=True)
class Spread:
    """How the areas of a place spread over the deciles of one index.

    basis: whether the deciles are published or computed. counts: OVERALL and each domain that has them to the number of
    areas in each decile. most, least: the five most and least deprived.
    """

    areas: int
    basis: str
    counts: dict[str, list[int]]
    most: list[Ranked]
    least: list[Ranked]


@dataclass(frozen=True)
class People:
    """How many people, and children aged 0 to 15, live in the areas of a decile."""

    decile: int
    people: int
    children: int | None


@dataclass(frozen=True)
class Population:
    """The people in the areas of a health geography by decile; none where no publication says how many.

    message: why there are no figures of the place at all. note: whose count it is.
    """

    message: str | None
    deciles: list[People]
    note: str | None


@dataclass(frozen=True)
class AuthorityShare:
    """How many of an authority's areas are in the most deprived tenth of their nation, and their share, from 0 to 1."""

    nation: str
    code: str
    name: str | None
    areas: int
    most: int
    share: float


@dataclass(frozen=True)
class Position:
    """A place on the map: degrees, and the code of the area to outline, if any.

    eras: of a small area, the years of the lists that have it.
    """

    latitude: float
    longitude: float
    nation: str | None = None
    eras: tuple[int, ...] = ()


_AREA = "{era}.code, coalesce({era}.name, {era}.publisher_name) as name, {era}.name as own_name, {era}.latitude,"
_IN_2011 = _AREA.format(era="small_areas") + " small_areas.longitude"
_IN_2021 = _AREA.format(era="lsoas_2021") + " lsoas_2021.longitude"
_OF_2011 = f"select {_IN_2011} from small_areas where {{}} = :code"
_OF_2021 = f"select {_IN_2021} from lsoas_2021 where {{}} = :code"
_LISTED = f"select {_IN_2011} from {{}} as listed join small_areas on small_areas.code = listed.code where {{}} = :code"
AREAS = {
    "local authority": {
        "lsoa_2011": _OF_2011.format("local_authority"),
        "lsoa_2021": _OF_2021.format("local_authority"),
    },
    "gone local authority": {
        "lsoa_2011": _OF_2011.format("local_authority_2019"),
        "lsoa_2021": _OF_2021.format("local_authority_2024"),
    },
    "integrated care board": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.icb_2022"),
        "lsoa_2021": _OF_2021.format("icb_2024"),
    },
    "sub-ICB location": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.sub_icb_2022"),
        "lsoa_2021": _OF_2021.format("sub_icb_2024"),
    },
    "health board": {"lsoa_2011": _LISTED.format("data_zones_2011", "listed.health_board")},
}
"""The SQL of the areas of a place, by its kind and their geography, as the canned queries count them."""

HEALTH_LOOKUPS = {
    ("England", "lsoa_2011"): "nhs_geography_2022",
    ("England", "lsoa_2021"): "nhs_geography_2024",
    ("Scotland", "lsoa_2011"): "data_zone_2011_lookup",
}
"""The publication that says which areas a health geography has, by nation and geography."""

_RANKED = "cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index"
LISTED = ", ".join(
    f"{'area' if name in ('code', 'name', 'latitude', 'longitude') else 'deprivation'}.{name}"
    for name in ListedArea._fields
)
_COUNTED = {"": OVERALL, **{name: name for name in (*geographies.SUPPLEMENTARY, *geographies.DOMAINS)}}
_SPREAD = f"""
    select count(*) as areas, min(decile_basis) as basis, {
    ", ".join(
        f"sum({name}{'_' if name else ''}decile = {n}) as {label}_{n}"
        for name, label in _COUNTED.items()
        for n in DECILES
    )
}
    from ({{areas}}) as area {_RANKED}
"""
_ENDS = f"""
    select area.code, area.{{name}}, deprivation.rank, deprivation.decile from ({{areas}}) as area {_RANKED}
    order by deprivation.rank {{way}}, area.code limit 5
"""
_DECILES = f"""
    with ranked as materialized (
      select deprivation.decile, deprivation.decile_basis from ({{areas}}) as area {_RANKED}
    )
    select
      deciles.column1,
      min(ranked.decile_basis),
      sum(ranked.decile = deciles.column1),
      round(1.0 * sum(ranked.decile = deciles.column1) / count(*), 4)
    from (values {", ".join(f"({n})" for n in DECILES)}) as deciles cross join ranked
    group by deciles.column1 order by deciles.column1
"""
_MOST_DEPRIVED = """
    select
      :nation,
      local_authorities.code,
      local_authorities.name,
      count(*),
      sum(deprivation.decile = 1),
      1.0 * sum(deprivation.decile = 1) / count(*)
    from deprivation join {parent} as area on area.code = deprivation.area_code
    join local_authorities on local_authorities.code = area.local_authority
    where deprivation.index_id = :index
    group by local_authorities.code order by local_authorities.name, local_authorities.code
"""
_PEOPLE = {
    "lsoa_2011": """
        select code, total_population_mid_2015 as people, dependent_children_mid_2015 as children
        from lsoas_2011 where :code in (sub_icb_2022, icb_2022)
        union all
        select code, population, null from data_zones_2011 where health_board = :code
    """,
    "lsoa_2021": """
        select code, total_population_mid_2022 as people, dependent_children_mid_2022 as children
        from lsoas_2021 where :code in (sub_icb_2024, icb_2024)
    """,
}
_PEOPLE_BY_DECILE = f"""
    select deprivation.decile, count(*), count(people), sum(people), count(children), sum(children)
    from ({{people}}) as area {_RANKED}
    group by deprivation.decile
"""
_POSITIONS = {
    "area": """
        select latitude, longitude, nation, 2011 from small_areas where code = :code
        union all select latitude, longitude, nation, 2021 from lsoas_2021 where code = :code
    """,
    "local authority": "select latitude, longitude, null, null from local_authorities where code = :code",
    "health geography": """
        select avg(latitude), avg(longitude), null, null from (
            select latitude, longitude from lsoas_2021 where :code in (icb_2024, sub_icb_2024)
            union all
            select small_areas.latitude, small_areas.longitude from lsoas_2011 join small_areas using (code)
            where :code in (icb_2022, sub_icb_2022)
            union all
            select small_areas.latitude, small_areas.longitude from data_zones_2011 join small_areas using (code)
            where health_board = :code
        )
    """,
}


# Local authorities


def authority(lookup: Lookup, code: str) -> Authority:
    """Return the local authority of any vintage that has a code, in any case. Raises NotFound."""
    code = code.strip(" ").upper()
    rows = lookup.read(Authority, f"select {columns(Authority)} from local_authorities where code = ?", (code,))
    if not rows:
        raise NotFound("unknown", explain("unknown_authority_code", code))
    return rows[0]


def authorities(lookup: Lookup) -> dict[str, Authority]:
    """Return every local authority, by code."""
    rows = lookup.read(Authority, f"select {columns(Authority)} from local_authorities order by code")
    return {row.code: row for row in rows}


def authority_figures(lookup: Lookup, code: str, choice: str = "") -> AuthorityFigures:
    """Return a local authority of any vintage, with its figures. Raises NotFound.

    code: in any case. choice: of an index, as `Indices.choice` gives it; empty for every index.
    """
    place = authority(lookup, code)
    indices = lookup.indices.of_nation(place.nation, choice)
    if not indices:
        raise NotFound("index_of_another_nation", lookup.indices.not_of(place.nation, choice))
    if choice == "latest":
        indices = indices[:1]
    green = green_space.of_authority(lookup, place)
    named = {
        "2011": "select code, name from small_areas where local_authority = ? order by code",
        "2021": "select code, name from lsoas_2021 where local_authority = ? order by code",
    }
    followed = "select code, name from local_authorities where successor = ? order by code"
    return AuthorityFigures(
        **vars(place),
        predecessors=lookup.read(NamedCode, followed, (place.code,)),
        deprivation=[distribution(lookup, place, index) for index in indices],
        green_space=green.figures,
        green_space_message=green.message,
        small_areas={era: lookup.read(NamedCode, sql, (place.code,)) for era, sql in named.items()},
        edition=lookup.edition,
        sources=lookup.sources(
            [index.id for index in indices],
            place.nation == "Northern Ireland",
            ["green_space"] if green.figures else [],
        ),
    )


def distribution(lookup: Lookup, place: Authority, index: Index) -> Distribution:
    """Return how the areas of a local authority are distributed over the deciles of an index of its nation."""
    areas, parameters = AREAS[place.kind][index.geography], {"code": place.code, "index": index.id}
    complete = is_complete(lookup, place)
    deciles = lookup.read(Decile, _DECILES.format(areas=areas), parameters) if complete else []
    if not deciles:
        message = explain("no_figures_of_authority", index.id, place.name or place.code)
        if not complete and place.name is not None:
            message = explain("authority_in_part", lookup.authorities, place.name)
        return Distribution(message, index.id, index.year, index.areas, [], [], [])
    most, least = (
        lookup.read(RankedArea, _ENDS.format(areas=areas, name="own_name", way=way), parameters) for way in ("", "desc")
    )
    return Distribution(None, index.id, index.year, index.areas, deciles, most, least)


def is_complete(lookup: Lookup, place: Authority) -> bool:
    """Return whether the database holds every area of a local authority: an extract has some of many."""
    if lookup.authorities is None:
        return True
    return place.name is not None and f", {place.name}," in f", {lookup.authorities},"


def most_deprived(lookup: Lookup, index: Index) -> list[AuthorityShare]:
    """Return the local authorities of today of which every area is here, by name, with their most deprived areas."""
    sql = _MOST_DEPRIVED.format(parent=PARENTS[index.geography])
    rows = lookup.read(AuthorityShare, sql, {"index": index.id, "nation": index.nation})
    known = authorities(lookup) if lookup.extract else {}
    return [row for row in rows if not known or is_complete(lookup, known[row.code])]


# Health geographies


def health_geography(lookup: Lookup, code: str) -> HealthGeography:
    """Return the health geography with ONS's code or the NHS's own, in any case. Raises NotFound."""
    code = code.strip(" ").upper()
    rows = lookup.read(
        HealthGeography,
        f"select {columns(HealthGeography)} from health_geographies where code = :code or ods_code = :code"
        " order by vintages desc, code",
        {"code": code},
    )
    if not rows:
        problem = f"'{code[:40]}' is not the code of an integrated care board, sub-ICB location or health board."
        raise NotFound("unknown", problem)
    return next((row for row in rows if row.code == code), rows[0])


def population(lookup: Lookup, place: HealthGeography, index: Index) -> Population:
    """Return how many people live in the areas of a health geography, by decile of an index of its nation."""
    if not index.loaded:
        return Population(explain("left_out", index.title), [], None)
    sql = _PEOPLE_BY_DECILE.format(people=_PEOPLE[index.geography])
    rows = lookup.connection.execute(sql, {"code": place.code, "index": index.id}).fetchall()
    areas = sum(row[1] for row in rows)
    is_newer = index.geography == "lsoa_2021"
    all_areas = place.areas_2021 if is_newer else place.areas_2011
    if areas == 0 == all_areas:
        year = index.geography[-4:]
        message = explain("no_areas_of_year", place.name, place.code, year, index.id, place.vintages)
        return Population(message, [], None)
    if areas == 0 or areas != all_areas:
        return Population(explain("health_geography_in_part", place.name, place.code, areas, all_areas), [], None)
    if sum(row[2] for row in rows) < areas:
        return Population(None, [], explain("no_people"))
    has_children = sum(row[4] for row in rows) == areas
    by_decile = {row[0]: row for row in rows}
    deciles = []
    for n in DECILES:
        _, _, _, people, _, children = by_decile.get(n, (n, 0, 0, 0, 0, 0))
        deciles.append(People(n, people, children if has_children else None))
    note = "people_of_scotland" if place.nation == "Scotland" else "people_of_2025" if is_newer else "people_of_2019"
    return Population(None, deciles, explain(note))


def authorities_within(lookup: Lookup, place: HealthGeography) -> set[str]:
    """Return the codes of the local authorities of 2019 in which the areas of a health geography are."""
    areas = AREAS[place.kind]["lsoa_2011"]
    rows = lookup.rows(
        f"select distinct local_authority_2019 as code from ({areas}) as area join small_areas using (code)",
        {"code": place.code},
    )
    return {row["code"] for row in rows if row["code"]}


# Either


def spread(lookup: Lookup, place: Authority | HealthGeography, index: Index) -> Spread:
    """Return how the areas of a place spread over the deciles of an index that has them."""
    areas, parameters = AREAS[place.kind][index.geography], {"code": place.code, "index": index.id}
    [row] = lookup.rows(_SPREAD.format(areas=areas), parameters)
    counts = {name: [row[f"{name}_{n}"] for n in DECILES] for name in _COUNTED.values()}
    most, least = (
        lookup.read(Ranked, _ENDS.format(areas=areas, name="name", way=way), parameters) for way in ("", "desc")
    )
    return Spread(
        areas=row["areas"],
        basis=row["basis"],
        counts={name: of for name, of in counts.items() if None not in of and sum(of) == row["areas"]},
        most=most,
        least=least,
    )


def areas_of(lookup: Lookup, place: Authority | HealthGeography, index: Index) -> list[ListedArea]:
    """Return the areas of a place with their figures in an index, most deprived first."""
    areas = AREAS[place.kind][index.geography]
    sql = f"select {LISTED} from ({areas}) as area {_RANKED} order by deprivation.rank, area.code"
    return lookup.read(ListedArea, sql, {"code": place.code, "index": index.id})


def position(lookup: Lookup, kind: str, code: str) -> Position | None:
    """Return where a place is; None where that is not known. kind: a key of _POSITIONS."""
    rows = lookup.connection.execute(_POSITIONS[kind], {"code": code}).fetchall()
    if not rows or rows[0][0] is None:
        return None
    latitude, longitude, nation, _ = rows[0]
    return Position(latitude, longitude, nation, tuple(dict.fromkeys(row[3] for row in rows if row[3])))
