"""What a build and an answer cost, as ratios measured in one run: `make bench`.

BENCH_SECONDS bounds the whole run (30 by default). Absolute times depend on the machine; the ratios are what to read.
"""

import asyncio
import csv
import gzip
import io
import itertools
import json
import os
import platform
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

import sqlite_utils
import yaml
from datasette.app import Datasette

import build_db
from sources import extracts, postcode

ROOT = Path(__file__).resolve().parent.parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))


def each(share: float, *actions) -> list[float]:
    """The median seconds of each action, run in turn (A B A B …) for `share` of the time there is, twice at least."""
    times: list[list[float]] = [[] for _ in actions]
    end = time.monotonic() + share * SECONDS
    while len(times[0]) < 2 or time.monotonic() < end:
        for action, taken in zip(actions, times, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return [median(taken) for taken in times]


def loading(folder: Path) -> None:
    """The postcodes of the extract: reading the CSV alone, our executemany, sqlite-utils' insert_all."""
    text = gzip.decompress((extracts.FOLDER / "postcodes.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(io.StringIO(text))
    names = itertools.count()

    def read():
        return sum(1 for _ in csv.reader(io.StringIO(text)))

    def executemany():
        connection = sqlite3.connect(folder / f"{next(names)}.db", isolation_level=None)
        connection.execute("pragma synchronous = off")
        connection.execute(f"create table postcodes ({', '.join(header)}, primary key (postcode)) without rowid")
        connection.execute("begin")
        connection.executemany(f"insert into postcodes values ({', '.join('?' * len(header))})", rows)
        connection.execute("commit")
        connection.close()

    def insert_all():
        db = sqlite_utils.Database(folder / f"{next(names)}.db")
        db["postcodes"].insert_all((dict(zip(header, row, strict=True)) for row in rows), pk="postcode")
        db.close()

    csv_alone, ours, theirs = each(0.3, read, executemany, insert_all)
    print(f"loading {len(rows):,} postcodes:")
    print(f"  csv alone {csv_alone:.2f} s, executemany {ours:.2f} s, insert_all {theirs:.2f} s")
    print(f"  ratio insert_all / executemany: {theirs / ours:.1f}")


def answering(database: Path) -> None:
    """The canned query imd_by_postcode: its SQL against the bare key, and through Datasette against its SQL."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    connection.create_function("normalise_postcode", 1, postcode.normalise, deterministic=True)
    connection.create_function("postcode_problem", 1, postcode.problem, deterministic=True)
    sql = yaml.safe_load((ROOT / "metadata.yml").read_text())["databases"]["census"]["queries"]["imd_by_postcode"][
        "sql"
    ]
    random.seed(1)
    some = random.sample([row[0] for row in connection.execute("select postcode from postcodes")], 200)
    site = Datasette(config_dir=ROOT, files=[], settings=json.loads((ROOT / "settings.json").read_text()))

    def key():
        for code in some:
            connection.execute("select * from postcodes where postcode = ?", (code,)).fetchall()

    def query():
        for code in some:
            connection.execute(sql, {"postcode": code, "index": ""}).fetchall()

    async def through_datasette():
        for code in some:
            path = f"/census/imd_by_postcode.json?postcode={code.replace(' ', '+')}&_shape=array"
            answer = await site.client.get(path)
            assert answer.status_code == 200

    bare, whole, served = each(0.5, key, query, lambda: asyncio.run(through_datasette()))
    per = 1000 / len(some)
    print(f"answering {len(some)} postcodes, each:")
    print(f"  key alone {bare * per:.3f} ms, imd_by_postcode {whole * per:.3f} ms, by Datasette {served * per:.2f} ms")
    print(f"  ratio query / key: {whole / bare:.1f}; ratio Datasette / query: {served / whole:.0f}")


def main() -> None:
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{versions}, {os.cpu_count()} cores, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        loading(Path(folder))
    if not (ROOT / "census.db").exists():
        assert build_db.main([]) == 0
    answering(ROOT / "census.db")


if __name__ == "__main__":
    main()
