"""Bound what a connection may hold, and how long: a subclass of uvicorn's protocol, which has no such bounds itself.

A request's head has `head_bytes` and `head_s`, its body `body_s`; a client that reads less than `read_bytes` of its
answer in `read_s` is cut off. When the server stops, an answer has `stop_s` more. This holds for every way to start,
with Caddy in front or without. A connection that waits for its next request ends after five seconds, by uvicorn's own
setting.

The settings stand in metadata.yml, under plugins: connections.
"""

import contextlib
import json
import socket
import struct
import sys
import time
from asyncio import BaseTransport, TimerHandle, Transport
from typing import Any, cast

import uvicorn.config
from datasette.app import Datasette
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from census.web.asgi import Scope
from census.web.responses import ALWAYS

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

SETTINGS = {
    "head_bytes": 65_536,
    "head_s": 10,
    "body_s": 20,
    "read_bytes": 196_608,
    "read_s": 30,
    "stop_s": 10,
}
CHECK_S = 1.0  # how often a connection is looked at
MOST_FILES = 16_384  # open files and connections; a download that is read has one of each
MOST_PIPELINED = 32  # requests that wait behind one that is being answered
KERNEL_BUFFER = 256 << 10  # bytes of an answer that the system may hold for a client; it doubles them for its own use
TCP_INFO_ACKED = 120  # where struct tcp_info of Linux has tcpi_bytes_acked, 64 bits
CONNECTION = "census.connection"  # in the scope

HEAD, BODY = "head", "body"  # what a connection waits for
TOO_LARGE = "The head of the request is too large."
TOO_LATE = "The request took too long to arrive."


def apply(datasette: Datasette) -> None:
    """Let uvicorn use `Connection`, with the settings of `datasette`, and as many files as the system allows."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    Connection.limits = SETTINGS | (datasette.plugin_config("connections") or {})
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"


class Refused(Exception):
    """The request is refused while it is read."""


class Connection(HttpToolsProtocol):
    """The protocol of a connection, within bounds."""

    limits = SETTINGS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.awaited: str | None = HEAD
        self.since = time.monotonic()  # when it began to wait for that
        self.unparsed = 0  # bytes that came since the last callback of the parser that hands them on
        self.refusal: tuple[int, str] | None = None
        self.reading: tuple[float, int] | None = None  # while the client has not read all: since when, from which byte
        self.acked = 0  # how many bytes the client had taken at the last look
        self.resumed = 0  # how often it had read all, for systems that do not say how much
        self.stopping: float | None = None  # since when the server stops
        self.timer: TimerHandle | None = None
        self.answering: RequestResponseCycle | None = None  # not always the newest: others may be in line behind it

    # What asyncio calls

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to watch a new connection."""
        super().connection_made(cast(Transport, transport))
        if (held := transport.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):  # it was reset already
                held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        self.timer = self.loop.call_later(CHECK_S, self.check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what waits for its turn, and say to the request that is answered that its client has gone."""
        super().connection_lost(exc)
        if self.answering is not None and not self.answering.response_complete:
            self.answering.disconnected = True
            self.answering.message_event.set()
        self.pipeline.clear()
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse more of a request, unless it is refused already."""
        if self.refusal is not None:  # it closes
            return
        if self.awaited is None:
            self.wait_for(HEAD)
        self.unparsed += len(data)
        super().data_received(data)
        if self.refusal is None and self.unparsed > self.limits["head_bytes"]:
            self.refuse(431, TOO_LARGE)

    def resume_writing(self) -> None:
        """Note that the client has read."""
        self.resumed += 1
        super().resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[CONNECTION] = self

    def on_headers_complete(self) -> None:
        """Begin to answer. Raises Refused for a head that is too large, or one too many in line."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.limits["head_bytes"]:
            self.refusal = 431, TOO_LARGE
            raise Refused
        if len(self.pipeline) >= MOST_PIPELINED:
            raise Refused
        self.wait_for(BODY)
        self.unparsed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self.unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self.awaited, self.unparsed = None, 0
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline:  # it was answered before its body had come
            self._unset_keepalive_if_required()
            wait = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)

    # What uvicorn calls

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or was refused in a callback of the parser."""
        self.refuse(*(self.refusal or (400, msg)))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Note which request is answered."""
        self.answering = cycle
        super()._start_asgi_task(cycle, app)

    def _should_upgrade_to_ws(self) -> bool:
        return False  # there are no WebSockets here: such a request is answered like any other

    def _unsupported_upgrade_warning(self) -> None:
        """Write no line: anyone could fill the log with them."""

    def shutdown(self) -> None:
        """Let an answer end within its time, as the server stops."""
        self.stopping = time.monotonic()
        super().shutdown()

    # What is new

    def wait_for(self, awaited: str) -> None:
        """Wait for the rest of a head or body from now on."""
        self.awaited, self.since = awaited, time.monotonic()

    def refuse(self, status: int, why: str) -> None:
        """Answer with `status` and end. Where another answer is not complete yet, the connection breaks off."""
        self.refusal = status, why
        if self.cycle is not None and not self.cycle.response_complete:
            if self.awaited != BODY or self.pipeline or self.cycle.response_started:
                self.abort()
                return
            self.cycle.disconnected = True  # for the application, which waits for the rest of the body
            self.cycle.message_event.set()
        if self.awaited != HEAD or self.unparsed > 0:  # otherwise there is no request
            self.transport.write(refused(status, why))
        self.transport.close()

    def abort(self) -> None:
        """Break the connection off, whatever the client has still to read."""
        self.transport.abort()

    def check(self) -> None:
        """Cut off a client that sends or reads too slowly. Called each `CHECK_S`."""
        now = time.monotonic()
        self.timer = self.loop.call_later(CHECK_S, self.check)
        stops = self.stopping is not None and now - self.stopping > self.limits["stop_s"]
        if stops or self.reads_too_slowly(now):
            self.abort()
        elif self.sends_too_slowly(now):
            self.refuse(408, TOO_LATE)

    def sends_too_slowly(self, now: float) -> bool:
        """Return whether the head or body of a request is late. The server's own pauses do not count."""
        if self.awaited is None or self.refusal is not None:
            return False
        if self.flow.read_paused:
            self.since = now
        return now - self.since > self.limits["head_s" if self.awaited == HEAD else "body_s"]

    def reads_too_slowly(self, now: float) -> bool:
        """Return whether the client has read less of its answer than it must."""
        if not self.is_waited_for():
            self.reading = None
            return False
        if self.reading is None:
            self.reading = now, self.read_bytes()
            return False
        since, from_byte = self.reading
        if now - since < self.limits["read_s"]:
            return False
        read = self.read_bytes()
        self.reading = now, read
        return read - from_byte < self.limits["read_bytes"]

    def read_bytes(self) -> int:
        """Return how many bytes the client has taken, as Linux says of TCP.

        Elsewhere, and on a UNIX socket, an emptied buffer counts as enough.
        """
        if sys.platform == "linux":
            with contextlib.suppress(AttributeError, OSError, ValueError, struct.error):  # another kind, or closed
                info = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                [self.acked] = struct.unpack_from("=Q", info, TCP_INFO_ACKED)
        return self.acked or self.resumed * self.limits["read_bytes"]

    def is_waited_for(self) -> bool:
        """Return whether the client has not taken all that was sent to it."""
        return self.transport.get_write_buffer_size() > 0


def refused(status: int, why: str) -> bytes:
    """Return a whole answer that refuses a request."""
    body = json.dumps({"ok": False, "error": why, "status": status}).encode()
    headers = [
        *ALWAYS,
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    return b"".join([STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in headers), b"\r\n", body])


def reader_of(scope: Scope) -> Connection | None:
    """Return the connection of a request; None where it came by another way, as in tests."""
    connection: Connection | None = scope.get(CONNECTION)
    return connection
