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
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import sqlite_utils
import yaml
from datasette.app import Datasette

from benchmarks import api, append, pages, tiles
from census.build import extracts
from census.cli import build as build_db
from census.lookup import maps

ROOT = Path(__file__).resolve().parent.parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))


def each(share: float, *actions: Callable[[], object]) -> list[float]:
    """Return the median seconds of each action, run in turn (A B A B …) for `share` of the time, twice at least."""
    times: list[list[float]] = [[] for _ in actions]
    end = time.monotonic() + share * SECONDS
    while len(times[0]) < 2 or time.monotonic() < end:
        for action, taken in zip(actions, times, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return [median(taken) for taken in times]


def loading(folder: Path) -> None:
    """Time the postcodes of the extract: reading the CSV alone, our executemany, sqlite-utils' insert_all."""
    text = gzip.decompress((extracts.FOLDER / "postcodes.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(io.StringIO(text))
    names = itertools.count()

    def read() -> int:
        return sum(1 for _ in csv.reader(io.StringIO(text)))

    def executemany() -> None:
        connection = sqlite3.connect(folder / f"{next(names)}.db", isolation_level=None)
        connection.execute("pragma synchronous = off")
        connection.execute(f"create table postcodes ({', '.join(header)}, primary key (postcode)) without rowid")
        connection.execute("begin")
        connection.executemany(f"insert into postcodes values ({', '.join('?' * len(header))})", rows)
        connection.execute("commit")
        connection.close()

    def insert_all() -> None:
        db = sqlite_utils.Database(folder / f"{next(names)}.db")
        db.table("postcodes").insert_all((dict(zip(header, row, strict=True)) for row in rows), pk="postcode")
        db.close()

    csv_alone, ours, theirs = each(0.2, read, executemany, insert_all)
    print(f"loading {len(rows):,} postcodes:")
    print(f"  csv alone {csv_alone:.2f} s, executemany {ours:.2f} s, insert_all {theirs:.2f} s")
    print(f"  ratio insert_all / executemany: {theirs / ours:.1f}")


def answering(database: Path) -> None:
    """Time the canned queries: their SQL against the bare key of postcodes, and imd_by_postcode through Datasette."""
    site = Datasette(config_dir=ROOT, files=[], settings=json.loads((ROOT / "settings.json").read_text("utf-8")))
    asyncio.run(site.invoke_startup())
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    site._prepare_connection(connection, "census")
    queries = yaml.safe_load((ROOT / "metadata.yml").read_text("utf-8"))["databases"]["census"]["queries"]
    random.seed(1)

    def some(sql: str, n: int = 200) -> list[Any]:
        rows = connection.execute(sql).fetchall()
        return [row[0] if len(row) == 1 else row for row in random.sample(rows, min(n, len(rows)))]

    postcodes = some("select postcode from postcodes")
    areas = some("select code from small_areas")
    authorities = some("select distinct local_authority from small_areas where local_authority is not null", 50)
    boards = some("select code from health_geographies", 50)
    names = [name.split()[0] for name in some("select name from small_areas", 50)]
    points = some("select latitude, longitude from postcodes where terminated is null and latitude is not null", 50)
    asked = {
        "imd_by_postcode": [{"postcode": code, "index": ""} for code in postcodes],
        "imd_quantile_by_postcode": [{"postcode": code, "index": "", "quantile": "5"} for code in postcodes],
        "green_space_by_postcode": [{"postcode": code} for code in postcodes],
        "green_space_by_local_authority": [{"authority": code} for code in authorities],
        "small_areas_by_name": [{"q": name, "nation": ""} for name in names],
        "postcodes_in_small_area": [{"code": code, "after": ""} for code in areas],
        "deprivation_by_small_area": [{"code": code, "index": ""} for code in areas],
        "deprivation_in_local_authority": [{"authority": code, "index": ""} for code in authorities],
        "deprivation_in_health_geography": [{"code": code, "index": ""} for code in boards],
        "compare_editions": [{"postcode": code, "code": ""} for code in postcodes],
        "nearest_postcodes": [{"latitude": str(a), "longitude": str(b)} for a, b in points],
    }
    slowest = dict.fromkeys(asked, 0.0)

    def key() -> None:
        for code in postcodes:
            connection.execute("select * from postcodes where postcode = ?", (code,)).fetchall()

    def query(name: str) -> None:
        for parameters in asked[name]:
            started = time.perf_counter()
            connection.execute(queries[name]["sql"], parameters).fetchall()
            slowest[name] = max(slowest[name], time.perf_counter() - started)

    async def through_datasette() -> None:
        for code in postcodes:
            path = f"/census/imd_by_postcode.json?postcode={code.replace(' ', '+')}&_shape=array"
            answer = await site.client.get(path)
            assert answer.status_code == 200

    actions: list[Callable[[], object]] = [
        key,
        lambda: asyncio.run(through_datasette()),
        *(partial(query, name) for name in asked),
    ]
    bare, served, *times = each(0.3, *actions)
    bare, served = bare / len(postcodes), served / len(postcodes)
    print("answering, each, and the slowest seen (the machine's own pauses with it):")
    print(f"  the key of postcodes alone {bare * 1000:.3f} ms")
    for (name, parameters), whole in zip(asked.items(), times, strict=True):
        taken = whole / len(parameters)
        print(
            f"  {name} {taken * 1000:.3f} ms, {taken / bare:.0f} times the key; slowest {slowest[name] * 1000:.1f} ms"
        )
        if name == "imd_by_postcode":
            print(f"  … through Datasette {served * 1000:.2f} ms, {served / taken:.0f} times its SQL")


def make_map(database: Path) -> None:
    """Make the map of an extract where there is none. That of another database would ask the publishers' servers."""
    with closing(sqlite3.connect(database)) as connection:
        [scope] = connection.execute("select scope from edition").fetchone()
    if scope == "extract" and not maps.map_of(database).exists():
        assert build_db.main(["--maps"]) == 0


def main() -> None:
    """Print all figures."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{versions}, {os.cpu_count()} cores, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        loading(Path(folder))
    if not (ROOT / "census.db").exists():
        assert build_db.main([]) == 0
    make_map(ROOT / "census.db")
    answering(ROOT / "census.db")
    pages.main(SECONDS / 6)
    with tempfile.TemporaryDirectory() as folder:
        tiles.main(Path(folder), SECONDS / 6)
        api.main(Path(folder), SECONDS / 2)
        append.main(Path(folder), min(1_000_000, int(SECONDS * 10_000)))


if __name__ == "__main__":
    main()
