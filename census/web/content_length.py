"""Give every answer its length, so that one that breaks off is seen to be broken.

Datasette sends pages and JSON without a length and CSV row by row, the API long lists in pieces. A proxy may end such
an answer, broken off, as if it were whole (Caddy 2.6 does), and half a CSV looks like a whole one. So what comes
without a length is gathered here, beyond `HELD` bytes in a temporary file, and sent when it is complete.
"""

import contextlib
import tempfile

from api.asgi import App, Message, Receive, Scope, Send

HELD = 1 << 20  # bytes of an answer that stay in memory
PIECE = 1 << 16


class Enough(BaseException):
    """The beginning of an answer is all that is wanted. No `except Exception` on its way stops it."""


def head_like_get(app: App) -> App:
    """Return middleware that answers HEAD with what GET begins with."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await app(scope, receive, send)

        async def send_beginning(message: Message) -> None:
            if message["type"] == "http.response.start":
                return await send(message)
            await send({"type": "http.response.body", "body": b""})
            raise Enough

        with contextlib.suppress(Enough):
            await app({**scope, "method": "GET"}, receive, send_beginning)
        return None

    return wrapped


def with_length(app: App) -> App:
    """Return middleware that does what stands above."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
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
            elif gathered is None and not more:
                await send(start_with_length(start, len(body)))
                await send(message)
                start = None
            else:
                gathered = gathered or tempfile.SpooledTemporaryFile(HELD)  # noqa: SIM115, closed below
                gathered.write(body)
                if not more:
                    await send(start_with_length(start, gathered.tell()))
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


def start_with_length(start: Message, size: int) -> Message:
    """Return the beginning of an answer whose body has `size` bytes."""
    return {**start, "headers": [*start["headers"], (b"content-length", b"%d" % size)]}
