"""Show the page of a small area of 2011 or 2021."""

from census.lookup import areas
from census.pages import charts, editions, pictures
from census.pages.page import Page, moved, query_addresses
from census.pages.reader import Credits, Reader


def page(reader: Reader, code: str) -> Page:
    """Return the page of a small area. Raises NotFound."""
    if code != (upper := code.strip(" ").upper()):
        return moved("area", upper)
    areas.nation_of(reader.lookup, code)
    area = areas.area(reader.lookup, code)
    sources = Credits(reader, area.sources)
    shown = [
        editions.edition(
            reader,
            reader.lookup.indices[figures.index_id],
            figures,
            query_addresses("deprivation_by_small_area", code=code, index=figures.index_id),
        )
        for figures in area.deprivation
    ]
    name = area.name or area.publisher_name or code
    picture = pictures.surroundings(reader, shown[0].index, code, name, sources) if shown else None
    table = next(iter(area.lists), None)
    context = {
        "area": area,
        "picture": picture,
        "scale": charts.scale(),
        "authority": reader.authorities.get(area.local_authority_code or ""),
        "editions": shown,
        "composite": editions.composite(reader, area),
        "green": reader.gardens.of(area.green_space.local_authority_2019_code) if area.green_space else None,
        "sources": sources.listed(),
        "lists": {
            "Its postcodes": query_addresses("postcodes_in_small_area", code=code),
            "Its row in the list of areas": table and f"/census/{table}/{code}",
        },
        "changes": [change for change in area.changes if change.lsoa_2011 != change.lsoa_2021],
        "api": f"/api/v1/areas/{code}",
    }
    return Page("area.html", context)
