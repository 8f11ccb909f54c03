"""Bound how many may run SQL, open tables or use GraphQL at once.

At most `at_once` of them are worked on; the next one is answered 503 with Retry-After before Datasette sees it. At most
`unread` answers wait for their readers. A statement longer than `max_sql` is refused, and so is the streaming of a
table with more than `stream_rows` rows, or of a view over one: the compressed downloads have those whole. The settings
stand in metadata.yml, under plugins: sql_gate. Lookups of the API and canned queries pass by.
"""

import json
import re
from collections.abc import Callable, Collection
from urllib.parse import parse_qs

from datasette.app import Datasette
from datasette.utils import tilde_decode

from api.asgi import App, Message, Receive, Scope, Send
from census.web.graphql_limits import path_of

SETTINGS = {"at_once": 2, "unread": 16, "max_sql": 20_000, "stream_rows": 100_000}
ADDRESS = re.compile(r"/census/([^/.]+)(?:\.[a-z]+)?")


async def count_rows(datasette: Datasette) -> None:
    """Keep which tables and views are too large to be streamed."""
    census = datasette.databases.get("census")
    if census is None:
        return
    counts = await census.table_counts(2_000)  # None for one that takes longer
    most = settings_of(datasette)["stream_rows"]
    large = {name for name, rows in counts.items() if rows is None or rows > most}
    views = (await census.execute("select name, sql from sqlite_master where type = 'view'")).rows
    while grown := {name for name, sql in views if name not in large and large & set(re.findall(r"\w+", sql))}:
        large |= grown
    datasette._census_large = large


def settings_of(datasette: Datasette) -> dict[str, int]:
    """Return the settings, each from metadata.yml or as in SETTINGS."""
    return SETTINGS | (datasette.plugin_config("sql_gate") or {})


class Gate:
    """An ASGI wrapper for the addresses that cost most. large: gives the names of the tables that are not streamed."""

    def __init__(
        self,
        queries: set[str],
        graphql: str,
        large: Callable[[], Collection[str]],
        settings: dict[str, int],
    ) -> None:
        self.queries, self.graphql, self.large = queries, graphql, large
        self.settings = settings
        self.working = self.unread = 0

    @staticmethod
    def of(datasette: Datasette) -> "Gate":
        """Return the gate of `datasette`."""
        queries = datasette._metadata_local["databases"]["census"]["queries"]
        large = lambda: getattr(datasette, "_census_large", ())  # noqa: E731
        return Gate(set(queries), path_of(datasette), large, settings_of(datasette))

    def costs(self, path: str, query: bytes) -> bool:
        """Return whether an address is among those that are counted: never a page of one row or of a canned query."""
        if path == self.graphql or path.startswith(self.graphql + "/"):
            return True
        if re.fullmatch(r"/census(\.[a-z]+)?", path):
            return bool(query)
        table = ADDRESS.fullmatch(path)
        return table is not None and table[1] not in self.queries

    def refusal(self, path: str, query: bytes) -> tuple[int, str] | None:
        """Return why a request is refused whoever else is asking: status and sentence."""
        if len(query) > 3 * self.settings["max_sql"]:
            return 414, f"The address is too long: SQL may have {self.settings['max_sql']:,} characters."
        asked = parse_qs(query.decode("latin-1"), keep_blank_values=True)
        if any(len(text) > self.settings["max_sql"] for text in asked.get("sql", [])):
            return 414, f"The SQL is too long: it may have {self.settings['max_sql']:,} characters."
        table = ADDRESS.fullmatch(path)
        if "_stream" in asked and table and table[1] in self.large():
            most = self.settings["stream_rows"]
            return 400, (
                f"{table[1]} has more than {most:,} rows (or is a view over such a table), which are not streamed."
                " Tables are whole, compressed, at /download; _next leads from page to page."
            )
        return None

    def wrap(self, app: App) -> App:
        """Return the ASGI application `app` behind the gate."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            path = tilde_decode(scope["path"]) if scope["type"] == "http" else ""
            if not path or not self.costs(path, scope.get("query_string", b"")):
                return await app(scope, receive, send)
            if refusal := self.refusal(path, scope.get("query_string", b"")):
                return await refuse(send, *refusal)
            if self.working >= self.settings["at_once"] or self.unread >= self.settings["unread"]:
                text = "Too many are asking for SQL, tables or GraphQL just now. Lookups and queries go on; try again."
                return await refuse(send, 503, text, (b"retry-after", b"1"))
            counted = True
            self.working += 1

            async def send_uncounted(message: Message) -> None:  # who reads slowly keeps nobody waiting
                nonlocal counted
                self.working -= 1
                self.unread += 1
                counted = False
                try:
                    await send(message)
                finally:
                    self.unread -= 1
                    self.working += 1
                    counted = True

            try:
                await app(scope, receive, send_uncounted)
            finally:
                self.working -= counted
            return None

        return wrapped


async def refuse(send: Send, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
    """Send `why` as Datasette's JSON has errors."""
    body = json.dumps({"ok": False, "error": why, "status": status}).encode()
    headers = (
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *headers,
    )
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
