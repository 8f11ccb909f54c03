"""The API over HTTP, with wrk: against a bare ASGI callable and against Datasette's canned query, in one run.

wrk, the servers and their clients share this machine; on two cores wrk has one and the server the other.
"""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import quote

from census.serve.worker import free_port

ROOT = Path(__file__).resolve().parent.parent
THIN = "status,index_id,rank,decile,quintile"
QUINTILE = "index=england_2025&quantile=5&fields=nation,rank,requested_quantile,data_quantile"

Load = tuple[float, float, float]
"""Requests a second, median and 99th percentile in ms."""


def matched(pattern: str, text: str) -> re.Match[str]:
    """Return the first match of `pattern` in `text`. Raises AssertionError where there is none."""
    match = re.search(pattern, text)
    if match is None:
        raise AssertionError(f"no {pattern!r} in {text[:200]!r}")
    return match


@contextmanager
def served(command: Sequence[object], port: int, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server `command` until the block ends; gives its process."""
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5).close()
                break
            except (OSError, ConnectionError):
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def load(port: int, requests: Path, connections: int, seconds: int, *headers: str) -> Load:
    """Return requests a second, median and 99th percentile in ms of `seconds` with wrk.

    Any error ends the benchmark.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += [*(word for header in headers for word in ("-H", header))]
    command += ["-s", str(ROOT / "benchmarks" / "wrk.lua"), f"http://127.0.0.1:{port}", "--", str(requests)]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    n, microseconds, p50, p99, wrong = map(float, matched("measured (.*)", told)[1].split())
    assert wrong == 0, told
    return n / microseconds * 1e6, p50 / 1000, p99 / 1000


def ratio(took: dict[str, list[Load]], of: str, to: str, figure: int) -> float:
    """Return the median of the ratios of a figure of `of` to that of `to`, measured one after the other."""
    return median(one[figure] / other[figure] for one, other in zip(took[of], took[to], strict=True))


def memory(process: subprocess.Popen[bytes]) -> str:
    """Return what the process holds in memory of its own, without the pages of the mapped database."""
    told = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    kilobytes = int(matched(r"RssAnon:\s+(\d+)", told)[1])
    return f"{kilobytes / 1024:.0f} MiB"


def main(folder: Path, seconds: float) -> None:
    """Print the figures; each is measured for a second or more, the three that are compared in turn."""
    if not shutil.which("wrk"):
        assert os.environ.get("CENSUS_NO_SKIP") != "1", "CENSUS_NO_SKIP is set, but wrk is not installed"
        print("the API over HTTP: not measured, wrk is not installed")
        return
    census = sqlite3.connect(f"file:{ROOT / 'census.db'}?mode=ro", uri=True)
    all_of_them = [row[0] for row in census.execute("select postcode from postcodes where lsoa_2011 is not null")]
    random.seed(5)
    asked = random.sample(all_of_them, 2000)
    lists = {n: [random.sample(all_of_them, n) for _ in range(20)] for n in (100, 10_000)}

    def written(name: str, lines: list[str]) -> Path:
        path = folder / name
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    (folder / "asked.json").write_text(json.dumps(asked), "utf-8")
    route = written("route", [f"/api/v1/postcodes/{quote(code)}?index=latest\t" for code in asked])
    canned = "/census/imd_by_postcode.json?postcode={}&index=latest&_shape=array\t"
    query = written("query", [canned.format(quote(code)) for code in asked])
    english = [
        row[0]
        for row in census.execute("select postcode from postcodes where lsoa_2021 like 'E%' and terminated is null")
    ]
    english = random.sample(english, 2000)
    fields = written("fields", [f"/api/v1/postcodes/{quote(code)}?{QUINTILE}\t" for code in english])
    drop_in = "/deprivation/v2/index_of_multiple_deprivation_quantile?postcode={}&quantile=5&year=2025\t"
    quantile = written("quantile", [drop_in.format(code.replace(" ", "")) for code in english])
    bulk = {
        (n, kind): written(
            f"bulk{n}{kind}", [f"/api/v1/postcodes?index=latest{more}\t{json.dumps(one)}" for one in many]
        )
        for n, many in lists.items()
        for kind, more in (("five fields", f"&fields={THIN}"), ("whole answers", ""))
    }
    ours, theirs = free_port(), free_port()
    datasette = [Path(sys.executable).with_name("datasette"), ROOT, "--host", "127.0.0.1", "--port", ours]
    callable_ = [sys.executable, "-m", "benchmarks.bare", ROOT / "census.db", folder / "asked.json", theirs]
    each = max(1, round(seconds / 14))
    with (
        served(datasette, ours, "/-/versions.json") as site,
        served(callable_, theirs, f"/api/v1/postcodes/{quote(asked[0])}") as least,
    ):
        print(f"the API over HTTP, {len(all_of_them):,} postcodes, {len(asked):,} of them asked for, wrk:")
        print(f"  memory at rest: the bare callable {memory(least)}, Datasette with the API {memory(site)}")
        for connections in (1, 16):
            took: dict[str, list[Load]] = {"a": [], "b": [], "c": []}
            for _ in range(each):
                for name, port, requests in (("a", theirs, route), ("b", ours, route), ("c", ours, query)):
                    took[name].append(load(port, requests, connections, 1))
            of = {name: [median(column) for column in zip(*rows, strict=True)] for name, rows in took.items()}
            print(f"  {connections} connection{'s' * (connections > 1)}:")
            for name, what in (("a", "bare callable"), ("b", "the route"), ("c", "the canned query")):
                rate, p50, p99 = of[name]
                print(f"    {name} {what}: {rate:,.0f} a second, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
            print(f"    b/a {ratio(took, 'b', 'a', 0):.2f}, b/c {ratio(took, 'b', 'c', 0):.1f}, ", end="")
            print(f"p50 of b to a's {ratio(took, 'b', 'a', 1):.2f} (medians of {each}, each of the same seconds)")
        took = {"d": [], "e": []}
        for _ in range(each):
            for name, requests in (("d", fields), ("e", quantile)):
                took[name].append(load(ours, requests, 1, 1))
        route_ms, drop_in_ms = (median(p50 for _, p50, _ in took[name]) for name in "de")
        print(f"  the drop-in's quintile (e), the route with the same fields (d), {len(english):,} English postcodes:")
        print(f"    d p50 {route_ms:.2f} ms, e p50 {drop_in_ms:.2f} ms, p50 of e to d's {ratio(took, 'e', 'd', 1):.2f}")
        for (n, kind), requests in bulk.items():
            for connections, long in ((1, 4), (16, 12)):  # seconds in which each connection gets an answer or two
                rate, p50, p99 = load(ours, requests, connections, each if n == 100 else max(long, each))
                print(
                    f"  d {n:,} postcodes at a time, {kind}, {connections} connection{'s' * (connections > 1)}: ",
                    end="",
                )
                print(f"{rate * n:,.0f} postcodes a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        print(f"  memory after it all: the bare callable {memory(least)}, Datasette with the API {memory(site)}")
