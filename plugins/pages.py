"""Serve the pages for people, and the box that finds a place.

`census/pages/` reads and draws, `templates/` words it. All of it is done in the thread of the pages
(`concurrency/side_loop.py` of `census/web/`), so that lookups go on meanwhile; what reads many areas, and what looks
through names, has one more, so that other pages do. Each has a connection of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple, cast
from urllib.parse import quote, unquote

import orjson
from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.domain import geographies
from census.domain.types import Record
from census.lookup import area_lists, search
from census.lookup.database import Lookup
from census.lookup.errors import NotFound
from census.lookup.search import Hit
from census.pages import area, health_geography, local_authority
from census.pages import map as map_page
from census.pages import postcode as postcode_page
from census.pages.page import Page, place_address
from census.pages.reader import Reader
from census.schema.indices import indices
from census.tables import postcode_column
from census.web.api import area_lists as written
from census.web.api.v1 import HTTP
from census.web.asgi import Routes
from census.web.handlers import map_program
from census.web.parameters import takes
from census.web.responses import origin, undeclared
from census.web.state import Site

NO_DATABASE = "There is no census.db yet: build one with build_db.py."
MAPPED = ("uk_latest", "uk_2011")
MEASURES = ("idaci", *geographies.DOMAINS)
PLACES = {"area": area.page, "local-authority": local_authority.page, "health-geography": health_geography.page}

KEPT = ("local-authority", "health-geography")  # 12 ms each to make; all 366 are 9 MB
MOST_KEPT = 16 << 20  # bytes

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


@hookimpl
def register_routes() -> Routes:
    places = "|".join(PLACES)
    return [
        (r"^/$", home),
        (r"^/postcode/(?P<text>.*)$", postcode),
        (rf"^/(?P<place>{places})/(?P<code>[^/]+)$", place),
        (rf"^/(?P<place>{places})/(?P<code>[^/]+)/areas\.(?P<form>csv|json)$", areas),
        (r"^/search$", found_places),
        (r"^/suggest$", suggest),
        (r"^/spreadsheet$", spreadsheet),
        (r"^/map$", map_),
    ]


class KeptPages:
    """Pages that were made, the last ones requested, up to MOST_KEPT bytes: those of a database that never changes."""

    def __init__(self) -> None:
        self.pages: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self.size = 0

    def get(self, key: tuple[str, ...]) -> str | None:
        """Return the page of `key`, if it is kept."""
        if key in self.pages:
            self.pages.move_to_end(key)
        return self.pages.get(key)

    def keep(self, key: tuple[str, ...], page: str) -> None:
        """Keep a page, in the place of those that were requested longest ago."""
        self.size += len(page) - len(self.pages.pop(key, ""))
        self.pages[key] = page
        while self.size > MOST_KEPT:
            self.size -= len(self.pages.popitem(last=False)[1])


class Readers:
    """What reads for the pages: `reader` in the thread of the pages, `in_thread` in one more.

    A connection is for one thread alone: two that use one wait for each other for ever.
    """

    def __init__(self, site: Site) -> None:
        self.reader: Reader | None = None
        self.kept = KeptPages()
        self._other: Reader | None = None
        self._thread = ThreadPoolExecutor(1)
        if site.api.v1 is not None:
            census = site.datasette.databases["census"]
            rules = indices()
            self.reader, self._other = (
                Reader(Lookup(Path(census.path), rules, immutable=not census.is_mutable), site.another_map())
                for _ in range(2)
            )

    @staticmethod
    def of(datasette: Datasette) -> "Readers":
        """Return those of `datasette`, made once."""
        site = Site.of(datasette)
        if site.readers is None:
            site.readers = Readers(site)
        return cast(Readers, site.readers)

    async def in_thread(self, function: Callable[[Reader, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Return the result of `function`, which takes a Reader and `arguments`."""
        if self._other is None:
            raise LookupError(NO_DATABASE)
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, self._other, *arguments)


def base_of(datasette: Datasette, request: Request) -> str:
    """Return how the addresses in a page begin: as that of the request does."""
    base: str = origin(request.scope, datasette.setting("force_https_urls")) + datasette.urls.path("").rstrip("/")
    return base


async def show(datasette: Datasette, request: Request, template: str, shown: Record, status: int = 200) -> Response:
    """Return a page. Its addresses to copy begin as that of the request does."""
    base = base_of(datasette, request)
    tiles = datasette.plugin_config("datasette-cluster-map")
    html = await datasette.render_template(template, shown | {"origin": base, "tiles": tiles}, request=request)
    return Response.html(html, status=status)


async def show_page(datasette: Datasette, request: Request, page: Page) -> Response:
    """Return a page, or the redirect to where it has moved."""
    if page.moved:
        return Response.redirect(datasette.urls.path(page.moved), status=301)
    return await show(datasette, request, page.template, page.shown, HTTP[page.status])


async def missing(datasette: Datasette, request: Request, message: str, status: int = 404) -> Response:
    """Return the page of what is not there."""
    return await show(datasette, request, "no_place.html", {"message": message}, status)


@takes()
async def home(datasette: Datasette, request: Request) -> Response:
    """Return the first page. Datasette's own counts every table before it is shown; this one reads what it lists."""
    lookup = (reader := Readers.of(datasette).reader) and reader.lookup
    shown = {
        "metadata": datasette.metadata(),
        "indices": list(lookup.indices) if lookup else [],
        "publications": lookup.publications if lookup else {},
    }
    return await show(datasette, request, "index.html", shown)


@takes()
async def postcode(datasette: Datasette, request: Request) -> Response:
    """Show the page of a postcode."""
    readers = Readers.of(datasette)
    if readers.reader is None:
        return await missing(datasette, request, NO_DATABASE, 503)
    return await show_page(datasette, request, postcode_page.page(readers.reader, unquote(request.url_vars["text"])))


@takes()
async def place(datasette: Datasette, request: Request) -> Response:
    """Show the page of an area, a local authority or a health geography."""
    readers = Readers.of(datasette)
    if readers.reader is None:
        return await missing(datasette, request, NO_DATABASE, 503)
    kind, code = request.url_vars["place"], unquote(request.url_vars["code"])
    key = (kind, code, base_of(datasette, request))
    if (kept := readers.kept.get(key)) is not None:
        return Response.html(kept)
    try:
        page = await readers.in_thread(PLACES[kind], code)
    except NotFound as error:
        return await missing(datasette, request, str(error))
    shown = await show_page(datasette, request, page)
    if shown.status == 200 and kind in KEPT and not datasette.databases["census"].is_mutable:
        readers.kept.keep(key, shown.body)
    return shown


async def areas(datasette: Datasette, request: Request) -> Response:
    """Return the areas of a place, or the nearest to an area, in one index: CSV, or JSON as the maps read it."""
    readers, code = Readers.of(datasette), unquote(request.url_vars["code"])
    if readers.reader is None:
        return Response.json({"error": NO_DATABASE}, status=503)
    if problem := undeclared(request.args, "this list", ("index",)):
        return Response.json({"error": problem}, status=400)
    form, index = request.url_vars["form"], request.args.get("index") or ""
    kind = request.url_vars["place"].replace("-", " ")
    write = written.as_json if form == "json" else written.as_csv

    def read(reader: Reader) -> tuple[str, str]:
        listed = area_lists.list_of(reader.lookup, kind, code, index)
        return listed.index.id, write(listed)

    try:
        index_id, body = await readers.in_thread(read)
    except NotFound as error:
        return Response.json({"error": str(error)}, status=404)
    if form == "json":
        return Response(body, content_type="application/json; charset=utf-8")
    headers = {"content-disposition": f'attachment; filename="areas_{code}_{index_id}.csv"'}
    return Response(body, headers=headers, content_type="text/csv; charset=utf-8")


@takes("q")
async def found_places(datasette: Datasette, request: Request) -> Response:
    """Return where the box leads without JavaScript: to the page, or to a list of those that may be intended."""
    readers, text = Readers.of(datasette), (request.args.get("q") or "").strip()
    if readers.reader is None:
        return await missing(datasette, request, NO_DATABASE, 503)
    if not text:
        return Response.redirect(datasette.urls.path("/"))
    hit = search.exact(readers.reader.lookup, text)
    if hit:
        return Response.redirect(datasette.urls.path(quote(address(hit))))

    def read(reader: Reader) -> Record:
        lookup = reader.lookup
        return {
            "alike": search.alike(lookup, text),
            "beginnings": search.beginnings(lookup, text),
            "hits": search.named(lookup, text),
            "extract": lookup.extract,
            "directory": lookup.directory,
        }

    shown = await readers.in_thread(read)
    shown |= {"typed": text[: search.LONGEST], "listed": search.LISTED, "address": address}
    return await show(datasette, request, "search.html", shown)


async def suggest(datasette: Datasette, request: Request) -> Response:
    """Return what may be meant by what has been typed so far, as JSON."""
    readers, text = Readers.of(datasette), request.args.get("q") or ""
    if readers.reader is None:
        return Response.json({"error": NO_DATABASE}, status=503)
    if problem := undeclared(request.args, "this list", ("q",)):
        return Response.json({"error": problem}, status=400)
    hits = await readers.in_thread(lambda reader: search.suggested(reader.lookup, text))
    return Response.json(
        [{"address": datasette.urls.path(address(hit)), "name": hit.name, "kind": hit.kind} for hit in hits]
    )


def address(hit: Hit) -> str:
    """Return the address of the page that a search has found."""
    return place_address(hit.place, hit.code)


@takes()
async def spreadsheet(datasette: Datasette, request: Request) -> Response:
    """Show the page that adds figures to a spreadsheet."""
    reader = Readers.of(datasette).reader
    rules = orjson.dumps(postcode_column.rules()).decode()
    shown = {"indices": list(reader.lookup.indices) if reader else [], "rules": rules}
    return await show(datasette, request, "spreadsheet.html", shown)


@takes("q", "layer", "measure")
async def map_(datasette: Datasette, request: Request) -> Response:
    """Return the map and its list; with `q`, a redirect to the place on it, or to the page of results."""
    readers, text = Readers.of(datasette), (request.args.get("q") or "").strip()
    layer, measure = request.args.get("layer") or MAPPED[0], request.args.get("measure") or "imd"
    if readers.reader is None:
        return await missing(datasette, request, NO_DATABASE, 503)
    if layer not in MAPPED:
        return await missing(datasette, request, f"There is no map '{layer[:40]}': {' and '.join(MAPPED)} are.")
    if text:
        hit = search.exact(readers.reader.lookup, text)
        at = await readers.in_thread(map_page.position, hit.place, hit.code, layer) if hit else None
        if at is None:
            return Response.redirect(datasette.urls.path(f"/search?q={quote(text)}"))
        more = f"&measure={measure}" if measure in MEASURES else ""
        more += f"&area={at.area}" if at.area else ""
        where = f"/map?layer={at.layer}#at={at.zoom}/{at.latitude}/{at.longitude}{more}"
        return Response.redirect(datasette.urls.path(where))
    page = await readers.in_thread(map_page.page, layer)
    _, problem = Site.of(datasette).map()
    shown = page.shown | {"program": map_program.version(), "problem": problem}
    return await show(datasette, request, page.template, shown)
