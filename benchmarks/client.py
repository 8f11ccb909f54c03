"""A client that sends requests at a rate, checks every answer and times it: `python -m benchmarks.client`.

It reads what to do from standard input, as JSON: `port`, `seconds`, `connections`, `rate` (requests a second in all,
0 for as many as there can be) and `requests`, each with `path`, the `statuses` that are right (200) and, where it
matters, the SHA-256 of each of the `bodies` that are right. It writes JSON: how many were sent, failed (no answer, or a
status that is not right) and wrong (a right status with another body), and the milliseconds that they took. `examples`
are the first few wrong bodies, whole, each with its request.
"""

import asyncio
import gc
import hashlib
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NotRequired, TypedDict

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 30
EXAMPLES = 3


class Request(TypedDict):
    """A request to send, and what is right as an answer."""

    path: str
    method: NotRequired[str]
    body: NotRequired[str]
    statuses: NotRequired[list[int]]
    bodies: NotRequired[list[str]]


class Orders(TypedDict):
    """What the client is to do."""

    port: int
    seconds: float
    requests: list[Request]
    connections: int
    rate: float


class Found(TypedDict):
    """What the client found."""

    sent: int
    failed: int
    wrong: int
    statuses: dict[int, int]
    problems: dict[str, int]
    examples: list[dict[str, str]]
    rate: float
    p50: float
    p99: float
    most: float


async def answer_of(reader: asyncio.StreamReader, method: str) -> tuple[int, bytes, bool]:
    """Return status and body of the next answer, and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head[9:12])
    fields = dict(line.split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
    stays = fields.get("connection", "").strip() != "close"
    if method == "HEAD" or status in (204, 304):
        return status, b"", stays
    if "content-length" in fields:
        return status, await reader.readexactly(int(fields["content-length"])), stays
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return status, b"".join(pieces), stays


class Client:
    """What to do, and what was found."""

    def __init__(self, asked: Orders) -> None:
        self.port, self.seconds, self.rate = asked["port"], asked["seconds"], asked.get("rate", 0)
        self.connections = asked.get("connections", 1)
        self.requests = itertools.cycle([self.prepared(request) for request in asked["requests"]])
        self.statuses: Counter[int] = Counter()
        self.problems: Counter[str] = Counter()
        self.took: list[float] = []
        self.examples: list[dict[str, str]] = []
        self.sent = self.failed = self.wrong = 0

    def prepared(self, request: Request) -> tuple[str, bytes, frozenset[int], frozenset[str]]:
        """Return a request as bytes, with what is right as an answer."""
        method, body = request.get("method", "GET"), request.get("body", "").encode()
        head = f"{method} {request['path']} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        right = frozenset(request.get("bodies", ()))
        return method, head.encode() + b"\r\n" + body, frozenset(request.get("statuses", [200])), right

    async def run(self) -> Found:
        """Send until the time is over."""
        gc.disable()
        self.start = time.perf_counter()
        await asyncio.gather(*(self.connection(n) for n in range(self.connections)))
        took = sorted(self.took) or [0.0]
        return {
            "sent": self.sent,
            "failed": self.failed,
            "wrong": self.wrong,
            "statuses": dict(sorted(self.statuses.items())),
            "problems": dict(self.problems.most_common(5)),
            "examples": self.examples,
            "rate": round(self.sent / (time.perf_counter() - self.start), 1),
            "p50": round(took[len(took) // 2] * 1000, 3),
            "p99": round(took[int(len(took) * 0.99)] * 1000, 3),
            "most": round(took[-1] * 1000, 3),
        }

    async def connection(self, number: int) -> None:
        """Send one request after another on one connection, a new one where it breaks."""
        opened: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        pause = self.connections / self.rate if self.rate else 0
        due = self.start + (number / self.rate if self.rate else 0)
        while due < self.start + self.seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            method, request, statuses, right = next(self.requests)
            began = time.perf_counter()
            self.sent += 1
            try:
                if opened is None:
                    opened = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
                reader, writer = opened
                writer.write(request)
                status, body, stays = await asyncio.wait_for(answer_of(reader, method), PATIENCE_S)
            except (OSError, ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                self.failed += 1
                self.problems[type(error).__name__] += 1
                stays = False
            else:
                self.statuses[status] += 1
                self.took.append(time.perf_counter() - began)
                if status not in statuses:
                    self.failed += 1
                    self.problems[f"{status} {body[:200]!r}"] += 1
                elif right and hashlib.sha256(body).hexdigest() not in right:
                    self.wrong += 1
                    self.problems[f"wrong {body[:200]!r}"] += 1
                    if len(self.examples) < EXAMPLES:
                        self.examples.append({"request": request.decode(), "body": body.decode("utf-8", "replace")})
            if not stays and opened is not None:
                opened[1].close()
                opened = None
            due = max(due + pause, time.perf_counter() - 1)
        if opened is not None:
            opened[1].close()


class Sending:
    """The client in a process of its own, so that what else a test does slows nothing down."""

    def __init__(
        self,
        port: int,
        seconds: float,
        requests: list[Request],
        connections: int = 1,
        rate: float = 0,
        far: bool = False,
    ) -> None:
        """Start the client.

        far: it takes the processor last, as one that is not on this machine.
        """
        told: Orders = {
            "port": port,
            "seconds": seconds,
            "requests": requests,
            "connections": connections,
            "rate": rate,
        }
        self.process = subprocess.Popen(
            [*(("nice", "-n", "15") if far else ()), sys.executable, "-m", "benchmarks.client"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("the client has no pipes")
        self._answer = self.process.stdout
        self.process.stdin.write(json.dumps(told))
        self.process.stdin.close()

    def found(self) -> Found:
        """Return what it found, when it has ended."""
        told = self._answer.read()
        assert self.process.wait() == 0
        found: Found = json.loads(told)
        return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Client(json.load(sys.stdin)).run())))
