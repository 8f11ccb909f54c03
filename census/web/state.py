"""Hold the state of one server: what it read from its census.db when it started, and what it keeps meanwhile."""

from dataclasses import dataclass, field
from pathlib import Path

from datasette.app import Datasette

from census.domain.types import Record
from census.lookup.maps import ABSENT, Maps, NoMap
from census.web.api.routes import Api
from census.web.sql.process import SqlProcesses

FileId = tuple[int, ...]


@dataclass(eq=False)
class Site:
    """The state of one Datasette, which `of` makes and finds.

    file: tells the census.db that was verified at the start from any other; None where there is none.
    digest: of that database. entity_tag: of every answer that depends on database, code and map alone.
    too_large: tables and views with too many rows to be streamed.
    stopping: SIGUSR1 has said that the server is about to stop.
    notices: template variables by table, for as long as the database does not change.
    readers: what reads for the pages, which plugins/pages.py makes.
    """

    datasette: Datasette
    api: Api
    started: bool = False
    file: FileId | None = None
    digest: str = ""
    entity_tag: bytes | None = None
    too_large: frozenset[str] = frozenset()
    stopping: bool = False
    sql: SqlProcesses | None = None
    notices: dict[str | None, Record] = field(default_factory=dict)
    readers: object = None
    _map: tuple[Maps | None, str] | None = None

    @classmethod
    def of(cls, datasette: Datasette) -> "Site":
        """Return the state of `datasette`, made when it is first needed: routes and middleware come before the start.

        This is the only attribute that the program sets on a Datasette to keep something there.
        """
        if not hasattr(datasette, "census_site"):
            datasette.census_site = cls(datasette, Api(datasette))
        site: Site = datasette.census_site
        return site

    def map(self) -> tuple[Maps | None, str]:
        """Return the map of the database, for the server's own thread; without one None, and why."""
        if self._map is None:
            self._map = self._open_map()
        return self._map

    def another_map(self) -> Maps | None:
        """Return the same map on a connection of its own, for another thread; None where it was replaced meanwhile."""
        first, _ = self.map()
        return self._open_map(first)[0] if first else None

    def _open_map(self, like: Maps | None = None) -> tuple[Maps | None, str]:
        census = self.datasette.databases.get("census")
        if census is None or census.path is None:
            return None, ABSENT
        try:
            return Maps(Path(census.path), like), ""
        except NoMap as error:
            return None, str(error)
