"""Serve the API, and the routes of the RCPCH Census Platform, in front of Datasette.

The platform's first version is at `rcpch_v1_base_path` and, as another address of the same, at `rcpch_base_path`; its
second is at `rcpch_v2_base_path`. Where its terminated postcodes answer 410, `rcpch_v2_terminated` is "gone". A request
to any of these never reaches Datasette's router, SQL threads or templates; `api/` looks it up on a connection of its
own.

The settings stand in metadata.yml, under plugins: api.
"""

import os
import re
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import orjson
from datasette.app import Datasette
from datasette.utils import StartupError

from census.domain.types import Record
from census.lookup.database import Lookup
from census.schema.indices import indices
from census.web import content_length
from census.web import responses as web
from census.web.api import rcpch
from census.web.api.openapi import document, rcpch_document
from census.web.api.v1 import AT_ONCE, V1, ListRequest
from census.web.asgi import App, Receive, Scope, Send
from census.web.concurrency.admission import Busy, OneThread, Slots
from census.web.concurrency.disconnect import until_gone
from census.web.concurrency.side_loop import SideLoop
from census.web.connections import reader_of

BASE = "/api/v1"
LIST = "census.list"  # in the scope: the list that is requested
LISTS = {"lists_at_once": 4, "lists_waiting": 64, "lists_unread": 16}  # worked on, waiting, not read yet
LONGEST_WAIT_MS = 20_000  # for a list; Caddy waits 30 s
BUSY = "Too many lists are in progress; try again."
NO_DATABASE = "There is no census.db yet: build one with build_db.py."


Work = Callable[[], web.Answer]
"""What reads many rows: it waits for its turn in a thread."""
Route = Callable[[Scope, str], Awaitable[web.Answer | Work]]


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
        self.v1_for_areas: V1 | None = None
        self.v1_for_lists: V1 | None = None
        self.list_app = SideLoop("lists").wrap(content_length.with_length(self.answer_list), lambda _: True)
        config = datasette.plugin_config("api") or {}
        at_once, waiting, unread = (config.get(name, default) for name, default in LISTS.items())
        self.lists = Slots(at_once, waiting, LONGEST_WAIT_MS, unread)
        self.areas = OneThread()  # one, as `for_lists` is for one at a time
        self.etag = self.openapi = b""
        self.document: Record = {}

    def open(self) -> None:
        """Open the database, if there is one."""
        census = self.datasette.databases.get("census")
        if census is None or census.path is None:
            return
        tables = self.datasette._metadata_local["databases"]["census"]["tables"]
        rules = indices()
        lookup, self.for_lists, of_lists = (
            Lookup(Path(census.path), rules, immutable=not census.is_mutable) for _ in range(3)
        )
        self.v1_for_lists = V1(of_lists)
        self.lookup, self.v1, self.v1_for_areas = lookup, V1(lookup), V1(self.for_lists)
        self.rcpch_documents = {
            base: rcpch_document(version, base, lookup.publications) for base, version in self.rcpch_bases.items()
        }
        first, *_, last = rcpch_bases(self.datasette)  # each version once
        platform = [self.rcpch_documents[self.base_url + base] for base in (first, last)]
        self.document = document(tables, self.v1, self.base_url + BASE, platform)
        self.openapi = orjson.dumps(self.document)
        self.etag = b'W/"%s-%s"' % (lookup.digest[:16].encode(), web.CODE)

    def in_front(self, app: App) -> App:
        """Return the ASGI application `app` with the API in front of it."""
        v1 = f"{BASE}/"
        platform = [(f"{base.removeprefix(self.base_url)}/", partial(self.of_rcpch, base)) for base in self.rcpch_bases]
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
                answer = web.problem(503, "no_database", NO_DATABASE)
            elif scope["method"] == "OPTIONS":
                allowed = b"GET, HEAD, POST, OPTIONS" if route == self.of_v1 else b"GET, HEAD, OPTIONS"
                answer = web.Answer(b"", 204, headers=((b"allow", allowed),), cached=False)
            elif route == self.of_v1 and path == "postcodes" and scope["method"] == "POST":
                return await self.of_list(scope, receive, send)
            else:
                result = await route(scope, path)
                if not isinstance(result, web.Answer):
                    return await until_gone(self.areas_in_turn(scope, send, result), receive)
                answer = result
        except Exception as error:
            answer = web.internal_error(error)
        return await web.send_answer(scope, send, answer, self.etag)

    async def areas_in_turn(self, scope: Scope, send: Send, work: Work) -> None:
        """Send what `work` answers when it has had its turn in the thread; the place is free when the thread is."""
        try:
            answer = await self.areas.run(work)
        except Busy:
            return await web.send_answer(scope, send, busy(), b"")
        except Exception as error:
            answer = web.internal_error(error)
        with self.areas.until_sent(send, reader_of(scope)) as sending:
            return await web.send_answer(scope, sending, answer, self.etag)

    async def of_v1(self, scope: Scope, path: str) -> web.Answer | Work:
        """Return the answer of /api/v1 to all but a list."""
        method = scope["method"]
        if self.v1 is None:
            return web.problem(503, "no_database", NO_DATABASE)
        if method not in ("GET", "HEAD") or path == "postcodes":
            return web.not_allowed(method, posted=path == "postcodes")
        if path == "openapi.json":
            return web.Answer(self.openapi)
        if path.startswith("local-authorities/") and self.v1_for_areas is not None:  # it reads up to 1,000 areas
            return partial(self.v1_for_areas.get, path, scope["query_string"])
        return self.v1.get(path, scope["query_string"])

    async def of_list(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a list of postcodes: in turn, in a thread of its own, as long as the client is there."""
        if self.v1 is None:
            return await web.send_answer(scope, send, web.problem(503, "no_database", NO_DATABASE), b"")
        request = await self.v1.read_list(scope, receive)
        if isinstance(request, web.Answer):
            return await web.send_answer(scope, send, request, b"")
        return await until_gone(self.list_in_turn({**scope, LIST: request}, receive, send), receive)

    async def list_in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a list that has been read when there is a place for it; who reads slowly keeps none."""
        try:
            await self.lists.take()
        except Busy:
            return await web.send_answer(scope, send, busy(), b"")
        with self.lists.until_sent(send, reader=reader_of(scope)) as sending:
            return await self.list_app(scope, receive, sending)

    async def answer_list(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a list, in the thread for lists."""
        request: ListRequest = scope[LIST]
        assert self.v1_for_lists is not None
        listed = self.v1_for_lists.listed(request)
        if isinstance(listed, web.Answer):
            return await web.send_answer(scope, send, listed, b"")
        pieces = self.v1_for_lists.pieces(listed, request)
        if len(listed.texts) <= AT_ONCE:
            return await web.send_answer(scope, send, web.Answer(b"".join(pieces), cached=False), b"")
        return await web.send_pieces(scope, send, pieces)

    async def of_rcpch(self, base: str, scope: Scope, path: str) -> web.Answer | Work:
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
        return partial(self.rcpch_list, *request)

    def rcpch_list(self, path: str, query: bytes, address: str, version: rcpch.Version) -> web.Answer:
        """Return the answer to a list of the RCPCH Census Platform's routes, in the thread for areas."""
        assert self.for_lists is not None
        answer = rcpch.answer(self.for_lists, path, query, address, version)
        if not path.strip("/") and version.name == "v2":
            answer.headers = ((b"x-git-revision", self.revision),)
        return answer


def busy() -> web.Answer:
    """Return the answer to those who are too many."""
    refusal = web.problem(503, "busy", BUSY)
    refusal.headers = ((b"retry-after", b"1"),)
    return refusal


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
