"""Answer 405 to methods that do not read, and list those that do: in answer to OPTIONS, also of a browser's preflight.

GET, HEAD and OPTIONS read, and POST where GraphQL takes its queries. Datasette itself answers a POST to a query or
table with an error of its own (500).
"""

import json

from census.web.asgi import App, Receive, Scope, Send, Wrapper

READING = ("GET", "HEAD", "OPTIONS")


def read_only(graphql: str) -> Wrapper:
    """Return the middleware. graphql: the path that GraphQL answers at."""

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            posted = scope["path"] == graphql or scope["path"].startswith(graphql + "/")
            allowed = (*READING, "POST") if posted else READING
            allow = (b"allow", ", ".join(allowed).encode())
            if scope["method"] == "OPTIONS":  # a preflight of a browser, or anyone's
                await send({"type": "http.response.start", "status": 204, "headers": [allow]})
                return await send({"type": "http.response.body", "body": b""})
            if scope["method"] in allowed:
                return await app(scope, receive, send)
            body = json.dumps({"ok": False, "error": f"{scope['method']} is not allowed here", "status": 405}).encode()
            headers = [(b"content-type", b"application/json; charset=utf-8"), allow]
            await send({"type": "http.response.start", "status": 405, "headers": headers})
            return await send({"type": "http.response.body", "body": body})

        return wrapped

    return wrap
