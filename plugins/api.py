"""The API at /api/v1, in front of Datasette.

A request to it never reaches Datasette's router, SQL threads or templates; `api/` looks it up on a connection of its
own.
"""

import sys
import traceback
from pathlib import Path

import orjson
from datasette import hookimpl
from datasette.utils.asgi import Response

from api import web
from api.lookup import Lookup
from api.openapi import document
from api.v1 import V1

BASE = "/api/v1"
NO_DATABASE = "There is no census.db yet: build one with build_db.py."


@hookimpl(trylast=True)  # after version_guard, which says it better where the database is another version's
def startup(datasette):
    api = Api.of(datasette)

    async def opened():
        api.open()

    return opened


@hookimpl(hookwrapper=True)
def asgi_wrapper(datasette):
    wrappers = yield
    wrappers.force_result([*wrappers.get_result(), Api.of(datasette).in_front])  # the last one is the outermost


@hookimpl
def register_routes():
    return [(r"^/api/v1/?$", page)]


@hookimpl
def menu_links(datasette):
    return [{"href": datasette.urls.path(BASE), "label": "API"}]


async def page(datasette, request):
    api = Api.of(datasette)
    return Response.html(await datasette.render_template("api.html", {"api": api.document}, request=request))


class Api:
    """The API over one Datasette's census.db, which `open` opens when Datasette starts."""

    def __init__(self, datasette):
        self.datasette = datasette
        self.base_url = datasette.setting("base_url").rstrip("/")
        self.lookup = self.v1 = None
        self.etag = self.openapi = b""
        self.document: dict = {}

    @staticmethod
    def of(datasette) -> "Api":
        """The API of `datasette`, made once."""
        if not hasattr(datasette, "_census_api"):
            datasette._census_api = Api(datasette)
        return datasette._census_api

    def open(self) -> None:
        """Opens the database, if there is one."""
        census = self.datasette.databases.get("census")
        if census is None or census.path is None:
            return
        told = self.datasette._metadata_local["databases"]["census"]
        queries = {name: query["sql"] for name, query in told["queries"].items()}
        self.lookup = Lookup(Path(census.path), queries, immutable=not census.is_mutable)
        self.v1 = V1(self.lookup)
        self.document = document(told["tables"], self.v1, self.base_url + BASE)
        self.openapi = orjson.dumps(self.document)
        self.etag = b'W/"%s-%s"' % (self.lookup.digest[:16].encode(), web.CODE)

    def in_front(self, app):
        """The ASGI application `app` with the API in front of it."""
        v1 = f"{self.base_url}{BASE}/"

        async def in_front(scope, receive, send):
            if scope["type"] != "http":
                return await app(scope, receive, send)
            path = scope["path"]
            if path.startswith(v1) and len(path) > len(v1):
                return await self.answer(scope, receive, send, path[len(v1) :])
            return await app(scope, receive, send)

        return in_front

    async def answer(self, scope, receive, send, path: str) -> None:
        """Answers a request to `path`, which is what follows /api/v1/."""
        method, started = scope["method"], False

        async def noted(message):
            nonlocal started
            started = True
            await send(message)

        try:
            if self.v1 is None:
                await self.datasette.invoke_startup()
            if self.v1 is None:
                told = web.problem(503, "no_database", NO_DATABASE)
            elif method == "OPTIONS":
                told = web.Answer(b"", 204, headers=[(b"allow", b"GET, HEAD, POST, OPTIONS")], cached=False)
            elif path == "postcodes" and method == "POST":
                return await self.v1.post(scope, receive, noted, self.etag)
            elif method not in ("GET", "HEAD") or path == "postcodes":
                told = web.not_allowed(method, posted=path == "postcodes")
            elif path == "openapi.json":
                told = web.Answer(self.openapi)
            else:
                told = self.v1.get(path, scope["query_string"])
            await web.send_answer(scope, noted, told, self.etag)
        except Exception as error:
            # The message of an exception may hold a postcode; where it came from does not.
            print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, file=sys.stderr)
            if started:
                raise
            told = web.problem(500, "internal", "This is a mistake of ours; the request was not answered.")
            await web.send_answer(scope, send, told, self.etag)
