"""Look local authorities up, and how their small areas are distributed over the deciles of an index."""

from dataclasses import dataclass

from census.domain.geographies import PARENTS
from census.lookup import green_space
from census.lookup.database import Lookup, columns
from census.lookup.errors import NotFound
from census.lookup.green_space import GreenSpace
from census.lookup.indices import Index
from census.lookup.messages import explain
from census.lookup.places import AREAS, DECILES, ENDS, RANKED
from census.lookup.sources import Source


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


@dataclass(frozen=True)
class AuthorityShare:
    """How many of an authority's areas are in the most deprived tenth of their nation, and their share, from 0 to 1."""

    nation: str
    code: str
    name: str | None
    areas: int
    most: int
    share: float


_DECILES = f"""
    with ranked as materialized (
      select deprivation.decile, deprivation.decile_basis from ({{areas}}) as area {RANKED}
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
        lookup.read(RankedArea, ENDS.format(areas=areas, name="own_name", way=way), parameters) for way in ("", "desc")
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
