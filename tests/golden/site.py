"""Requests to the site, made without a network, and their answers as text that can be compared."""

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

import datasette.plugins  # noqa: F401, first: it loads datasette-graphql, which would else be registered half loaded
import datasette_graphql.utils
import yaml
from datasette.app import Datasette

from tests.golden.normal import DROPPED, OF_DOWNLOADS, Known, Page, Rule

REQUESTS = Path(__file__).with_name("requests.yaml")
WHOLE = 5500  # characters of a body that are recorded; of a longer one its hash and its beginning
BEGINNING = 800
SHARED = (
    "access-control-",
    "content-security-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
)
"""How the names of headers begin that many answers have alike: they are recorded once, as a numbered set."""
BINARY = ("application/vnd.mapbox-vector-tile", "application/gzip", "image/", "font/", "application/octet-stream")


@dataclass(frozen=True)
class Request:
    """A request of requests.yaml.

    show: what of the body is compared: `body`, its `shape` (JSON without values), its `title` (HTML) or `nothing`.
    map: whether its answer needs the map next to the database.
    """

    group: str
    name: str
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    body: str = ""
    show: str = "body"
    map: bool = False

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


@dataclass(frozen=True)
class Answer:
    """What the site answered: headers in the order of their names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The header `name`, empty where there is none."""
        return next((value for known, value in self.headers if known == name), "")


@cache
def requests() -> tuple[Request, ...]:
    """Every request of requests.yaml, in its order."""
    listed = []
    for group, named in yaml.safe_load(REQUESTS.read_text("utf-8")).items():
        for name, told in named.items():
            told = {"path": told} if isinstance(told, str) else dict(told)
            body = told.pop("body", "")
            if isinstance(body, dict):  # too long to be written out
                body = body.get("before", "") + body["repeat"] * body["times"] + body.get("after", "")
            listed.append(Request(group, str(name), body=body, **told))
    return tuple(listed)


class Site:
    """A Datasette whose answers are asked for. known: what its database is known by."""

    def __init__(self, datasette: Datasette, known: Known):
        self.known = known
        self._datasette = datasette
        self._app = datasette.app()

    def answer(self, request: Request) -> Answer:
        """The answer to `request`."""
        return asyncio.run(self._answer(request))

    async def _answer(self, request: Request) -> Answer:
        await self._datasette.invoke_startup()
        headers = {name.lower(): self.known.reveal(value) for name, value in request.headers.items()}
        if headers.get("if-none-match") == "<etag>":
            before = await self._send(request, {n: v for n, v in headers.items() if n != "if-none-match"})
            headers["if-none-match"] = before.header("etag")
        return await self._send(request, headers)

    async def _send(self, request: Request, headers: dict[str, str]) -> Answer:
        path, _, query = self.known.reveal(request.path).partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *((n.encode(), v.encode()) for n, v in headers.items())],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
        }
        start: dict = {}
        pieces: list[bytes] = []
        given, done = False, asyncio.Event()

        async def receive() -> dict:
            nonlocal given
            if given:
                await done.wait()
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": request.body.encode(), "more_body": False}

        async def send(message: dict) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                pieces.append(message.get("body", b""))
                if not message.get("more_body"):
                    done.set()

        await self._app(scope, receive, send)
        sent = sorted((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
        return Answer(start["status"], sent, b"".join(pieces))

    def record(self, request: Request, answer: Answer, name_of: Callable[[str], str]) -> str:
        """What is recorded of an answer. name_of: the line that stands for the headers that many have alike."""
        rules = rules_of(request)
        lines = [f"{request.method} {request.path if len(request.path) < 400 else request.path[:400] + '…'}"]
        lines += [f"> {name}: {value}" for name, value in request.headers.items()]
        sent = request.body if len(request.body) < 1000 else request.body[:100] + "…"
        lines += [f"> {line}" for line in sent.splitlines()]
        lines.append(str(answer.status))
        shared = []
        for name, value in answer.headers:
            if name in DROPPED:
                continue
            if name == "content-length" and (value == str(len(answer.body)) or request.method == "HEAD"):
                value = "that of the body"  # of HEAD that of GET's, which says how long its statements took
            elif name == "x-git-revision":
                value = "<revision>"
            line = f"{name}: {self.known.hide(value, *rules)}"
            (shared if name.startswith(SHARED) else lines).append(line)
        body = self.shown(request, answer)[1]
        return "\n".join([*lines, name_of("\n".join(shared)), *([""] if body else []), *body]) + "\n"

    def shown(self, request: Request, answer: Answer) -> tuple[str, list[str]]:
        """The whole body, normalised; and what of it is recorded."""
        data, rules = answer.body, rules_of(request)
        if answer.header("content-encoding") == "gzip" and data:
            data = gzip.decompress(data)  # how well it is compressed differs by version of zlib
        kind = answer.header("content-type").partition(";")[0]
        if not data or request.show == "nothing":
            return "", []
        if kind.startswith(BINARY):
            if data.startswith(b"\x1f\x8b"):
                data = gzip.decompress(data)
            return data.hex(), [f"{len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}"]
        text = self.known.hide(data.decode(), *rules)
        if kind == "text/html":
            return self._page(request, text)
        if kind.endswith("json"):
            try:
                content = json.loads(re.sub(r'(": )(<[^">]+>)', r'\1"\2"', text))  # a name in the place of a number
            except ValueError:
                return self._text(text, text)
            if request.show == "shape":
                text = json.dumps(shape(content), indent=1)
                return self._text(text, text)
            return self._text(text, json.dumps(content, indent=1, ensure_ascii=False))
        return self._text(text, text)

    @staticmethod
    def _page(request: Request, html: str) -> tuple[str, list[str]]:
        page = Page(html)
        if request.show == "title":
            return page.title, [f"title: {page.title}"]
        markup = "\n".join(page.markup)
        lines = [f"title: {page.title}", f"{len(page.markup):,} tags and texts, sha256 {_hash(markup)}"]
        return markup, [*lines, *(_beginning("\n".join(page.text)) if page.text else [])]

    @staticmethod
    def _text(text: str, shown: str) -> tuple[str, list[str]]:
        """shown: `text`, or the same laid out to be read."""
        lines = _beginning(shown.replace("\r", "␍").removesuffix("\n"))
        return text, [f"{len(text.encode()):,} bytes, sha256 {_hash(text)}", *lines]


def forget_schemas() -> None:
    """Forgets the GraphQL schemas of other databases, which datasette-graphql keeps for the whole process."""
    datasette_graphql.utils._schema_cache.clear()


def rules_of(request: Request) -> tuple[Rule, ...]:
    """The rules that are for the answer to this request alone."""
    return OF_DOWNLOADS if request.path.startswith("/download") else ()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _beginning(text: str) -> list[str]:
    """The lines of a text, or its first ones where it is long; none of them looks like the head of a record."""
    lines = (
        text.split("\n") if len(text) <= WHOLE else [*text[:BEGINNING].split("\n"), f"… of {len(text):,} characters"]
    )
    return [f"  {line}".rstrip(" ") + ("·" if line.endswith(" ") else "") for line in lines]


def shape(content: object) -> object:
    """JSON without its values: names, and the type of what each has."""
    if isinstance(content, dict):
        return {name: shape(value) for name, value in content.items()}
    if isinstance(content, list):
        return [shape(content[0])] if content else []
    return type(content).__name__
