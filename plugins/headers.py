"""Add entity tags, caching and security headers, and let no cookie through.

- An answer has an entity tag of the database's digest, this code's and the map's, and may be kept an hour; one to free
  SQL may be asked again. Who has it already is answered 304 before any SQL runs.
- `Referrer-Policy: strict-origin`: map tiles come (OpenStreetMap's policy asks for a Referer,
  https://operations.osmfoundation.org/policies/tiles/) and other hosts see this site's origin, never a path or query.
- A content security policy: nothing comes from elsewhere but tiles, and on our own pages no script stands within.
- Cookies and Authorization go no further (nobody is known here), nor does `_ttl`, which would choose how long an answer
  is kept; no answer sets a cookie.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from datasette import __version__, hookimpl
from datasette.app import Datasette

from api import maps
from api.asgi import App, Headers, Message, Receive, Scope, Send, WhenStarted, Wrapper
from api.web import CODE, header

HOUSE = Path(__file__).resolve().parent.parent
SHOWN = [path for room in ("pages", "plugins", "templates", "static") for path in sorted((HOUSE / room).glob("*.*"))]
PAGES = hashlib.sha256(b"".join(path.read_bytes() for path in SHOWN) + f"{CODE!r}{__version__}".encode()).hexdigest()[
    :8
]

ALWAYS = (
    (b"referrer-policy", b"strict-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
REPLACED = {name for name, _ in ALWAYS} | {
    b"content-security-policy",
    b"set-cookie",
    b"vary",
}  # who asks makes no difference
MAP = "/map"
OWN = ("/api/v1", "/download", "/search", "/spreadsheet", MAP)
OWN_ROOMS = ("/postcode/", "/area/", "/local-authority/", "/health-geography/")
NEVER_KEPT = ("/-/health", "/-/ready")
KEPT = b"public, max-age=3600"


@hookimpl
def startup(datasette: Datasette) -> WhenStarted:
    async def read() -> None:
        census = datasette.databases.get("census")
        if census is not None and await census.table_exists("edition"):
            [digest] = (await census.execute("select digest from edition")).first()
            pictured = maps.opened(datasette)[0]
            more = f"-{pictured.version[:8]}" if pictured else ""
            datasette._census_etag = f'W/"{digest[:16]}-{PAGES}{more}"'.encode()

    return read


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Wrapper:
    tiles = (datasette.plugin_config("datasette-cluster-map") or {}).get("tile_layer", "")
    graphql = (datasette.plugin_config("datasette-graphql") or {}).get("path", "/graphql")
    base_url = datasette.setting("base_url").rstrip("/")
    return with_headers(base_url, graphql, urlsplit(str(tiles)), lambda: getattr(datasette, "_census_etag", None))


def with_headers(base_url: str, graphql: str, tiles: SplitResult, etag_now: Callable[[], bytes | None]) -> Wrapper:
    """Return an ASGI wrapper that does what stands above.

    graphql: the path of its page, whose editor evaluates texts. tiles: where map tiles come from, as urlsplit gives it.
    """
    images = f"'self' data: {tiles.scheme}://{tiles.netloc}" if tiles.netloc else "'self' data:"
    policy = (
        f"default-src 'self'; script-src 'self'%s; style-src 'self' 'unsafe-inline'; img-src {images};"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
    own, others, graphiql = (
        (policy % inline).encode() for inline in ("", " 'unsafe-inline'", " 'unsafe-inline' 'unsafe-eval'")
    )
    # MapLibre draws in workers made from its own text, and fetches the tiles of a background as data.
    of_map = own + f"; worker-src blob:; connect-src {images.replace(' data:', '')}".encode()

    def policy_of(path: str, headers: Headers) -> bytes:
        if not any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers):
            return b"default-src 'none'; frame-ancestors 'none'"
        if path == graphql or path.startswith(graphql + "/"):
            return graphiql
        return of_map if path == MAP else own if is_own(path) else others

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            path = scope["path"].removeprefix(base_url) or "/"
            scope, sql = without_secrets(scope)
            etag = etag_now() if keepable(path) and scope["method"] in ("GET", "HEAD") and not sql else None
            if etag and etag in (tag.strip() for tag in header(scope, b"if-none-match").split(b",")):
                headers = [*ALWAYS, (b"etag", etag), (b"cache-control", KEPT)]
                await send({"type": "http.response.start", "status": 304, "headers": headers})
                return await send({"type": "http.response.body", "body": b""})

            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    kept = [(n, v) for n, v in message.get("headers", ()) if n.lower() not in REPLACED]
                    kept += [*ALWAYS, (b"content-security-policy", policy_of(path, kept))]
                    names = {name.lower() for name, _ in kept}
                    if etag and message["status"] == 200 and b"etag" not in names:
                        kept = [(n, v) for n, v in kept if n.lower() != b"cache-control"]
                        kept += [(b"etag", etag), (b"cache-control", KEPT)]
                    elif keepable(path) and message["status"] not in (200, 304):
                        kept = [(n, v) for n, v in kept if n.lower() != b"cache-control"]
                        kept.append((b"cache-control", b"no-store"))
                    message = {**message, "headers": kept}
                await send(message)

            return await app(scope, receive, send_with_headers)

        return wrapped

    return wrap


def is_own(path: str) -> bool:
    """Return whether the page at `path` is one of our own: Datasette's have scripts within them."""
    return path == "/" or path in OWN or path.startswith(OWN_ROOMS)


def keepable(path: str) -> bool:
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
