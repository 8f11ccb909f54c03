"""Write the areas of a place as JSON, as the maps read it, and as CSV."""

import csv
import io

import orjson

from census.lookup.area_lists import COLUMNS, AreaList

_TERMS = ("licence", "attribution", "edition")


def as_json(areas: AreaList) -> str:
    """Return a list of areas as JSON."""
    content = {
        "index": areas.index.id,
        "title": areas.index.title,
        **{name: getattr(areas, name) for name in _TERMS},
        "areas": [area._asdict() for area in areas.areas],
    }
    return orjson.dumps(content).decode()


def as_csv(areas: AreaList) -> str:
    """Return a list of areas as CSV; each row has licence, attribution and edition."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow((*COLUMNS, *_TERMS))
    terms = [getattr(areas, name) for name in _TERMS]
    writer.writerows((*area, *terms) for area in areas.areas)
    return text.getvalue()
