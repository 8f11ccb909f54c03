"""The site under attack, in both ways to start it: `make attack`.

Each class of `hostile.py` is sent on fifty connections, then lists whose senders hang up, or do not read. Meanwhile
lookups, canned queries and pages are asked for. The first table has their 99th percentiles, the longest page, the
growth of memory and the most bytes of temporary files. The second has each request of a class by itself: the longest,
and what it took.
Each class meets a server that has just been started. ATTACK_SECONDS is how long each takes (10);
arguments are words of the names of classes. It ends with an error where a promise of docs/security.md is broken.
"""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from benchmarks import hostile
from benchmarks.api import ROOT
from benchmarks.client import Found, Request, Sending
from benchmarks.stack import Stack
from benchmarks.usage import Usage
from census.serve.worker import free_port

SECONDS = float(os.environ.get("ATTACK_SECONDS", "10"))
CONNECTIONS = 50
MOST_LOOKUP_MS, MOST_PAGE_MS = 250, 5000
MOST_ALONE_S, MOST_STREAM_S, MOST_GROWTH_MIB = 1.2, 5.2, 64
NONE = "none"
HELD_S = {"lists whose senders hang up": 0.5, "lists whose senders do not read": 3.3}  # longer than `LATE_S` of places
PAGES = ["/", "/postcode/SW1A1AA", "/area/E01004736", "/local-authority/E09000033", "/map", "/search?q=camden"]


@contextlib.contextmanager
def one_server(database: Path) -> Iterator[tuple[int, int]]:
    """Serve the repository as `make serve` does; gives its port and process."""
    port = free_port()
    command = [Path(sys.executable).with_name("datasette"), database.parent, "--port", port]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_for(port, process)
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def whole_stack(database: Path) -> Iterator[tuple[int, int]]:
    """Serve as `make serve-many` does; gives Caddy's port and the process of serve_many.py."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(database, Path(folder) / "home", Path(folder) / "log.txt", LOG="discard")
        try:
            yield stack.port, stack.process.pid
        finally:
            stack.end()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when a server answers on this port. Raises AssertionError where it ends instead."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def hang_up(port: int, body: bytes, seconds: float, held: float = 0.5, connections: int = CONNECTIONS) -> None:
    """Post lists, and hang up after `held` seconds without a look at the answer, again and again, for so long."""
    head = b"POST /api/v1/postcodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\n\r\n"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sent = []
        for _ in range(connections):
            with contextlib.suppress(OSError):
                sent.append(one := socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.settimeout(5)
                one.connect(("127.0.0.1", port))
                one.sendall(head % len(body) + body)
        time.sleep(held)
        for one in sent:
            one.close()


Measured = dict[str, Found]


def beside(port: int, seconds: float) -> dict[str, Sending]:
    """Start to ask for lookups, canned queries and pages."""
    lookups: list[Request] = [{"path": "/api/v1/postcodes/SW1A1AA?fields=decile"}, {"path": "/-/health"}]
    canned: list[Request] = [{"path": "/census/imd_by_postcode.json?postcode=SW1A1AA"}]
    pages: list[Request] = [{"path": path, "statuses": [200]} for path in PAGES]
    return {
        "lookups": Sending(port, seconds, lookups, rate=50, connections=2),
        "canned": Sending(port, seconds, canned, rate=10, connections=2),
        "pages": Sending(port, seconds, pages, rate=4, connections=2),
    }


def attack(name: str, port: int, postcodes: list[str]) -> Callable[[], Found | None]:
    """Start one attack; what it returns waits for its end and gives what the attackers found, if they waited for it."""
    if held := HELD_S.get(name):
        body = json.dumps((postcodes * 10_000)[:10_000]).encode()
        thread = threading.Thread(target=hang_up, args=(port, body, SECONDS, held))
        thread.start()
        return thread.join
    requests = hostile.classes(postcodes)[name]
    return Sending(port, SECONDS, requests, connections=CONNECTIONS, far=True).found


def attacked(way: str, name: str, port: int, usage: Usage, postcodes: list[str]) -> tuple[str, list[str]]:
    """Attack a server that has just been started; return a row of the first table and what of it breaks a promise."""
    end = attack(name, port, postcodes) if name != NONE else lambda: None
    time.sleep(0.5)
    measured = {kind: sending.found() for kind, sending in beside(port, SECONDS - 1).items()}
    found = end()
    broken = [f"{kind}: {one['problems']}" for kind, one in measured.items() if one["failed"]]
    if measured["lookups"]["p99"] >= MOST_LOOKUP_MS:
        broken.append("lookups took too long")
    if measured["pages"]["most"] >= MOST_PAGE_MS:
        broken.append("a page took too long")
    if found:
        print(f"    {found['sent']} sent, {found['statuses']}", file=sys.stderr)
        if found["failed"]:
            broken.append(f"the attackers: {found['problems']}")
    times = [shown(measured["lookups"], "p99"), shown(measured["canned"], "p99"), shown(measured["pages"], "most")]
    row = f"| {way} | {name} | {' | '.join(times)} | {usage.growth:.0f} | {usage.temporary / 1e6:.0f} |"
    return row, [f"{way}, {name}: {one}" for one in broken]


def shown(found: Found, figure: Literal["p99", "most"]) -> str:
    """Return a figure in ms, and how many had no answer, where some had none."""
    unanswered = found["sent"] - sum(found["statuses"].values())
    figures = [f"{found[figure]:.0f}"] if found["statuses"] else []
    return ", ".join([*figures, *([f"{unanswered} of {found['sent']} without an answer"] if unanswered else [])])


def alone(way: str, name: str, port: int, usage: Usage, postcodes: list[str]) -> tuple[str, list[str]]:
    """Send each request of a class once, one after the other; return a row of the second table and what is broken."""
    longest, growth = 0.0, 0.0
    broken, before = [], usage.memory()
    requests = hostile.classes(postcodes)[name]
    for request in requests:
        usage.most = 0.0
        found = Sending(port, 0.5, [request], rate=1).found()  # once
        usage.memory()
        time.sleep(0.15)  # as long as it takes to look once more
        took, grew = found["most"] / 1000, usage.most - before
        longest, growth = max(longest, took), max(growth, grew)
        streamed = "_stream=on" in request["path"]
        if found["failed"] or took >= (MOST_STREAM_S if streamed else MOST_ALONE_S) or grew >= MOST_GROWTH_MIB:
            broken.append(f"{request['path'][:100]}: {took:.2f} s, {grew:.0f} MiB, {found['problems']}")
        before = min(before, usage.last)
    row = f"| {way} | {name} | {len(requests)} | {longest:.2f} | {growth:.0f} | {usage.temporary / 1e6:.0f} |"
    return row, [f"{way}, {name}: {one}" for one in broken]


BESIDE = """
| started by | attack, 50 connections | lookups, p99 ms | canned queries, p99 ms | slowest page, ms\
 | growth of memory, MiB | temporary files, MB |
| --- | --- | ---: | ---: | ---: | ---: | ---: |"""
ALONE = """
| started by | requests, one by one | how many | longest, s | growth of memory, MiB | temporary files, MB |
| --- | --- | ---: | ---: | ---: | ---: |"""


def main() -> int:
    """Attack both; return 1 where a promise was broken."""
    database = ROOT / "census.db"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        postcodes = [row[0] for row in connection.execute("select postcode from postcodes limit 2000")]
    classes = [*hostile.classes(postcodes)]
    chosen = sys.argv[1:]
    broken = []
    for measure, titles, names in ((attacked, BESIDE, [NONE, *classes, *HELD_S]), (alone, ALONE, classes)):
        print(titles)
        for way, started in (("`make serve`", one_server), ("`make serve-many`", whole_stack)):
            for name in (name for name in names if not chosen or any(word in name for word in chosen)):
                with started(database) as (port, pid):
                    for path in ("/census", "/graphql?query={__typename}", *PAGES, "/census.json?sql=select+1"):
                        Sending(port, 0.2, [{"path": quote(path, safe="/?=&{}+")}], rate=1).found()
                    with Usage(pid) as usage:
                        row, problems = measure(way, name, port, usage, postcodes)
                print(row, flush=True)
                broken += problems
    for problem in broken:
        print(problem, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
