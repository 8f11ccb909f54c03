"""Serve vector tiles and TileJSON of the map, in front of Datasette.

They are at /tiles/{layer}/{z}/{x}/{y}.pbf and /tiles/{layer}.json. The same for the RCPCH Census Platform's map
component, at its addresses: {rcpch_v2_base_path}/tiles/public.{table}/…

A tile is sent as it lies in maps/uk.mbtiles, gzipped: one key read. TileJSON, which is never kept, names tiles with the
version of the map (`?v=`): those may be kept for a year, and are not answered from another map (410); those without a
version may be kept an hour. Who has a tile already is answered 304; 204 is an empty tile, 404 one that cannot be.
The platform's addresses name no version, so those may be kept an hour too; query parameters there change nothing.
"""

import gzip
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from census.domain.map_layers import ZOOMS
from census.lookup import maps
from census.lookup.tile_tables import ZOOMS as RCPCH_ZOOMS
from census.web import responses as web
from census.web.api import rcpch, rcpch_tiles
from census.web.asgi import App, Receive, Scope, Send
from census.web.concurrency.admission import Busy, OneThread
from census.web.concurrency.disconnect import until_gone
from census.web.connections import reader_of
from census.web.state import Site

BASE = "/tiles"
TILE = re.compile(r"([a-z0-9_]+)/([0-9]{1,2})/([0-9]{1,7})/([0-9]{1,7})\.(?:pbf|mvt)", re.ASCII)
JSON = re.compile(r"([a-z0-9_]+)\.json", re.ASCII)
FOR_A_YEAR = b"public, max-age=31536000, immutable"
MVT = b"application/vnd.mapbox-vector-tile"


def open_map(site: Site) -> None:
    """Open the map, if there is one, and say why one that is there is not used."""
    map_, problem = site.map()
    if map_ is None and problem != maps.ABSENT:
        print(problem, file=sys.stderr)


@dataclass(frozen=True)
class Tile:
    """A tile to send: `data`, gzipped, or None where it is empty. lasting: its address is of this map alone."""

    data: bytes | None
    etag: bytes
    lasting: bool = False


@dataclass(frozen=True)
class Changed:
    """A tile that is made of a stored one, by `change`, in a thread."""

    change: Callable[[], bytes]
    etag: bytes


Route = Callable[[Scope, maps.Maps, str], Awaitable[web.Answer | Tile | Changed]]


class Tiles:
    """The tiles of the map of one census.db."""

    def __init__(self, site: Site) -> None:
        self.site, datasette = site, site.datasette
        base_url = datasette.setting("base_url").rstrip("/")
        self.base = base_url + BASE
        *_, v2 = rcpch.base_paths(datasette.plugin_config("api") or {})
        self.below_rcpch = f"{v2}{BASE}"
        self.rcpch_base = base_url + self.below_rcpch
        self.https = datasette.setting("force_https_urls")
        self.changed = OneThread()

    def in_front(self, app: App) -> App:
        """Return the ASGI application `app` with the tiles in front of it."""
        routes = ((f"{self.below_rcpch}/", self.of_rcpch), (f"{BASE}/", self.of_layer))

        async def in_front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                for start, route in routes:
                    if scope["path"].startswith(start):
                        if not self.site.started:
                            await self.site.datasette.invoke_startup()
                        return await self.answer(scope, receive, send, route, scope["path"][len(start) :])
            return await app(scope, receive, send)

        return in_front

    async def answer(self, scope: Scope, receive: Receive, send: Send, route: Route, path: str) -> None:
        """Answer a request with `route`. path: what follows /tiles/."""
        map_, problem = self.site.map()
        response: web.Answer | Tile | Changed
        if scope["method"] == "OPTIONS":
            response = web.Answer(b"", 204, headers=((b"allow", b"GET, HEAD, OPTIONS"),), cached=False)
        elif scope["method"] not in ("GET", "HEAD"):
            response = web.not_allowed(scope["method"], posted=False)
        elif map_ is None:
            response = web.problem(404, "no_map", problem)
        else:
            response = await route(scope, map_, path)
        if isinstance(response, Changed):
            return await until_gone(self.changed_in_turn(scope, send, response), receive)
        if isinstance(response, Tile):
            return await send_tile(scope, send, response)
        return await web.send_answer(scope, send, response, _etag(map_, of_code=True) if map_ else b"")

    async def of_layer(self, scope: Scope, map_: maps.Maps, path: str) -> web.Answer | Tile:
        """Return the answer of /tiles."""
        if tile := TILE.fullmatch(path):
            layer, zoom, column, row = tile[1], *map(int, tile.groups()[1:])
            if layer not in map_.layers:
                return no_layer(map_, layer)
            if problem := no_tile(ZOOMS, zoom, column, row):
                return problem
            of_this_map = scope["query_string"] == b"v=" + map_.version.encode()
            if scope["query_string"].startswith(b"v=") and not of_this_map:
                return web.problem(410, "other_map", "This is a tile of another map: request the TileJSON again.")
            return Tile(map_.tile(layer, zoom, column, row), _etag(map_), of_this_map)
        if described := JSON.fullmatch(path):
            layer = described[1]
            return self.tilejson(scope, map_, layer) if layer in map_.layers else no_layer(map_, layer)
        return web.problem(404, "no_tile", "Tiles are at /tiles/{layer}/{z}/{x}/{y}.pbf.")

    async def of_rcpch(self, scope: Scope, map_: maps.Maps, path: str) -> web.Answer | Tile | Changed:
        """Return the answer at the RCPCH Census Platform's addresses, whatever the query says."""
        if path == rcpch_tiles.INDEX:
            base = web.origin(scope, self.https) + self.rcpch_base
            return web.Answer(orjson.dumps(rcpch_tiles.index(map_, base)), cached=False)
        detail = rcpch_tiles.JSON.fullmatch(path)
        match = detail or rcpch_tiles.TILE.fullmatch(path)
        if match is None:
            return web.problem(
                404, "no_tile", f"Tiles are at {self.rcpch_base}/public.{{table}}/{{z}}/{{x}}/{{y}}.pbf."
            )
        name = match[1]
        if why := rcpch_tiles.unknown(map_, name):
            return web.problem(404, "no_layer", why)
        table, _ = rcpch_tiles.NAMES[name]
        if detail:
            indices = [index.id for index in map_.tables[table.name].indices]
            attribution = self.attribution(indices, table.lookups)
            base = web.origin(scope, self.https) + self.rcpch_base
            return web.Answer(orjson.dumps(rcpch_tiles.detail(map_, name, base, attribution)), cached=False)
        zoom, column, row = map(int, match.groups()[1:])
        if problem := no_tile(RCPCH_ZOOMS, zoom, column, row):
            return problem
        etag, tile = _etag(map_, of_code=True), rcpch_tiles.tile(map_, name, zoom, column, row)
        return Changed(tile, etag) if callable(tile) else Tile(tile, etag)

    async def changed_in_turn(self, scope: Scope, send: Send, changed: Changed) -> None:
        """Change a tile when its turn has come, and send it."""
        try:
            data = await self.changed.run(changed.change)
        except Busy:
            busy = web.problem(503, "busy", "Too many tiles are in progress; try again.")
            busy.headers = ((b"retry-after", b"1"),)
            return await web.send_answer(scope, send, busy, b"")
        with self.changed.until_sent(send, reader_of(scope)) as sending:
            return await send_tile(scope, sending, Tile(data or None, changed.etag))

    def tilejson(self, scope: Scope, map_: maps.Maps, layer: str) -> web.Answer:
        """Return the TileJSON of a layer, with addresses as the request's own."""
        figures = self.attribution([index.id for index in map_.indices[layer]])
        base = web.origin(scope, self.https) + self.base
        return web.Answer(orjson.dumps(map_.tilejson(layer, base, figures)), cached=False)

    def attribution(self, indices: list[str], lookups: tuple[str, ...] = ()) -> str:
        """Return the attributions of the figures of indices, and of the lookups."""
        lookup = self.site.api.lookup
        if lookup is None:
            return ""
        publications = lookup.publications
        there = [id_ for id_ in lookups if id_ in publications and publications[id_].status in ("complete", "extract")]
        sources = lookup.sources(indices, True, there)
        kept = (row.attribution for row in sources if row.id != "postcode_directory")
        return " ".join(dict.fromkeys(kept))


async def send_tile(scope: Scope, send: Send, tile: Tile) -> None:
    """Send a tile, or says that it is empty or as it was."""
    headers = [
        *web.ALWAYS,
        (b"cache-control", FOR_A_YEAR if tile.lasting else web.MAX_AGE),
        (b"etag", tile.etag),
        (b"vary", b"accept-encoding"),
    ]
    body, status = tile.data or b"", 200 if tile.data else 204
    if tile.etag in (tag.strip() for tag in web.header(scope, b"if-none-match").split(b",")):
        body, status = b"", 304
    elif tile.data:
        if web.takes_gzip(scope):
            headers.append((b"content-encoding", b"gzip"))
        else:
            body = gzip.decompress(tile.data)
        headers += [(b"content-type", MVT), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def no_tile(zooms: range, zoom: int, column: int, row: int) -> web.Answer | None:
    """Return the answer about a tile that cannot be; None about any other."""
    if zoom not in zooms:
        return web.problem(404, "no_tile", f"There are tiles of zoom {zooms[0]} to {zooms[-1]}, not {zoom}.")
    if max(column, row) >= 1 << zoom:
        return web.problem(404, "no_tile", f"Zoom {zoom} has no tile {column}/{row}.")
    return None


def no_layer(map_: maps.Maps, layer: str) -> web.Answer:
    """Return the answer about a layer that there is not."""
    known = f"there are {', '.join(map_.layers)}" if map_.layers else "tippecanoe was not there to make any"
    return web.problem(404, "no_layer", f"There is no layer '{layer[:40]}': {known}.")


def _etag(map_: maps.Maps, of_code: bool = False) -> bytes:
    """Return the entity tag of everything in a map. of_code: of what this code makes of it, too."""
    version = map_.version.encode()
    return b'W/"%s-%s"' % (version, web.CODE) if of_code else b'W/"%s"' % version
