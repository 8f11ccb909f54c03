"""Give answers an entity tag and an hour in caches, and drop what would make one answer differ from another.

The tag is of the database's digest, this code's and the map's. Who has an answer already gets a 304 once it is
known that there still is one: an address that is gone is a 404, whatever tag comes with it. Answers to SQL of one's own
have no tag and are not kept, errors neither.

Cookies and Authorization go no further (nobody is known here), nor does `_ttl`, which would choose how long an answer
is kept.
"""

import hashlib
from pathlib import Path
from urllib.parse import parse_qsl

from datasette import __version__

from census.web.asgi import App, Headers, Message, Receive, Scope, Send, Wrapper
from census.web.responses import CODE, MAX_AGE, header
from census.web.sql.process import own_rows
from census.web.state import Site

ROOT = Path(__file__).resolve().parents[3]
SHOWN = [path for folder in ("plugins", "templates", "static") for path in sorted((ROOT / folder).glob("*.*"))]
PAGES = hashlib.sha256(b"".join(path.read_bytes() for path in SHOWN) + f"{CODE!r}{__version__}".encode()).hexdigest()[
    :8
]


async def read_tag(site: Site) -> None:
    """Keep the entity tag of the database, the code and the map."""
    census = site.datasette.databases.get("census")
    if census is not None and await census.table_exists("edition"):
        [[digest]] = await own_rows(census, "select digest from edition")
        drawn, _ = site.map()
        more = f"-{drawn.version[:8]}" if drawn else ""
        site.entity_tag = f'W/"{digest[:16]}-{PAGES}{more}"'.encode()


def entity_tags(site: Site) -> Wrapper:
    """Return the middleware; the tag is the one that `read_tag` has kept."""

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            scope, sql = without_secrets(scope)
            if depends_on_address_alone(scope["path"]):
                reads = scope["method"] in ("GET", "HEAD") and not sql
                tag = site.entity_tag if reads else None
                send = tagged(send, tag, header(scope, b"if-none-match"))
            return await app(scope, receive, send)

        return wrapped

    return wrap


def tagged(send: Send, tag: bytes | None, known: bytes) -> Send:
    """Return `send` for an answer with this tag, or none. known: the tags that the client has, as its header says."""
    unchanged = False

    async def send_tagged(message: Message) -> None:
        nonlocal unchanged
        if message["type"] == "http.response.start":
            headers, status = message.get("headers", []), message["status"]
            if tag and status == 200 and all(name.lower() != b"etag" for name, _ in headers):
                headers = [*without(headers, b"cache-control"), (b"etag", tag), (b"cache-control", MAX_AGE)]
                unchanged = matches(tag, known)
            elif status not in (200, 304):
                headers = [*without(headers, b"cache-control"), (b"cache-control", b"no-store")]
            if unchanged:
                status, headers = 304, without(headers, b"content-type", b"content-length")
            message = {**message, "status": status, "headers": headers}
        elif unchanged:
            message = {**message, "body": b""}
        await send(message)

    return send_tagged


def without(headers: Headers, *names: bytes) -> Headers:
    """Return headers but those of these names."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def matches(tag: bytes, known: bytes) -> bool:
    """Return whether `tag` is among those of a header If-None-Match."""
    return known.strip() == b"*" or tag in (one.strip() for one in known.split(b","))


def depends_on_address_alone(path: str) -> bool:
    """Return whether answers at `path` depend on nothing but the address, the database and the code."""
    return not path.startswith(("/-/", "/static/", "/download/", "/guide", "/map/"))


def without_secrets(scope: Scope) -> tuple[Scope, bool]:
    """Return the scope without cookies, Authorization and `_ttl`; and whether its query string has SQL of one's own."""
    kept = [(n, v) for n, v in scope["headers"] if n.lower() not in (b"cookie", b"authorization")]
    query = scope.get("query_string", b"")
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    if "_ttl" in names:
        pieces = [piece for piece in query.split(b"&") if name_of(piece) != "_ttl"]
        query = b"&".join(pieces)
    changed = {**scope, "headers": kept, "query_string": query}
    if "_ttl" in names and scope.get("raw_path"):
        changed["raw_path"] = scope["raw_path"].split(b"?")[0]
    return changed, "sql" in names or any(name.startswith("_where") for name in names)


def name_of(piece: bytes) -> str | None:
    """Return the name of one parameter of a query string."""
    return next((name for name, _ in parse_qsl(piece.decode("latin-1"), keep_blank_values=True)), None)
