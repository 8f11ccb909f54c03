"""Vector tiles of the map, in front of Datasette: /tiles/{layer}/{z}/{x}/{y}.pbf, and TileJSON at /tiles/{layer}.json.

A tile is sent as it lies in maps/uk.mbtiles, gzipped: one key read. TileJSON, which is never kept, names tiles with the
version of the map (`?v=`): those may be kept for a year, and are not answered from another map (410); those without a
version may be kept an hour. Who has a tile already is answered 304; 204 is an empty tile, 404 one that cannot be.
"""

import gzip
import re
import sys

import orjson
from datasette import hookimpl

from api import maps, web
from sources.boundaries import ZOOMS

BASE = "/tiles"
TILE = re.compile(r"([a-z0-9_]+)/([0-9]{1,2})/([0-9]{1,7})/([0-9]{1,7})\.(?:pbf|mvt)", re.ASCII)
JSON = re.compile(r"([a-z0-9_]+)\.json", re.ASCII)
FOR_A_YEAR = b"public, max-age=31536000, immutable"
MVT = b"application/vnd.mapbox-vector-tile"


@hookimpl
def startup(datasette):
    async def opened():
        found, problem = maps.opened(datasette)
        if found is None and problem != maps.ABSENT:
            print(problem, file=sys.stderr)

    return opened


@hookimpl(hookwrapper=True)
def asgi_wrapper(datasette):
    wrappers = yield
    wrappers.force_result([*wrappers.get_result(), Tiles(datasette).in_front])


class Tiles:
    """The tiles beside one Datasette's census.db."""

    def __init__(self, datasette):
        self.datasette = datasette
        self.base = datasette.setting("base_url").rstrip("/") + BASE
        self.https = datasette.setting("force_https_urls")

    def in_front(self, app):
        """The ASGI application `app` with the tiles in front of it."""
        start = f"{self.base}/"

        async def in_front(scope, receive, send):
            if scope["type"] != "http" or not scope["path"].startswith(start):
                return await app(scope, receive, send)
            if not hasattr(self.datasette, "_census_maps"):
                await self.datasette.invoke_startup()
            return await self.answer(scope, send, scope["path"][len(start) :])

        return in_front

    async def answer(self, scope, send, path: str) -> None:
        """Answers a request; path: what follows /tiles/."""
        told: web.Answer | None = None
        found, problem = maps.opened(self.datasette)
        etag = b'W/"%s"' % found.version.encode() if found else b""
        if scope["method"] == "OPTIONS":
            told = web.Answer(b"", 204, headers=((b"allow", b"GET, HEAD, OPTIONS"),), cached=False)
        elif scope["method"] not in ("GET", "HEAD"):
            told = web.not_allowed(scope["method"], posted=False)
        elif found is None:
            told = web.problem(404, "no_map", problem)
        elif tile := TILE.fullmatch(path):
            layer, zoom, column, row = tile[1], *map(int, tile.groups()[1:])
            if layer not in found.layers:
                told = self.no_layer(found, layer)
            elif zoom not in ZOOMS:
                told = web.problem(404, "no_tile", f"There are tiles of zoom {ZOOMS[0]} to {ZOOMS[-1]}, not {zoom}.")
            elif max(column, row) >= 1 << zoom:
                told = web.problem(404, "no_tile", f"Zoom {zoom} has no tile {column}/{row}.")
            elif scope["query_string"].startswith(b"v=") and not self.is_of(scope, found):
                told = web.problem(410, "other_map", "This is a tile of another map: ask for the TileJSON anew.")
            else:
                tile = found.tile(layer, zoom, column, row)
                await self.send_tile(scope, send, tile, etag, self.is_of(scope, found))
                return
        elif layer := JSON.fullmatch(path):
            told = self.tilejson(scope, found, layer[1]) if layer[1] in found.layers else self.no_layer(found, layer[1])
        else:
            told = web.problem(404, "no_tile", "Tiles are at /tiles/{layer}/{z}/{x}/{y}.pbf.")
        await web.send_answer(scope, send, told, etag.removesuffix(b'"') + b'-%s"' % web.CODE)

    @staticmethod
    def is_of(scope, found: maps.Maps) -> bool:
        """Whether a request names the version of this map."""
        return scope["query_string"] == b"v=" + found.version.encode()

    async def send_tile(self, scope, send, tile: bytes | None, etag: bytes, lasting: bool) -> None:
        """Sends a tile, or says that it is empty or as it was. lasting: its address is of this map alone."""
        headers = [
            *web.ALWAYS,
            (b"cache-control", FOR_A_YEAR if lasting else web.MAX_AGE),
            (b"etag", etag),
            (b"vary", b"accept-encoding"),
        ]
        body, status = tile or b"", 200 if tile else 204
        if etag in (tag.strip() for tag in web.header(scope, b"if-none-match").split(b",")):
            body, status = b"", 304
        elif tile:
            if web.takes_gzip(scope):
                headers.append((b"content-encoding", b"gzip"))
            else:
                body = gzip.decompress(tile)
            headers += [(b"content-type", MVT), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def tilejson(self, scope, found: maps.Maps, layer: str) -> web.Answer:
        """The TileJSON of a layer, with addresses as the request's own."""
        lookup = self.datasette._census_api.lookup
        told = lookup.sources([index["id"] for index in found.indices[layer]], True, ())
        figures = dict.fromkeys(source["attribution"] for source in told if source["id"] != "postcode_directory")
        base = web.origin(scope, self.https) + self.base
        return web.Answer(orjson.dumps(found.tilejson(layer, base, " ".join(figures))), cached=False)

    @staticmethod
    def no_layer(found: maps.Maps, layer: str) -> web.Answer:
        """The answer about a layer that there is not."""
        there = f"there are {', '.join(found.layers)}" if found.layers else "tippecanoe was not there to make any"
        return web.problem(404, "no_layer", f"There is no layer '{layer[:40]}': {there}.")
