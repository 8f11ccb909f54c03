"""Give every answer its length, so that one that breaks off is seen to be broken.

Datasette sends pages and JSON without a length and CSV row by row, the API long lists in pieces. A proxy may end such
an answer, broken off, as if it were whole (Caddy 2.6 does), and half a CSV looks like a whole one. So what comes
without a length is gathered here, beyond `HELD` bytes in a temporary file, and sent when it is complete.
"""

import contextlib
import tempfile

from census.web.asgi import App, Message, Receive, Scope, Send
from census.web.refusal import refuse

HELD = 1 << 20  # bytes of an answer that stay in memory
PIECE = 1 << 16
MOST_AT_ONCE = 8_000_000  # bytes of an answer that is made as a whole, such as JSON or a page
TOO_LONG = f"The answer has more than {MOST_AT_ONCE:,} bytes: ask for fewer rows or columns."

NO_ROOM = "There is no room for this answer just now: ask for less, or try again."


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


class Gathered:
    """An answer that comes without a length, until it is complete. Others pass through to `send`."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.start: Message | None = None
        self.body: tempfile.SpooledTemporaryFile[bytes] | None = None
        self.messages = self.size = 0
        self.complete = self.no_room = False

    async def take(self, message: Message) -> None:
        """Take a message of the answer."""
        if message["type"] == "http.response.start" and without_length(message):
            self.close()  # what failed before its end, and this is the error's
            self.start, self.body, self.messages = message, tempfile.SpooledTemporaryFile(HELD), 0  # noqa: SIM115, closed below
        elif self.start is None or self.body is None:
            await self.send(message)
        else:
            self.messages += 1
            self.complete = not message.get("more_body", False)
            if not self.no_room:
                self.write(message.get("body", b""))

    def write(self, data: bytes) -> None:
        """Keep a piece of the body, or give back what was kept where the disk for temporary files is full."""
        assert self.body is not None
        try:
            self.body.write(data)
            if self.complete:
                self.size = self.body.tell()
                self.body.seek(0)  # what the file holds back is written now
        except OSError:
            self.no_room = True
            self.close()

    async def send_all(self) -> None:
        """Send it, if it is complete, with its length."""
        if self.start is None or self.body is None or not self.complete:
            return None
        if self.no_room:
            return await refuse(self.send, 503, NO_ROOM, (b"retry-after", b"10"))
        if self.messages == 1 and self.size > MOST_AT_ONCE:
            return await refuse(self.send, 400, TOO_LONG)
        await self.send(start_with_length(self.start, self.size))
        left = self.size
        while left > PIECE:
            piece = self.body.read(PIECE)
            left -= len(piece)
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        return await self.send({"type": "http.response.body", "body": self.body.read()})

    def close(self) -> None:
        """Give back memory and disk."""
        if self.body is not None:
            with contextlib.suppress(OSError):  # there is no room for what it holds back
                self.body.close()


def with_length(app: App) -> App:
    """Return middleware that gathers what has no length. It is sent when `app` has ended and holds no copy of it."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        answer = Gathered(send)
        with contextlib.closing(answer):
            await app(scope, receive, answer.take)
            return await answer.send_all()

    return wrapped


def in_pieces(app: App) -> App:
    """Return middleware that sends a long body piece by piece: uvicorn waits for the reader before each, not after."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_pieces(message: Message) -> None:
            body = message.get("body", b"")
            start = 0
            while len(body) - start > PIECE:
                await send({"type": "http.response.body", "body": body[start : start + PIECE], "more_body": True})
                start += PIECE
            await send({**message, "body": body[start:]} if start else message)

        await app(scope, receive, send_pieces)

    return wrapped


def without_length(start: Message) -> bool:
    """Return whether an answer that begins so should have a length and has none."""
    return start["status"] not in (204, 304) and all(name.lower() != b"content-length" for name, _ in start["headers"])


def start_with_length(start: Message, size: int) -> Message:
    """Return the beginning of an answer whose body has `size` bytes."""
    return {**start, "headers": [*start["headers"], (b"content-length", b"%d" % size)]}
