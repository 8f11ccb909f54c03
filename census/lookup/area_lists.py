"""List the small areas of a place, or those around one, in one index."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from census.lookup import areas, authorities, health, places
from census.lookup.database import Lookup
from census.lookup.errors import NotFound
from census.lookup.indices import NEWEST, Index
from census.lookup.messages import explain
from census.lookup.places import ListedArea

COLUMNS = ListedArea._fields
"""The columns of a list; licence, attribution and edition follow them."""


@dataclass(frozen=True)
class AreaList:
    """The areas of a place in one index, and the terms of their figures."""

    index: Index
    licence: str
    attribution: str
    edition: str
    areas: list[ListedArea]


Problem = Callable[[Index], str | None]
Read = Callable[[Index], list[ListedArea]]


def list_of(lookup: Lookup, kind: str, code: str, choice: str) -> AreaList:
    """Return the areas of a place, or those around an area, in an index; by default the newest with figures.

    kind: area, local authority or health geography. choice: the id of an index, `latest`, or empty. Raises NotFound
    where there is no such place, or no figures of that index for all of it.
    """
    nation, problem_with, read = _PLACES[kind](lookup, code)
    problem = None
    for index in lookup.indices.of_nation(nation):
        if choice not in (*NEWEST, index.id):
            continue
        if message := problem_with(index):
            problem = problem or message
            continue
        licence, attribution = _terms(lookup, kind, index)
        return AreaList(index, licence, attribution, lookup.edition, read(index))
    raise NotFound("unknown", problem or f"'{choice[:40]}' is not the id of an index of {nation}.")


def _area(lookup: Lookup, code: str) -> tuple[str, Problem, Read]:
    nation = areas.nation_of(lookup, code)
    return nation, partial(areas.why_no_figures, lookup, code), partial(areas.around, lookup, code)


def _authority(lookup: Lookup, code: str) -> tuple[str, Problem, Read]:
    if code != code.strip(" ").upper():
        raise NotFound("unknown", explain("unknown_authority_code", code))
    place = authorities.authority(lookup, code)
    return (
        place.nation,
        lambda index: authorities.distribution(lookup, place, index).message,
        partial(places.areas_of, lookup, place),
    )


def _health_geography(lookup: Lookup, code: str) -> tuple[str, Problem, Read]:
    place = health.health_geography(lookup, code)
    return (
        place.nation,
        lambda index: health.population(lookup, place, index).message,
        partial(places.areas_of, lookup, place),
    )


_PLACES = {"area": _area, "local authority": _authority, "health geography": _health_geography}


def _terms(lookup: Lookup, kind: str, index: Index) -> tuple[str, str]:
    """Return licence and attribution of a list: those of the index, of the lookup of its areas, and of postcodes."""
    ids = [index.publication]
    if kind == "health geography":
        ids.append(health.LOOKUPS[index.nation, index.geography])
    attribution = " ".join(lookup.publications[id_].attribution for id_ in ids)
    directory = lookup.publications["postcode_directory"].attribution
    if directory not in attribution:
        attribution += f" {directory}"
    return lookup.publications[index.publication].licence, attribution
