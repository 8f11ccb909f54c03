"""Show the page of a local authority of any vintage."""

from census.lookup import authorities
from census.lookup.authorities import AuthorityFigures, Distribution
from census.pages import charts, editions, pictures
from census.pages.editions import SpreadEdition
from census.pages.page import Page, moved, query_addresses
from census.pages.reader import Credits, Reader


def page(reader: Reader, code: str) -> Page:
    """Return the page of a local authority. Raises NotFound."""
    if code != (upper := code.strip(" ").upper()):
        return moved("local authority", upper)
    place = authorities.authority_figures(reader.lookup, code)
    sources = Credits(reader, place.sources)
    context = {
        "place": place,
        "scale": charts.scale(),
        "address": f"/local-authority/{code}",
        "successor": reader.authorities.get(place.successor or ""),
        "editions": [_edition(reader, place, distribution, sources) for distribution in place.deprivation],
        "greens": [reader.gardens.of(row.local_authority_2019_code) for row in place.green_space],
        "green_message": place.green_space_message,
        "green_addresses": query_addresses("green_space_by_local_authority", authority=code),
        "sources": sources.listed(),
        "api": f"/api/v1/local-authorities/{code}",
    }
    return Page("local_authority.html", context)


def _edition(reader: Reader, place: AuthorityFigures, distribution: Distribution, sources: Credits) -> SpreadEdition:
    index = reader.lookup.indices[distribution.index_id]
    if distribution.message:
        return SpreadEdition(index, message=distribution.message)
    embed = query_addresses("deprivation_in_local_authority", authority=place.code, index=index.id)
    return editions.spread(reader, place, index, embed, pictures.of_place(reader, place, index, sources))
