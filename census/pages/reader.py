"""Hold what the pages read: a database, its map, and what is read from it once."""

from collections.abc import Iterable

from census.lookup import authorities, indices, postcodes
from census.lookup.database import Lookup
from census.lookup.maps import Maps
from census.lookup.sources import Source
from census.pages.gardens import Gardens
from census.pages.page import Page


class Reader:
    """What the pages read, for one thread at a time. maps: None where there is no map.

    weights: of each index, by domain. months: of each postcode area, up to which its postcodes have small areas.
    composite_of: the number of areas in the composite UK index; an extract has fewer. overviews: the pages of the map,
    by layer.
    """

    def __init__(self, lookup: Lookup, maps: Maps | None = None) -> None:
        self.lookup, self.maps = lookup, maps
        self.weights = indices.weights(lookup)
        self.authorities = authorities.authorities(lookup)
        self.months = postcodes.months(lookup)
        self.gardens = Gardens(lookup.green_space, self.authorities)
        self.composite_of = lookup.publications["uk_composite"].rows
        self.overviews: dict[str, Page] = {}


class Credits:
    """The publications whose figures or boundaries a page shows, each once, in the order in which they were added."""

    def __init__(self, reader: Reader, sources: Iterable[Source] = ()) -> None:
        self._reader = reader
        self._sources = {source.id: source for source in sources}

    def add(self, nation: str | None, index: str | None, *more: str | None) -> None:
        """Add the publication of an index, that of postcodes, and `more`; what is there stays as it is."""
        sources = self._reader.lookup.sources([index], nation == "Northern Ireland", filter(None, more))
        for source in sources:
            self._sources.setdefault(source.id, source)

    def add_boundaries(self, geography: str, nation: str) -> None:
        """Add the publications of the boundaries of a nation's areas, where there is a map."""
        if self._reader.maps:
            self._sources |= {source.id: source for source in self._reader.maps.publications(geography, nation)}

    def listed(self) -> list[Source]:
        """Return the publications."""
        return list(self._sources.values())
