"""The whole stack under a mixed load at half of what it bears: `make soak`.

SOAK_SECONDS is how long (600). Before it: how much more two workers answer than one. The load and its client share the
machine with the stack; ends with an error where anything failed, was wrong, or memory grew.
"""

import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote

from benchmarks.api import ROOT
from benchmarks.client import Request
from benchmarks.stack import Stack, rss_anon

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
MOST_GROWTH = 24  # MiB, of Caddy and all workers together, from the first tenth of the time to the end
PAIRS = 3


def requests(stack: Stack, codes: list[str]) -> tuple[list[Request], list[Request]]:
    """Return what is asked of the workers for lookups, and of the open one; each with the answer that is right."""
    random.seed(6)
    lookups: list[Request] = []
    listed = random.sample(codes, 100)
    for code in random.sample(codes, 300):
        lookups.append({"path": f"/api/v1/postcodes/{quote(code)}?index=latest"})
    for code in random.sample(codes, 60):
        lookups.append({"path": f"/census/imd_by_postcode.json?postcode={quote(code)}&index=latest&_shape=array"})
        lookups.append(
            {"path": f"/rcpch-census-platform/api/v1/indices_of_multiple_deprivation?postcode={quote(code)}"}
        )
    for code in random.sample(codes, 20):
        lookups.append({"path": f"/census/green_space_by_postcode.csv?postcode={quote(code)}"})
    lookups += [{"path": "/api/v1/postcodes", "method": "POST", "body": json.dumps(listed)}] * 10
    lookups += [{"path": path} for path in ("/", "/api/v1", "/download.json", "/api/v1/indices", "/-/health")]
    sql = "select nation, count(*) from small_areas group by nation"
    free: list[Request] = [
        {"path": f"/census.json?sql={quote(sql)}&_shape=array"},
        {"path": "/census/soas_2001.csv?_size=50"},
        {"path": "/census/data_zones_2011.json?_size=20&_shape=array&_sort=name"},
        {"path": "/census/local_authorities?nation=Wales", "bodies": []},
        {"path": "/graphql?query=" + quote("{ indices { nodes { id year } } }")},
        {"path": "/census.json?sql=" + quote("with recursive t(n) as (select 1 union all select n + 1 from t)"
         " select count(*) from t"), "statuses": [400], "bodies": []},
    ]  # fmt: skip
    random.shuffle(lookups)
    return [stack.answered(one) | one for one in lookups], [stack.answered(one) | one for one in free]


def scale_up(one: Stack, two: Stack, wanted: list[Request], seconds: float) -> tuple[float, float, float]:
    """Answer a second of one worker and of two, and the median of their ratios, measured in turn."""
    rates = [
        [stack.sending(seconds, wanted, connections=8).found()["rate"] for stack in (one, two)] for _ in range(PAIRS)
    ]
    return median(a for a, _ in rates), median(b for _, b in rates), median(b / a for a, b in rates)


def main() -> int:
    """Print the figures; 1 where something failed."""
    if not shutil.which("caddy"):
        assert os.environ.get("CENSUS_NO_SKIP") != "1", "CENSUS_NO_SKIP is set, but caddy is not installed"
        print("the whole stack: not measured, caddy is not installed")
        return 0
    database = ROOT / "census.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    codes = [row[0] for row in connection.execute("select postcode from postcodes where lsoa_2011 is not null")]
    connection.close()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        one = Stack(database, folder / "one", folder / "one.txt", 1, LOG="discard")
        two = Stack(database, folder / "two", folder / "two.txt", 2, LOG="discard")
        stacks = [one, two]
        try:
            asked = random.Random(7).sample(codes, 200)
            heavy: list[Request] = [
                {"path": f"/census/imd_by_postcode?postcode={quote(code)}&index=latest"} for code in asked
            ]
            light: list[Request] = [{"path": f"/api/v1/postcodes/{quote(code)}?index=latest"} for code in asked]
            each = max(1.0, min(5.0, SECONDS / 20))
            print(f"the whole stack, {len(codes):,} postcodes; one worker and two behind Caddy, 8 connections:")
            for what, wanted in (("pages of imd_by_postcode", heavy), ("lookups of the API", light)):
                a, b, ratio = scale_up(one, two, wanted, each)
                print(f"  {what}: {a:,.0f} and {b:,.0f} a second, {ratio:.2f} times (median of {PAIRS} pairs)")
            one.end()
            stacks.remove(one)
            lookups, free = requests(two, codes)
            bears = two.sending(max(3, SECONDS / 60), lookups, connections=16).found()
            assert bears["failed"] == bears["wrong"] == 0, bears
            rate = bears["rate"] / 2
            print(
                f"  bears {bears['rate']:,.0f} of the mixed lookups a second; {SECONDS:.0f} s at half of it, with SQL:"
            )
            before = [rss_anon(pid) for pid in two.pids]
            sending = [
                two.sending(SECONDS, lookups, connections=16, rate=rate),
                two.sending(SECONDS, free, connections=2, rate=10),
            ]
            end, memory = time.monotonic() + SECONDS, []
            while time.monotonic() < end:
                time.sleep(min(1, SECONDS / 100))
                memory.append(sum(rss_anon(pid) for pid in two.pids))
            found = [one.found() for one in sending]
            early = max(memory[: max(1, len(memory) // 10)])
            late = max(memory[-max(1, len(memory) // 10) :])
            for what, told in zip(("lookups", "SQL, tables, GraphQL"), found, strict=True):
                print(f"  {what}: {told['sent']:,} sent, {told['failed']} failed, {told['wrong']} wrong; ", end="")
                print(f"p50 {told['p50']:.2f} ms, p99 {told['p99']:.2f} ms")
            print(
                f"  memory of Caddy and the workers: {sum(before):.0f} MiB before, {early:.0f} in the first tenth, ",
                end="",
            )
            print(f"{late:.0f} in the last")
            failed: list[object] = [told for told in found if told["failed"] or told["wrong"] or not told["sent"]]
            if late - early > MOST_GROWTH:
                failed.append({"memory": memory[:: max(1, len(memory) // 20)]})
            for problem in failed:
                print(f"soak: {problem}", file=sys.stderr)
            return 1 if failed else 0
        finally:
            for stack in stacks:
                stack.end()


if __name__ == "__main__":
    sys.exit(main())
