"""What a connection may hold, and how long: a real uvicorn with our protocol, over an application of the test's own."""

import asyncio
import contextlib
import errno
import json
import os
import socket
import tempfile
import threading
import time
from types import SimpleNamespace

import pytest
import uvicorn

from census.web import connections, content_length
from census.web.concurrency.admission import Slots
from census.web.connections import Connection

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
LARGE = 30_000_000  # bytes of an answer: far more than the system keeps for a client
NEVER = dict.fromkeys(("head_s", "body_s", "read_s", "stop_s"), 3600)


async def greeting(scope, _receive, send):
    """Answers with the path."""
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def large(_scope, _receive, send):
    """Answers at length, in one message."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def reading(_scope, receive, send):
    """Answers when it has read the body."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] != "http.disconnect":
        await greeting({"path": "/read"}, receive, send)


class Serving:
    """A server in a thread."""

    def __init__(self, app, limits) -> None:
        protocol = type("Hasty", (Connection,), {"limits": connections.SETTINGS | limits})
        self.server = uvicorn.Server(uvicorn.Config(app, http=protocol, lifespan="off", log_config=None))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        client.sendall(sent)
        return client

    def answer(self, sent: bytes) -> bytes:
        """All that comes until the server closes."""
        with self.connect() as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(sent)
            return until_closed(client)


def until_closed(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            received += piece
    return received


@pytest.fixture
def serve(monkeypatch):
    """Starts servers, with an application and limits, that end with the test."""
    monkeypatch.setattr(connections, "CHECK_S", 0.02)
    running = []

    def start(app, **limits) -> Serving:
        running.append(Serving(app, limits))
        return running[-1]

    yield start
    for one in running:
        one.server.should_exit = one.server.force_exit = True
        one.thread.join(10)
        assert not one.thread.is_alive()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET + b"x: " + b"x" * 70_000 + b"\r\n\r\n",
        GET + b"x: y\r\n" * 15_000 + b"\r\n",
        b"GET /" + b"x" * 400_000,
        GET + b"x: " + b"x" * 400_000,
    ],
    ids=["address", "header", "headers", "address without an end", "header without an end"],
)
def test_a_head_that_is_too_large_is_refused(serve, head):
    site = serve(greeting, **NEVER)
    status, _, rest = site.answer(head).partition(b"\r\n")
    if len(head) > 300_000 and not status:
        return  # what was sent after the refusal resets the connection, and may take the answer with it
    assert status == b"HTTP/1.1 431 Request Header Fields Too Large"
    headers, _, body = rest.partition(b"\r\n\r\n")
    assert b"content-security-policy: default-src 'none'" in headers
    assert json.loads(body)["status"] == 431


def test_a_head_that_is_just_small_enough_is_answered(serve):
    site = serve(greeting, **NEVER)
    answer = site.answer(b"GET /" + b"x" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"x" * 60_000)


def test_a_head_that_does_not_end_in_time_is_refused(serve):
    assert serve(greeting, **NEVER | {"head_s": 0.2}).answer(GET).startswith(b"HTTP/1.1 408 Request Timeout")


@pytest.mark.parametrize("before", [b"", GET + b"\r\n"], ids=["at first", "after an answer"])
@pytest.mark.parametrize("drip", [b"", b"\r\n"], ids=["nothing", "empty lines"])
def test_a_connection_that_asks_nothing_is_closed(serve, before, drip):
    site = serve(greeting, **NEVER | {"head_s": 0.2})
    if before and not drip:
        site.server.config.timeout_keep_alive = 0.2  # uvicorn's own, of 5 seconds
    with site.connect(before) as client:
        if before:
            assert client.recv(1000).endswith(b"/")
        client.sendall(drip)
        assert b"200" not in until_closed(client)


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ids=["of a length", "in chunks"],
)
def test_a_body_that_does_not_end_in_time_is_refused(serve, body):
    answer = serve(reading, **NEVER | {"body_s": 0.2}).answer(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
    assert answer.count(b"HTTP/1.1") == 1


def test_what_nobody_reads_of_a_body_is_bounded(serve):
    site = serve(reading, **NEVER)
    chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for endless in (b"0\r\nx: " + b"x" * 400_000, b"0\r\n" + b"x: y\r\n" * 70_000, b"3;" + b"x" * 400_000):
        assert b"/read" not in site.answer(chunked + endless)


def test_a_body_in_many_pieces_is_read(serve):
    chunks = b"".join(b"%x\r\n%s\r\n" % (1000, b"x" * 1000) for _ in range(500))
    chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert serve(reading, **NEVER).answer(chunked + chunks + b"0\r\n\r\n").endswith(b"/read")


def test_requests_one_behind_the_other_are_answered_in_order(serve):
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number for number in range(30))
    last = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answers = serve(greeting, **NEVER).answer(requests + last).split(b"HTTP/1.1 200 OK")[1:]
    assert [answer.split()[-1] for answer in answers] == [b"/%d" % number for number in range(30)] + [b"/last"]


def test_too_many_requests_one_behind_the_other_break_off(serve):
    assert serve(greeting, **NEVER).answer((GET + b"\r\n") * 5000).count(b"HTTP/1.1") < 50


def test_a_refusal_is_never_written_into_another_answer(serve):
    answer = serve(content_length.in_pieces(large), **NEVER).answer(GET + b"\r\nno request at all\r\n\r\n")
    assert b"400 Bad Request" not in answer


def test_who_asks_again_in_time_keeps_the_connection(serve):
    site = serve(greeting, **NEVER | {"head_s": 0.3})
    with site.connect() as client:
        for _ in range(4):
            client.sendall(GET + b"\r\n")
            assert client.recv(1000).endswith(b"/")
            time.sleep(0.15)


def test_a_websocket_is_asked_for_in_vain(serve):
    asked = (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with serve(greeting, **NEVER).connect(asked) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_does_not_read_is_cut_off(serve):
    site = serve(content_length.in_pieces(large), **NEVER | {"read_s": 0.2})
    with site.connect(GET + b"\r\n"):
        wait_for(lambda: site.server.server_state.tasks)
        wait_for(lambda: not site.server.server_state.tasks)
        assert not site.server.server_state.connections


def test_who_reads_slowly_but_enough_gets_all(serve):
    site = serve(content_length.in_pieces(large), **NEVER | {"read_s": 0.1})
    with site.connect(GET + b"Connection: close\r\n\r\n") as client:
        received = 0
        for _ in range(100):
            time.sleep(0.01)
            received += len(client.recv(1 << 17))
        received += len(until_closed(client))
    assert received > LARGE


def test_the_server_ends_though_somebody_does_not_read(serve):
    site = serve(content_length.in_pieces(large), **NEVER | {"stop_s": 0.2})
    with site.connect(GET + b"\r\n"):
        wait_for(lambda: site.server.server_state.tasks)
        site.server.should_exit = True
        site.thread.join(10)
        assert not site.thread.is_alive()


def test_an_answer_of_one_message_is_unread_until_it_is_read(serve):
    places = Slots(1, 0, 1, 2)

    async def counted(scope, receive, send):
        await places.take()
        with places.until_sent(send) as sending:
            await large(scope, receive, sending)

    site = serve(content_length.in_pieces(counted), **NEVER)
    with site.connect(GET + b"Connection: close\r\n\r\n") as client:
        wait_for(lambda: places.unread == 1)
        [connection] = site.server.server_state.connections
        assert connection.transport.get_write_buffer_size() <= 4 * content_length.PIECE
        time.sleep(0.1)
        assert places.unread == 1
        assert len(until_closed(client)) > LARGE
    assert places.unread == 0


def gathered(*bodies: bytes) -> list:
    """The messages that an answer of these bodies, without a length, becomes."""
    messages = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        assert not messages, "it is sent when the application has ended, and holds no copy"
        if len(bodies) != 1:
            await send({"type": "http.response.body", "body": b""})

    async def whole(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bodies[0]})
        assert not messages, "likewise"

    async def keep(message):
        messages.append(message)

    asyncio.run(content_length.with_length(whole if len(bodies) == 1 else app)({"type": "http"}, None, keep))
    return messages


@pytest.mark.parametrize("bodies", [[b"x"], [b"x" * 300_000], [b"x" * 3_000_000], [b"x" * 70_000] * 200, [b""], []])
def test_what_comes_without_a_length_is_sent_in_pieces_when_it_is_complete(bodies):
    start, *pieces = gathered(*bodies)
    assert start["headers"] == [(b"content-length", b"%d" % len(b"".join(bodies)))]
    assert b"".join(piece["body"] for piece in pieces) == b"".join(bodies)
    assert all(len(piece["body"]) <= content_length.PIECE for piece in pieces)
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]


@pytest.mark.parametrize("when", ["rollover", "seek"])
def test_an_answer_for_which_the_disk_has_no_room_is_a_503(monkeypatch, when):
    class Full(tempfile.SpooledTemporaryFile):
        def fail(self, *_args):
            if self._rolled or when == "rollover":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().seek(0)

        def close(self):
            super().close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    setattr(Full, when, Full.fail)
    monkeypatch.setattr(content_length, "tempfile", SimpleNamespace(SpooledTemporaryFile=Full))
    start, body = gathered(*[b"x" * 70_000] * 30)
    assert start["status"] == 503
    assert (b"retry-after", b"10") in start["headers"]
    assert "no room" in json.loads(body["body"])["error"]
    assert gathered(*[b"x"] * 30)[0]["status"] == 200


def test_an_answer_that_is_made_as_a_whole_has_a_bound():
    start, body = gathered(b"x" * (content_length.MOST_AT_ONCE + 1))
    assert start["status"] == 400
    assert "8,000,000" in json.loads(body["body"])["error"]


def test_a_connection_that_was_answered_before_its_body_came_is_closed_too(serve):
    site = serve(greeting, **NEVER)
    site.server.config.timeout_keep_alive = 0.2
    with site.connect(GET + b"Content-Length: 2\r\n\r\nx") as client:
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        client.sendall(b"x")
        assert until_closed(client) == b""


def test_a_request_with_others_in_line_behind_it_sees_that_its_client_has_gone(serve):
    begun, gone = threading.Event(), threading.Event()

    async def waiting(_scope, receive, _send):
        while (await receive())["type"] != "http.disconnect":
            begun.set()
        gone.set()

    site = serve(waiting, **NEVER)
    with site.connect((GET + b"\r\n") * 3):
        assert begun.wait(5)
    assert gone.wait(5)


def test_datasette_serves_with_this_protocol(extract_site):
    asyncio.run(extract_site.invoke_startup())
    config = uvicorn.Config(extract_site.app(), port=0)
    config.load()
    assert config.http_protocol_class is Connection
    assert Connection.limits == extract_site.plugin_config("connections") == connections.SETTINGS
