"""Show the page of the map: the local authorities in the indices of a layer, as a picture and a list."""

from dataclasses import dataclass

from census.domain import geographies, map_layers
from census.lookup import authorities, map_figures, places, postcodes
from census.pages import charts, pictures
from census.pages.page import Page
from census.pages.reader import Credits, Reader

ZOOMS = {"postcode": 14, "area": 13, "local authority": 10, "health geography": 8}
"""How near the map is at a place, by its kind."""


@dataclass(frozen=True)
class Position:
    """A place on the map: degrees, zoom, the layer that shows it, and the code of the area to outline, if any."""

    latitude: float
    longitude: float
    zoom: int
    layer: str
    area: str | None


def page(reader: Reader, layer: str) -> Page:
    """Return the page of a layer, made once."""
    if layer not in reader.overviews:
        reader.overviews[layer] = _page(reader, layer)
    return reader.overviews[layer]


def position(reader: Reader, place: str, code: str, layer: str) -> Position | None:
    """Return where a place is on the map; None where that is not known.

    place: a key of ZOOMS. layer: the one that is looked at; an area that it has not is shown on the other one.
    """
    if place == "postcode":
        figures = postcodes.one(reader.lookup, code)
        if figures.status not in ("found", "terminated") or figures.latitude is None or figures.longitude is None:
            return None
        newest = layer == "uk_latest" and figures.nation in ("England", "Wales")
        area = figures.lsoa_2021 if newest else figures.lsoa_2011
        return Position(figures.latitude, figures.longitude, ZOOMS[place], layer, area)
    at = places.position(reader.lookup, place, code)
    if at is None:
        return None
    if place == "area" and at.nation in ("England", "Wales"):
        layers: dict[tuple[int, ...], str] = {(2011,): "uk_2011", (2021,): "uk_latest"}
        layer = layers.get(at.eras, layer)
    return Position(at.latitude, at.longitude, ZOOMS[place], layer, code if place == "area" else None)


def _page(reader: Reader, layer: str) -> Page:
    lookup, maps = reader.lookup, reader.maps
    indices = [lookup.indices[index.id] for index in map_figures.editions(lookup.connection, layer)]
    rows = [row for index in indices for row in authorities.most_deprived(lookup, index)]
    sources = Credits(reader)
    for index in indices:
        sources.add(index.nation, index.id)
        for geography in (index.geography, map_layers.OUTLINES):
            sources.add_boundaries(geography, index.nation)
    today = {code: authority.successor or code for code, authority in reader.authorities.items()}
    context = {
        "layer": layer,
        "scale": charts.scale(),
        "indices": indices,
        "tiled": maps is not None and {*map_layers.LAYERS} <= {*maps.layers},
        "measures": {name: name.replace("_", " ").capitalize() for name in geographies.DOMAINS},
        "rows": rows,
        "extract": lookup.extract,
        "picture": pictures.of_authorities(maps, rows, today) if maps else None,
        "sources": sources.listed(),
    }
    return Page("map.html", context)
