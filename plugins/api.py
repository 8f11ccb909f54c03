"""The API at /api/v1 and the routes of the RCPCH Census Platform, in front of Datasette.

The setting `rcpch_base_path` says where the latter are; without it /rcpch-census-platform/api/v1. A request to either
never reaches Datasette's router, SQL threads or templates; `api/` looks it up on a connection of its own.
"""

import asyncio
import re
import sys
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
from datasette import hookimpl
from datasette.utils import StartupError
from datasette.utils.asgi import Response

from api import rcpch, web
from api.lookup import Lookup
from api.openapi import document
from api.priority import give_way
from api.v1 import V1

BASE = "/api/v1"
RCPCH_BASE = "/rcpch-census-platform/api/v1"
NO_DATABASE = "There is no census.db yet: build one with build_db.py."


@hookimpl(trylast=True)  # after version_guard, which says it better where the database is another version's
def startup(datasette):
    api = Api.of(datasette)

    async def opened():
        api.open()

    return opened


@hookimpl(hookwrapper=True)
def asgi_wrapper(datasette):
    api = Api.of(datasette)
    wrappers = yield
    wrappers.force_result([*wrappers.get_result(), api.in_front])  # the last one is the outermost


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
        self.https = datasette.setting("force_https_urls")
        self.rcpch_base = self.base_url + _rcpch_base(datasette)
        self.lookup = self.for_lists = self.v1 = None
        self.thread = ThreadPoolExecutor(1, initializer=give_way)  # one, as `for_lists` is for one at a time
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
        self.lookup, self.for_lists = (
            Lookup(Path(census.path), queries, immutable=not census.is_mutable) for _ in range(2)
        )
        self.v1 = V1(self.lookup)
        self.document = document(told["tables"], self.v1, self.base_url + BASE, self.rcpch_base)
        self.openapi = orjson.dumps(self.document)
        self.etag = b'W/"%s-%s"' % (self.lookup.digest[:16].encode(), web.CODE)

    def in_front(self, app):
        """The ASGI application `app` with the API in front of it."""
        v1, rcpch_base = f"{self.base_url}{BASE}/", f"{self.rcpch_base}/"

        async def in_front(scope, receive, send):
            if scope["type"] != "http":
                return await app(scope, receive, send)
            path = scope["path"]
            if path.startswith(v1) and len(path) > len(v1):
                return await self.answer(scope, receive, send, self.of_v1, path[len(v1) :])
            if f"{path}/".startswith(rcpch_base):
                return await self.answer(scope, receive, send, self.of_rcpch, path[len(rcpch_base) :])
            return await app(scope, receive, send)

        return in_front

    async def answer(self, scope, receive, send, route, path: str) -> None:
        """Answers a request with `route`. path: what follows its base path and a slash."""
        try:
            if self.v1 is None:
                await self.datasette.invoke_startup()
            if self.v1 is None:
                told = web.problem(503, "no_database", NO_DATABASE)
            elif scope["method"] == "OPTIONS":
                told = web.Answer(b"", 204, headers=((b"allow", b"GET, HEAD, POST, OPTIONS"),), cached=False)
            else:
                told = await route(scope, receive, path)
        except Exception as error:
            told = mistaken(error)
        if isinstance(told, web.Answer):
            return await web.send_answer(scope, send, told, self.etag)
        try:
            await web.send_pieces(scope, send, told)
        except Exception as error:
            mistaken(error)
            raise ConnectionAbortedError from None  # too late for a status; the server breaks the answer off

    async def of_v1(self, scope, receive, path: str) -> web.Answer | Iterable[bytes]:
        """The answer of /api/v1; that to a long list of postcodes in pieces."""
        method = scope["method"]
        if path == "postcodes" and method == "POST":
            return await self.v1.post(scope, receive)
        if method not in ("GET", "HEAD") or path == "postcodes":
            return web.not_allowed(method, posted=path == "postcodes")
        return web.Answer(self.openapi) if path == "openapi.json" else self.v1.get(path, scope["query_string"])

    async def of_rcpch(self, scope, _receive, path: str) -> web.Answer:
        """The answer of the RCPCH Census Platform's routes. A filter may read a whole index, so lists have a thread."""
        if scope["method"] not in ("GET", "HEAD"):
            return rcpch.not_allowed(scope["method"])
        asked = (path, scope["query_string"], web.origin(scope, self.https) + self.rcpch_base)
        if path.strip("/") in rcpch.POSTCODE_ROUTES:
            return rcpch.answer(self.lookup, *asked)
        return await asyncio.get_running_loop().run_in_executor(self.thread, rcpch.answer, self.for_lists, *asked)


def mistaken(error: Exception) -> web.Answer:
    """The answer to a request that failed with `error`, whose place is logged: its message may hold a postcode."""
    print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, file=sys.stderr)
    return web.problem(500, "internal", "This is a mistake of ours; the request was not answered.")


def _rcpch_base(datasette) -> str:
    """The setting rcpch_base_path. Raises StartupError for one that is no path of its own."""
    told = (datasette.plugin_config("api") or {}).get("rcpch_base_path", RCPCH_BASE)
    base = str(told).rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", base) or base == BASE or base.startswith(f"{BASE}/"):
        raise StartupError(f"rcpch_base_path of the plugin api must be a path such as {RCPCH_BASE}, not {told!r}.")
    return base
