"""The site under attack, in both ways to start it: `make attack`.

Each class of `hostile.py` is sent on fifty connections, then lists whose senders hang up. Meanwhile lookups, canned
queries and pages are asked for. Prints a table: their 99th percentiles, the longest page, the growth of memory, the
most bytes of temporary files. ATTACK_SECONDS is how long each takes (10). It ends with an error where a promise of
docs/security.md is broken.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from benchmarks import hostile
from benchmarks.api import ROOT
from benchmarks.client import Found, Request, Sending
from benchmarks.stack import Stack
from benchmarks.usage import Usage
from serve_many import free_port

SECONDS = float(os.environ.get("ATTACK_SECONDS", "10"))
CONNECTIONS = 50
MOST_LOOKUP_MS, MOST_PAGE_MS = 250, 5000
MOST_GROWTH_MIB = 64
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
            process.wait(30)


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


def hang_up(port: int, body: bytes, seconds: float, connections: int = CONNECTIONS) -> None:
    """Post lists and hang up, again and again, for so long."""
    head = b"POST /api/v1/postcodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\n\r\n"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sent = []
        for _ in range(connections):
            with contextlib.suppress(OSError):
                one = socket.create_connection(("127.0.0.1", port), 5)
                one.sendall(head % len(body) + body)
                sent.append(one)
        time.sleep(0.5)
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


def attacks(port: int, postcodes: list[str]) -> Iterator[tuple[str, "threading.Thread | Sending"]]:
    """Start one attack after the other; gives the name of each."""
    for name, requests in hostile.classes(postcodes).items():
        yield name, Sending(port, SECONDS, requests, connections=CONNECTIONS, far=True)
    body = json.dumps((postcodes * 10_000)[:10_000]).encode()
    thread = threading.Thread(target=hang_up, args=(port, body, SECONDS))
    thread.start()
    yield "lists whose senders hang up", thread


def line(way: str, name: str, measured: Measured, usage: Usage) -> tuple[str, list[str]]:
    """Return a row of the table, and what of it breaks a promise."""
    lookups, canned, pages = (measured[one] for one in ("lookups", "canned", "pages"))
    growth = usage.most - usage.first
    row = (
        f"| {way} | {name} | {lookups['p99']:.0f} | {canned['p99']:.0f} | {pages['p99']:.0f} | {pages['most']:.0f}"
        f" | {growth:.0f} | {usage.temporary / 1e6:.0f} |"
    )
    broken = []
    if lookups["p99"] >= MOST_LOOKUP_MS:
        broken.append(f"{way}, {name}: lookups took {lookups['p99']:.0f} ms (p99)")
    if pages["most"] >= MOST_PAGE_MS:
        broken.append(f"{way}, {name}: a page took {pages['most']:.0f} ms")
    if any(one["failed"] for one in measured.values()):
        problems = {kind: one["problems"] for kind, one in measured.items() if one["failed"]}
        broken.append(f"{way}, {name}: failed beside it: {problems}")
    return row, broken


def main() -> int:
    """Attack both; return 1 where a promise was broken."""
    database = Path(os.environ.get("CENSUS_DB") or ROOT / "census.db")
    with contextlib.closing(__import__("sqlite3").connect(f"file:{database}?mode=ro", uri=True)) as connection:
        postcodes = [row[0] for row in connection.execute("select postcode from postcodes limit 2000")]
    print("| started by | attack, 50 connections | lookups p99, ms | canned p99, ms | pages p99, ms | slowest page, ms"
          " | memory, most growth, MiB | temporary files, MB |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    only = sys.argv[1:]
    broken = []
    for way, started in (("make serve", one_server), ("make serve-many", whole_stack)):
        with started(database) as (port, pid):
            for request in ("/census", "/graphql?query={__typename}", *PAGES, "/census.json?sql=select+1"):
                Sending(port, 1, [{"path": quote(request, safe="/?=&{}+")}], rate=2).found()
            usage = Usage(pid)
            measured = {kind: sending.found() for kind, sending in beside(port, SECONDS).items()}
            row, _ = line(way, "none", measured, usage)
            print(row, flush=True)
            for name, attack in attacks(port, postcodes) if not only else some(port, postcodes, only):
                usage.ended.set()
                usage = Usage(pid)
                time.sleep(0.5)
                sending = beside(port, SECONDS - 1)
                measured = {kind: one.found() for kind, one in sending.items()}
                told = None
                if isinstance(attack, threading.Thread):
                    attack.join()
                else:
                    told = attack.found()
                row, problems = line(way, name, measured, usage)
                print(row, flush=True)
                if told and told["failed"]:
                    problems.append(f"{way}, {name}: {told['problems']}")
                if told:
                    print(f"    {told['sent']} sent, {told['statuses']}", file=sys.stderr)
                broken += problems
                time.sleep(1)
            usage.ended.set()
    for problem in broken:
        print(problem, file=sys.stderr)
    return 1 if broken else 0


def some(port: int, postcodes: list[str], names: list[str]) -> Iterator[tuple[str, "threading.Thread | Sending"]]:
    """Start the attacks whose names have one of `names` in them."""
    for name, requests in hostile.classes(postcodes).items():
        if any(one in name for one in names):
            yield name, Sending(port, SECONDS, requests, connections=CONNECTIONS, far=True)
    if "hang" in names:
        body = json.dumps((postcodes * 10_000)[:10_000]).encode()
        thread = threading.Thread(target=hang_up, args=(port, body, SECONDS))
        thread.start()
        yield "lists whose senders hang up", thread


if __name__ == "__main__":
    sys.exit(main())
