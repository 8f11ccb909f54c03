"""Answer 405 to any method that does not read.

GET, HEAD and OPTIONS read, and POST where GraphQL takes its queries. Datasette itself answers a POST to a query or
table with an error of its own (500).
"""

import json

from datasette import hookimpl

from api.asgi import App, Receive, Scope, Send, Wrapper

READING = ("GET", "HEAD", "OPTIONS")
ALSO_POST = ("/graphql",)


@hookimpl
def asgi_wrapper() -> Wrapper:
    return read_only


def read_only(app: App) -> App:
    """Return the ASGI application `app` behind a gate for methods."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        path = scope["path"]
        posted = any(path == prefix or path.startswith(prefix + "/") for prefix in ALSO_POST)
        allowed = (*READING, "POST") if posted else READING
        if scope["method"] in allowed:
            return await app(scope, receive, send)
        body = json.dumps({"ok": False, "error": f"{scope['method']} is not allowed here", "status": 405}).encode()
        headers = [(b"content-type", b"application/json; charset=utf-8"), (b"allow", ", ".join(allowed).encode())]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        return await send({"type": "http.response.body", "body": body})

    return wrapped
