"""Show the page of a postcode: of one with figures, or why there are none."""

import calendar
from dataclasses import dataclass

from census.domain import postcode
from census.lookup import postcodes
from census.lookup.postcodes import PostcodeFigures
from census.pages import charts, editions, pictures
from census.pages.editions import Edition
from census.pages.page import Page, moved, query_addresses
from census.pages.reader import Credits, Reader

ISLANDS = {"Jersey": "Jersey", "Guernsey": "Guernsey", "Isle of Man": "the Isle of Man"}
"""The nations without an index, and what the page calls them."""


@dataclass(frozen=True)
class SmallAreasOf:
    """A postcode area, and the month up to which its postcodes have small areas, in words."""

    area: str
    month: str


def page(reader: Reader, text: str) -> Page:
    """Return the page of a postcode. Raises nothing for any text."""
    normal = postcode.normalise(text)
    if normal and text != normal.replace(" ", ""):
        return moved("postcode", normal.replace(" ", ""))
    figures = postcodes.one(reader.lookup, text)
    if figures.postcode and figures.status in ("found", "terminated"):
        return _with_figures(reader, text, figures.postcode, figures)
    return _without_figures(reader, text, normal, figures)


def _with_figures(reader: Reader, text: str, normal: str, figures: PostcodeFigures) -> Page:
    sources = Credits(reader)
    shown = [_edition(reader, text, index.id, sources) for index in reader.lookup.indices.of_nation(figures.nation)]
    green = reader.gardens.of(figures.local_authority_2019_code)
    composite = editions.composite(reader, figures)
    sources.add(figures.nation, None, "uk_composite" if composite else None, "green_space" if green else None)
    drawn = [edition for edition in shown if edition.figures]
    picture = None
    if drawn and drawn[0].area:
        at = figures.latitude, figures.longitude
        picture = pictures.surroundings(reader, drawn[0].index, drawn[0].area, normal, sources, at)
    context = {
        "answer": figures,
        "dated": _small_areas_of(reader, normal),
        "scale": charts.scale(),
        "editions": shown,
        "area_on_map": drawn[0].area if drawn else None,
        "picture": picture,
        "green": green,
        "composite": composite,
        "sources": sources.listed(),
        "compact": normal.replace(" ", ""),
        "embed": [
            (edition.index, query_addresses("imd_by_postcode", postcode=normal, index=edition.index.id))
            for edition in drawn
        ],
        "green_addresses": query_addresses("green_space_by_postcode", postcode=normal),
    }
    return Page("postcode.html", context, figures.status)


def _edition(reader: Reader, text: str, index_id: str, sources: Credits) -> Edition:
    index, figures = reader.lookup.indices[index_id], postcodes.one(reader.lookup, text, index_id)
    if figures.rank is None:
        return Edition(index, message=figures.message)
    sources.add(figures.nation, index_id)
    return editions.edition(reader, index, figures, area=(figures.area_code, figures.area_name))


def _without_figures(reader: Reader, text: str, normal: str | None, figures: PostcodeFigures) -> Page:
    lookup = reader.lookup
    context = {
        "answer": figures,
        "typed": text[:20],
        "near": postcodes.sector(lookup, normal) if normal else [],
        "would_be": _would_be(reader, text),
        "island": ISLANDS.get(figures.nation or ""),
        "directory": lookup.directory,
        "extract": lookup.extract,
        "dated": _small_areas_of(reader, normal),
    }
    return Page("no_postcode.html", context, figures.status)


def _would_be(reader: Reader, text: str) -> str | None:
    """Return the postcode that may be intended: the only one here that looks like `text`, or the only form."""
    alike = postcodes.look_alikes(reader.lookup, text)
    if len(alike) == 1:
        return alike[0]
    return None if postcode.normalise(text) else postcode.near_miss(text)


def _small_areas_of(reader: Reader, normal: str | None) -> SmallAreasOf | None:
    area = (normal or "")[:2].rstrip("0123456789")
    month = reader.months.get(area)
    return SmallAreasOf(area, f"{calendar.month_name[month % 100]} {month // 100}") if month else None
