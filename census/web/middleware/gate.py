"""Bound how many requests run SQL, open tables and lists or use GraphQL at once, and how many pages are made.

At most `at_once` of them are processed; at most `waiting` wait, `wait_ms` each; the next one is answered 503 with
Retry-After before Datasette sees it. At most `unread` answers wait for their readers. The same holds for pages, with
`pages_at_once`, `pages_waiting`, `pages_wait_ms` and `pages_unread`. A statement longer than `max_sql` is refused, and
so is the streaming of a table with more than `stream_rows` rows, or of a view over one: the compressed downloads have
all of those. The statements of one request have `sql_time_limit_ms` together, those of a stream `stream_ms`. When a
client hangs up, work for it stops; the slot is free when the last statement has ended.

The settings are in metadata.yml, under plugins: sql_gate. Lookups of the API and by canned queries are not counted.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import parse_qs

from datasette.app import Datasette

from census.web import path_kinds
from census.web.asgi import App, Receive, Scope, Send
from census.web.concurrency.admission import Busy, Slots
from census.web.concurrency.disconnect import ignore_dropped_coroutines, read_already, until_gone
from census.web.connections import reader_of
from census.web.graphql import limits as graphql_limits
from census.web.graphql.limits import body_of, path_of
from census.web.refusal import refuse
from census.web.sql.process import BUDGET, Budget, own_rows
from census.web.state import Site

SETTINGS = {
    "at_once": 2,
    "waiting": 8,
    "wait_ms": 2000,
    "unread": 16,
    "max_sql": 20_000,
    "stream_rows": 100_000,
    "stream_ms": 5000,
    "pages_at_once": 4,
    "pages_waiting": 64,
    "pages_wait_ms": 5000,
    "pages_unread": 64,
}
BUSY = "Too many are asking for SQL, tables, lists or GraphQL just now. Lookups go on; try again."
BUSY_PAGES = "Too many are asking for pages just now. Lookups go on; try again."


async def count_rows(site: Site) -> None:
    """Keep which tables and views are too large to be streamed."""
    census = site.datasette.databases.get("census")
    if census is None:
        return
    counts = await census.table_counts(2_000)  # None for one that takes longer
    most = settings_of(site.datasette)["stream_rows"]
    large = {name for name, rows in counts.items() if rows is None or rows > most}
    views = await own_rows(census, "select name, sql from sqlite_master where type = 'view'")
    while grown := {name for name, sql in views if name not in large and large & set(re.findall(r"\w+", sql))}:
        large |= grown
    site.too_large = frozenset(large)


def settings_of(datasette: Datasette) -> dict[str, int]:
    """Return the settings, each from metadata.yml or as in SETTINGS."""
    return SETTINGS | (datasette.plugin_config("sql_gate") or {})


class Gate:
    """Middleware for the addresses that cost most. large: gives the names of the tables that are not streamed.

    graphql: the path of GraphQL. limit_ms: what the statements of one request may take. ready: starts the processes
    that run them. most_body: how many bytes GraphQL takes; nothing else here takes a body.
    """

    def __init__(
        self,
        graphql: str,
        large: Callable[[], Collection[str]],
        settings: dict[str, int],
        limit_ms: int,
        ready: Callable[[], Awaitable[None]],
        most_body: int = graphql_limits.LIMITS["max_bytes"],
    ) -> None:
        self.ready, self.most_body = ready, most_body
        self.graphql, self.large, self.settings, self.limit_ms = graphql, large, settings, limit_ms
        self.slots, self.pages = (
            Slots(*(settings[kind + name] for name in ("at_once", "waiting", "wait_ms", "unread")))
            for kind in ("", "pages_")
        )

    @staticmethod
    def of(datasette: Datasette) -> "Gate":
        """Return the gate of `datasette`."""
        ignore_dropped_coroutines()
        site = Site.of(datasette)

        async def ready() -> None:
            if site.sql is not None:
                await site.sql.ready()

        graphql = datasette.plugin_config("datasette-graphql") or {}
        most_body = graphql.get("max_bytes", graphql_limits.LIMITS["max_bytes"])
        settings, limit_ms = settings_of(datasette), datasette.sql_time_limit_ms
        return Gate(path_of(datasette), lambda: site.too_large, settings, limit_ms, ready, most_body)

    def refusal(self, path: str, query: bytes) -> tuple[int, str] | None:
        """Return why a request of the costly kind is refused however few there are: status and sentence."""
        if len(query) > 3 * self.settings["max_sql"]:
            return 414, f"The address is too long: SQL may have {self.settings['max_sql']:,} characters."
        params = parse_qs(query.decode("latin-1"), keep_blank_values=True)
        if any(len(text) > self.settings["max_sql"] for text in params.get("sql", [])):
            return 414, f"The SQL is too long: it may have {self.settings['max_sql']:,} characters."
        if "_stream" in params and (table := path_kinds.streamed_table(path, self.large())):
            most = self.settings["stream_rows"]
            return 400, (
                f"{table} has more than {most:,} rows (or is a view over such a table), which are not streamed."
                " Tables are whole, compressed, at /download; _next leads from page to page."
            )
        return None

    def is_graphql(self, path: str) -> bool:
        """Return whether GraphQL answers at `path`."""
        return path == self.graphql or path.startswith(self.graphql + "/")

    async def refuse_body(self, path: str, send: Send) -> None:
        """Refuse a request whose body is too large, in the form that its clients read."""
        if self.is_graphql(path):
            why = f"The request is too large: {self.most_body:,} bytes are allowed."
            return await graphql_limits.refuse(send, 413, why)
        return await refuse(send, 413, "The request is too large: this address takes no body.")

    def wrap(self, app: App) -> App:
        """Return the ASGI application `app` behind the gate."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if (budget := BUDGET.get()) and budget.ended:
                BUDGET.set(None)  # uvicorn begins a request in the context of the one before it on its connection
            if scope["type"] != "http" or BUDGET.get():
                return await app(scope, receive, send)  # with a budget: a table of a GraphQL query that has its slot
            path = scope["path"]
            if path_kinds.is_costly(path, self.graphql):
                if refusal := self.refusal(path, scope.get("query_string", b"")):
                    return await refuse(send, *refusal)
                answered = self.in_turn
            elif path_kinds.is_page(path, self.graphql):
                answered = self.page_in_turn
            else:
                return await app(scope, receive, send)
            body = await body_of(receive, self.most_body if self.is_graphql(path) else 0)
            if body is None:
                return await self.refuse_body(path, send)
            return await until_gone(answered(app, scope, body, send), receive)

        return wrapped

    async def in_turn(self, app: App, scope: Scope, body: bytes, send: Send) -> None:
        """Answer a request that has been read when there is a slot for it."""
        try:
            await self.slots.take()
        except Busy:
            return await refuse(send, 503, BUSY, (b"retry-after", b"1"))
        params = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        streams = path_kinds.is_stream(scope["path"], params)
        budget = Budget((self.settings["stream_ms"] if streams else self.limit_ms) / 1000)
        BUDGET.set(budget)
        loop = asyncio.get_running_loop()

        def give_back() -> None:
            budget.when_idle(lambda: loop.call_soon_threadsafe(self.slots.give_back))

        with self.slots.until_sent(send, give_back, reader_of(scope)) as sending:
            await self.ready()
            return await app(scope, read_already(body), sending)

    async def page_in_turn(self, app: App, scope: Scope, body: bytes, send: Send) -> None:
        """Make a page when there is a slot for it."""
        try:
            await self.pages.take()
        except Busy:
            return await refuse(send, 503, BUSY_PAGES, (b"retry-after", b"1"))
        with self.pages.until_sent(send, reader=reader_of(scope)) as sending:
            return await app(scope, read_already(body), sending)
