"""The site below a prefix, for tests that know none: `CENSUS_BASE_URL=/somewhere/ python -m tests site`.

Where it is set, every Datasette of the tests is served there. What a test asks for gets the prefix, what it is answered
loses it again, after each link and address in it was seen to have it.
"""

import gzip
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

from census.web.concurrency.disconnect import read_already

PREFIX = os.environ.get("CENSUS_BASE_URL", "").rstrip("/")

App = Callable[[dict[str, Any], Callable, Callable], Awaitable[None]]
# Links of pages, addresses of this host, and members of JSON that are links.
LINKS = re.compile(
    rb"""(?:\b(?:href|src|action)=["']|https?://localhost(?::\d+)?|"(?:href|next_url|toggle_url)": ?")(/[^"'<\s]*)"""
)


class Below:
    """`app`, which is served below `PREFIX`, as if it were not."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = dict(scope)
        for name, prefix in (("path", PREFIX), ("raw_path", PREFIX.encode())):
            if name in scope and not scope[name].startswith(prefix):
                scope[name] = prefix + scope[name]
        started, body = await self.answered(scope, receive)
        whole = without_prefix_in(body, dict(started["headers"]), scope["path"])
        lost = len(body) - len(whole)
        if scope["method"] == "HEAD":  # its length is that of GET's body
            begun, got = await self.answered({**scope, "method": "GET"}, read_already(b""))
            lost = len(got) - len(without_prefix_in(got, dict(begun["headers"]), scope["path"]))
        headers = [
            (name, b"%d" % (int(value) - lost) if name == b"content-length" else without_prefix(value))
            for name, value in started["headers"]
        ]
        await send({**started, "headers": headers})
        await send({"type": "http.response.body", "body": whole})

    async def answered(self, scope: dict[str, Any], receive: Callable) -> tuple[dict[str, Any], bytes]:
        """Return the start and the whole body of what the site answers."""
        started: dict[str, Any] = {}
        pieces = []

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                pieces.append(message.get("body", b""))

        await self.app(scope, receive, sending)
        return started, b"".join(pieces)


def without_prefix(text: bytes) -> bytes:
    """Take the prefix off every address in `text`."""
    for prefix in (PREFIX.encode(), PREFIX.replace("/", "%2F").encode()):
        text = re.sub(re.escape(prefix) + rb"(?=/|%2F)", b"", text)
        text = text.replace(prefix, b"/" if prefix.startswith(b"/") else b"%2F")
    return text


def without_prefix_in(body: bytes, headers: dict[bytes, bytes], path: str) -> bytes:
    """Take it off the body of an answer. Raises AssertionError where a link in it has none."""
    kind = headers.get(b"content-type", b"")
    if not body or not (kind.startswith(b"text/") or b"json" in kind):
        return body
    packed = headers.get(b"content-encoding") == b"gzip"
    text = gzip.decompress(body) if packed else body
    prefix = PREFIX.encode()
    for link in LINKS.findall(text):
        assert link == prefix or link.startswith(prefix + b"/"), f"{link!r} in {path} lacks the prefix"
    return gzip.compress(without_prefix(text), mtime=0) if packed else without_prefix(text)
