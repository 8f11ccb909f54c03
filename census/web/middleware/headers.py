"""Give every answer its security headers, and let pages of any origin read it.

- A content security policy: nothing comes from elsewhere but tiles, and on our own pages no script stands within.
- CORS on every answer, also errors, downloads and GraphQL (Datasette's `--cors` leaves out what plugins answer).
  Answers carry no cookie and depend on none, so `*` gives nothing away.
- No answer sets a cookie, and none varies by one.
- A request that fails within is answered 500, as JSON; only its type and place are logged.
"""

from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from datasette.app import Datasette

from census.web.asgi import App, Headers, Message, Receive, Scope, Send, Wrapper
from census.web.responses import CORS, NO_PAGE, SECURITY, internal_error, send_answer

MAP = "/map"
OWN = ("/", "/api/v1", "/download", "/search", "/spreadsheet", MAP)
OWN_FOLDERS = ("/postcode/", "/area/", "/local-authority/", "/health-geography/")
REPLACED = {name for name, _ in (*CORS, *SECURITY)} | {b"content-security-policy", b"set-cookie"}


def security_headers(datasette: Datasette) -> Wrapper:
    """Return the middleware for `datasette`, by its settings for tiles and GraphQL."""
    tiles = (datasette.plugin_config("datasette-cluster-map") or {}).get("tile_layer", "")
    graphql = (datasette.plugin_config("datasette-graphql") or {}).get("path", "/graphql")
    return with_headers(policies(graphql, urlsplit(str(tiles))))


def policies(graphql: str, tiles: SplitResult) -> Callable[[str, Headers], bytes]:
    """Return a function that gives the content security policy of an answer, by path and headers.

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
            return NO_PAGE
        if path == graphql or path.startswith(graphql + "/"):
            return graphiql
        return of_map if path == MAP else own if path in OWN or path.startswith(OWN_FOLDERS) else others

    return policy_of


def with_headers(policy_of: Callable[[str, Headers], bytes]) -> Wrapper:
    """Return middleware that adds the headers."""

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            started = False

            async def send_with_headers(message: Message) -> None:
                nonlocal started
                if message["type"] == "http.response.start":
                    started = True
                    kept = [(n, v) for n, v in message.get("headers", ()) if n.lower() not in REPLACED]
                    policy = (b"content-security-policy", policy_of(scope["path"], kept))
                    message = {**message, "headers": [*kept, *CORS, *SECURITY, policy]}
                await send(message)

            try:
                return await app(scope, receive, send_with_headers)
            except Exception as error:
                if started:
                    raise  # too late for a status; the server breaks the answer off
                return await send_answer(scope, send_with_headers, internal_error(error), b"")

        return wrapped

    return wrap
