"""Show the page of an integrated care board, a sub-ICB location or a health board."""

from census.lookup import health
from census.lookup.health import HealthGeography
from census.lookup.indices import Index
from census.pages import editions
from census.pages.editions import SpreadEdition
from census.pages.page import Page, moved, query_addresses
from census.pages.reader import Credits, Reader


def page(reader: Reader, code: str) -> Page:
    """Return the page of a health geography. Raises NotFound."""
    place = health.health_geography(reader.lookup, code)
    if place.code != code:
        return moved("health geography", place.code)
    sources = Credits(reader)
    shown = [_edition(reader, place, index, sources) for index in reader.lookup.indices.of_nation(place.nation)]
    within = [reader.authorities[code] for code in health.authorities_within(reader.lookup, place)]
    within.sort(key=lambda authority: authority.name or authority.code)
    greens = [green for authority in within if (green := reader.gardens.of(authority.code))]
    sources.add(place.nation, None, "green_space" if greens else None)
    context = {
        "place": place,
        "address": f"/health-geography/{code}",
        "editions": shown,
        "greens": greens,
        "sources": sources.listed(),
    }
    return Page("health_geography.html", context)


def _edition(reader: Reader, place: HealthGeography, index: Index, sources: Credits) -> SpreadEdition:
    population = health.population(reader.lookup, place, index)
    if population.message:
        return SpreadEdition(index, message=population.message)
    sources.add(place.nation, index.id, health.LOOKUPS[place.nation, index.geography])
    embed = query_addresses("deprivation_in_health_geography", code=place.code, index=index.id)
    return editions.spread(reader, place, index, embed, population=population)
