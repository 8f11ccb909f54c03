"""Serve the API, and the routes of the RCPCH Census Platform, in front of Datasette.

The platform's first version is at `rcpch_v1_base_path` and, as another address of the same, at `rcpch_base_path`; its
second is at `rcpch_v2_base_path`. Where its terminated postcodes answer 410, `rcpch_v2_terminated` is "gone". A request
to any of these never reaches Datasette's router, SQL threads or templates; `api/` looks it up on a connection of its
own.
"""

import asyncio
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import orjson
from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils import StartupError
from datasette.utils.asgi import Request, Response
from pluggy import Result

from api import rcpch, web
from api.asgi import App, Links, Receive, Routes, Scope, Send, WhenStarted, Wrapper
from api.lookup import Lookup
from api.openapi import document, rcpch_document
from api.priority import give_way
from api.v1 import V1
from sources.rows import Record

BASE = "/api/v1"
NO_DATABASE = "There is no census.db yet: build one with build_db.py."


@hookimpl(trylast=True)  # after version_guard, which says it better where the database is another version's
def startup(datasette: Datasette) -> WhenStarted:
    api = Api.of(datasette)

    async def opened() -> None:
        api.open()

    return opened


@hookimpl(hookwrapper=True)
def asgi_wrapper(datasette: Datasette) -> Generator[None, Result[list[Wrapper]], None]:
    api = Api.of(datasette)
    wrappers = yield
    wrappers.force_result([*wrappers.get_result(), api.in_front])  # the last one is the outermost


@hookimpl
def register_routes(datasette: Datasette) -> Routes:
    bases = "|".join(map(re.escape, rcpch_bases(datasette)))
    return [(r"^/api/v1/?$", page), (rf"^(?P<base>{bases})/swagger-ui/?$", rcpch_page)]


@hookimpl
def menu_links(datasette: Datasette) -> Links:
    return [{"href": datasette.urls.path(BASE), "label": "API"}]


async def page(datasette: Datasette, request: Request) -> Response:
    """Show the API's routes, from the OpenAPI document."""
    api = Api.of(datasette)
    return Response.html(await datasette.render_template("api.html", {"api": api.document}, request=request))


async def rcpch_page(datasette: Datasette, request: Request) -> Response:
    """Show the routes of the RCPCH Census Platform at a base path, from their OpenAPI document."""
    api = Api.of(datasette)
    base = api.base_url + request.url_vars["base"]
    if api.v1 is None:
        return Response.json({"detail": NO_DATABASE}, status=503)
    schema = {"api": api.rcpch_documents[base], "base": base}
    return Response.html(await datasette.render_template("rcpch_api.html", schema, request=request))


Route = Callable[[Scope, Receive, str], Awaitable[web.Answer | Iterable[bytes]]]


class Api:
    """The API over one Datasette's census.db, which `open` opens when Datasette starts."""

    def __init__(self, datasette: Datasette) -> None:
        self.datasette = datasette
        self.base_url = datasette.setting("base_url").rstrip("/")
        self.https = datasette.setting("force_https_urls")
        # The longest first: a base may lie below another.
        self.rcpch_bases = {
            self.base_url + base: version
            for base, version in sorted(rcpch_bases(datasette).items(), key=lambda item: -len(item[0]))
        }
        self.rcpch_documents: dict[str, Record] = {}
        self.revision = revision().encode()
        self.lookup: Lookup | None = None
        self.for_lists: Lookup | None = None
        self.v1: V1 | None = None
        self.thread = ThreadPoolExecutor(1, initializer=give_way)  # one, as `for_lists` is for one at a time
        self.etag = self.openapi = b""
        self.document: Record = {}

    @staticmethod
    def of(datasette: Datasette) -> "Api":
        """Return the API of `datasette`, made once."""
        if not hasattr(datasette, "_census_api"):
            datasette._census_api = Api(datasette)
        api: Api = datasette._census_api
        return api

    def open(self) -> None:
        """Open the database, if there is one."""
        census = self.datasette.databases.get("census")
        if census is None or census.path is None:
            return
        told = self.datasette._metadata_local["databases"]["census"]
        queries = {name: query["sql"] for name, query in told["queries"].items()}
        lookup, self.for_lists = (Lookup(Path(census.path), queries, immutable=not census.is_mutable) for _ in range(2))
        self.lookup, self.v1 = lookup, V1(lookup)
        self.rcpch_documents = {
            base: rcpch_document(version, base, lookup.publications) for base, version in self.rcpch_bases.items()
        }
        first, *_, last = rcpch_bases(self.datasette)  # each version once
        platform = [self.rcpch_documents[self.base_url + base] for base in (first, last)]
        self.document = document(told["tables"], self.v1, self.base_url + BASE, platform)
        self.openapi = orjson.dumps(self.document)
        self.etag = b'W/"%s-%s"' % (lookup.digest[:16].encode(), web.CODE)

    def in_front(self, app: App) -> App:
        """Return the ASGI application `app` with the API in front of it."""
        v1 = f"{self.base_url}{BASE}/"
        platform = [(f"{base}/", partial(self.of_rcpch, base)) for base in self.rcpch_bases]
        any_of_them = tuple(base for base, _ in platform)

        async def in_front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            path = scope["path"]
            if path.startswith(v1) and len(path) > len(v1):
                return await self.answer(scope, receive, send, self.of_v1, path[len(v1) :])
            if f"{path}/".startswith(any_of_them):
                base, route = next(one for one in platform if f"{path}/".startswith(one[0]))
                below = path[len(base) :]
                if below.rstrip("/") != "swagger-ui":  # a page of Datasette's
                    return await self.answer(scope, receive, send, route, below)
            return await app(scope, receive, send)

        return in_front

    async def answer(self, scope: Scope, receive: Receive, send: Send, route: Route, path: str) -> None:
        """Answer a request with `route`. path: what follows its base path and a slash."""
        try:
            if self.v1 is None:
                await self.datasette.invoke_startup()
            if self.v1 is None:
                told: web.Answer | Iterable[bytes] = web.problem(503, "no_database", NO_DATABASE)
            elif scope["method"] == "OPTIONS":
                allowed = b"GET, HEAD, POST, OPTIONS" if route == self.of_v1 else b"GET, HEAD, OPTIONS"
                told = web.Answer(b"", 204, headers=((b"allow", allowed),), cached=False)
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

    async def of_v1(self, scope: Scope, receive: Receive, path: str) -> web.Answer | Iterable[bytes]:
        """Return the answer of /api/v1; that to a long list of postcodes in pieces."""
        method = scope["method"]
        if self.v1 is None:
            return web.problem(503, "no_database", NO_DATABASE)
        if path == "postcodes" and method == "POST":
            return await self.v1.post(scope, receive)
        if method not in ("GET", "HEAD") or path == "postcodes":
            return web.not_allowed(method, posted=path == "postcodes")
        return web.Answer(self.openapi) if path == "openapi.json" else self.v1.get(path, scope["query_string"])

    async def of_rcpch(self, base: str, scope: Scope, _receive: Receive, path: str) -> web.Answer:
        """Return the answer of the RCPCH Census Platform's routes.

        A filter may read a whole index, so lists have a thread.
        """
        version, route = self.rcpch_bases[base], path.strip("/")
        if self.lookup is None or self.for_lists is None:
            return web.problem(503, "no_database", NO_DATABASE)
        if scope["method"] not in ("GET", "HEAD"):
            return rcpch.not_allowed(scope["method"])
        if route == "schema":
            return web.answered(self.rcpch_documents[base])
        if route == "health" and version.name == "v2":
            return web.Answer(b'{"status":"ok"}', cached=False)
        address = "" if route == rcpch.QUANTILE else web.origin(scope, self.https) + base  # its answer has none
        request = (path, scope["query_string"], address, version)
        if route in rcpch.POSTCODE_ROUTES:
            return rcpch.answer(self.lookup, *request)
        answer = await asyncio.get_running_loop().run_in_executor(self.thread, rcpch.answer, self.for_lists, *request)
        if not route and version.name == "v2":
            answer.headers = ((b"x-git-revision", self.revision),)
        return answer


def mistaken(error: Exception) -> web.Answer:
    """Return the answer to a request that failed with `error`, whose place is logged.

    Its message may hold a postcode.
    """
    print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, file=sys.stderr)
    return web.problem(500, "internal", "This is a mistake of ours; the request was not answered.")


def rcpch_bases(datasette: Datasette) -> dict[str, rcpch.Version]:
    """Return the base paths of the RCPCH Census Platform's routes, each with its version. Raises StartupError."""
    try:
        return rcpch.base_paths(datasette.plugin_config("api") or {})
    except ValueError as error:
        raise StartupError(str(error)) from None


def revision() -> str:
    """Return the revision of this code: what GIT_REVISION says, otherwise what git says, otherwise unknown."""
    if stated := os.environ.get("GIT_REVISION", ""):
        return stated if re.fullmatch("[0-9a-f]{7,64}", stated) else "unknown"
    try:
        done = subprocess.run(
            ["git", "-C", Path(__file__).parent, "rev-parse", "HEAD"],
            capture_output=True,
            encoding="utf-8",
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
