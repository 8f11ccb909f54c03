"""The pages for people over HTTP, one connection, each kind beside the page that Datasette makes of a canned query."""

import http.client
import random
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median, quantiles

from benchmarks.api import ROOT, served
from census.serve.worker import free_port


def main(seconds: float) -> None:
    """Print for each kind of page its median, its 99th percentile and its size; all kinds are asked in turn."""
    census = sqlite3.connect(f"file:{ROOT / 'census.db'}?mode=ro", uri=True)
    random.seed(9)

    def some(sql: str, n: int = 300) -> list[str]:
        rows = [row[0] for row in census.execute(sql)]
        return random.sample(rows, min(n, len(rows)))

    postcodes = [code.replace(" ", "") for code in some("select postcode from postcodes where lsoa_2011 is not null")]
    asked = {
        "the canned query's page": [f"/census/imd_by_postcode?postcode={code}" for code in postcodes],
        "a postcode": [f"/postcode/{code}" for code in postcodes],
        "an area": [f"/area/{code}" for code in some("select code from small_areas")],
        "a local authority": [
            f"/local-authority/{code}"
            for code in some("select distinct local_authority from small_areas where local_authority is not null")
        ],
        "a health geography": [f"/health-geography/{code}" for code in some("select code from health_geographies")],
        "home": ["/"],
        "suggestions": [f"/suggest?q={code[:5]}" for code in postcodes],
    }
    port = free_port()
    command = [Path(sys.executable).with_name("datasette"), ROOT, "--host", "127.0.0.1", "--port", port]
    took: dict[str, list[float]] = {kind: [] for kind in asked}
    size = dict.fromkeys(asked, 0)
    with served(command, port, "/-/versions.json"):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end or n < 20:
            for kind, paths in asked.items():
                started = time.perf_counter()
                connection.request("GET", paths[n % len(paths)])
                answer = connection.getresponse()
                body = answer.read()
                took[kind].append(time.perf_counter() - started)
                assert answer.status == 200, paths[n % len(paths)]
                size[kind] = max(size[kind], len(body))
            n += 1
    [base, *_] = [median(times) for times in took.values()]
    print(f"pages over HTTP, one connection, {n} of each kind in turn:")
    for kind, times in took.items():
        p99 = quantiles(times, n=100)[98]
        print(
            f"  {kind}: median {1000 * median(times):.1f} ms, {median(times) / base:.2f} times the canned query's page,"
            f" p99 {1000 * p99:.1f} ms, at most {size[kind] / 1000:.1f} kB"
        )
