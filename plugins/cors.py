"""Let pages of any origin read every answer.

They send no credentials with it. Datasette's `--cors` is an option of the command line and leaves out what plugins
answer; this is for every answer, also errors, downloads and GraphQL. Answers carry no cookie and depend on none, so `*`
gives nothing away.
"""

from datasette import hookimpl

from api.asgi import App, Message, Receive, Scope, Send, Wrapper
from api.web import CORS


@hookimpl(trylast=True)  # the last to wrap is the outermost, so that what the others answer has the headers too
def asgi_wrapper() -> Wrapper:
    return with_cors


def with_cors(app: App) -> App:
    """Return the ASGI application `app` with CORS headers on every answer; it answers preflight requests itself."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if not name.lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": [*kept, *CORS]}
            await send(message)

        names = {name for name, _ in scope["headers"]}
        if scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= names:
            await send_allowed({"type": "http.response.start", "status": 204, "headers": []})
            return await send_allowed({"type": "http.response.body", "body": b""})
        return await app(scope, receive, send_allowed)

    return wrapped
