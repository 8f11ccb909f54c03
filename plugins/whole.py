"""Give answers their length, so that one that breaks off is seen to be broken.

Datasette sends pages and JSON without a length and CSV row by row. A proxy may end such an answer, broken off, as if it
were whole (Caddy 2.6 does), and half a CSV looks like a whole one. CSV is therefore gathered here, beyond `HELD` bytes
in a temporary file, and sent when it is complete; all else that comes in one piece gets its length.
"""

import tempfile

from datasette import hookimpl

from api.asgi import App, Message, Receive, Scope, Send, Wrapper

HELD = 1 << 20  # bytes of a CSV that stay in memory
PIECE = 1 << 16


@hookimpl
def asgi_wrapper() -> Wrapper:
    return whole


def whole(app: App) -> App:
    """Return an ASGI wrapper that does what stands above."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            return await app(scope, receive, send)
        start, gathered = None, None

        async def send_whole(message: Message) -> None:
            nonlocal start, gathered
            body, more = message.get("body", b""), message.get("more_body", False)
            if message["type"] == "http.response.start" and without_length(message):
                start = message
                if gathered is not None:  # it failed before its end, and this is the error's
                    gathered.close()
                    gathered = None
            elif start is None:
                await send(message)
            elif gathered is None and not (more and is_csv(start)):
                await send(start if more else with_length(start, len(body)))
                await send(message)
                start = None
            else:
                gathered = gathered or tempfile.SpooledTemporaryFile(HELD)  # noqa: SIM115, closed below
                gathered.write(body)
                if not more:
                    await send(with_length(start, gathered.tell()))
                    gathered.seek(0)
                    while piece := gathered.read(PIECE):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b""})

        try:
            await app(scope, receive, send_whole)
        finally:
            if gathered is not None:
                gathered.close()

    return wrapped


def without_length(start: Message) -> bool:
    """Return whether an answer that begins so should have a length and has none."""
    return start["status"] not in (204, 304) and all(name.lower() != b"content-length" for name, _ in start["headers"])


def with_length(start: Message, size: int) -> Message:
    """Return the beginning of an answer whose body has `size` bytes."""
    return {**start, "headers": [*start["headers"], (b"content-length", b"%d" % size)]}


def is_csv(start: Message) -> bool:
    """Return whether an answer that begins so is CSV, or the plain text that Datasette shows it as."""
    return any(n.lower() == b"content-type" and v.startswith((b"text/csv", b"text/plain")) for n, v in start["headers"])
