"""Vector tiles over HTTP, one process, 16 connections, with wrk: beside the API's route, in turn."""

import os
import random
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from statistics import median
from urllib.parse import quote

from benchmarks.api import ROOT, Load, load, ratio, served
from census.domain import map_layers
from census.domain.types import Row
from census.lookup.maps import map_of
from census.serve.worker import free_port

CONNECTIONS = 16


def main(folder: Path, seconds: float) -> None:
    """Print requests a second, p50 and p99 of tiles of every zoom and of those of zoom 12, and ratios to the route."""
    path = map_of(ROOT / "census.db")
    missing = [told for told, there in (("wrk", shutil.which("wrk")), ("the map", path.is_file())) if not there]
    if missing:
        assert os.environ.get("CENSUS_NO_SKIP") != "1", f"CENSUS_NO_SKIP is set, but {missing[0]} is missing"
        print(f"tiles over HTTP: not measured, {' and '.join(missing)} missing")
        return
    random.seed(3)
    with closing(sqlite3.connect(path)) as maps:
        rows = [
            (layer, *row)
            for layer in map_layers.LAYERS
            for row in maps.execute(
                f"select zoom_level, tile_column, tile_row, length(tile_data) from tiles_{layer} where zoom_level >= 4"
            )
        ]
    with closing(sqlite3.connect(ROOT / "census.db")) as census:
        codes = [row[0] for row in census.execute("select postcode from postcodes where lsoa_2011 is not null")]
    # A reader's zooms: as many tiles of each, so that the large ones of low zooms are not drowned by those of zoom 12.
    by_zoom = {zoom: [row for row in rows if row[1] == zoom] for zoom in range(4, 13)}
    mixed = [random.choice(by_zoom[zoom]) for _ in range(300) for zoom in by_zoom]
    nearest = random.sample(by_zoom[12], min(2000, len(by_zoom[12])))

    def written(name: str, paths: list[str]) -> Path:
        (folder / name).write_text("".join(f"{path}\t\n" for path in paths), "utf-8")
        return folder / name

    def addresses(tiles: list[Row]) -> list[str]:
        return [f"/tiles/{layer}/{zoom}/{x}/{(1 << zoom) - 1 - y}.pbf" for layer, zoom, x, y, _ in tiles]

    asked = {
        "the route": written("codes", [f"/api/v1/postcodes/{quote(code)}?index=latest" for code in codes[:2000]]),
        "tiles of zooms 4 to 12": written("mixed", addresses(mixed)),
        "tiles of zoom 12": written("nearest", addresses(nearest)),
    }
    sizes = {"tiles of zooms 4 to 12": mixed, "tiles of zoom 12": nearest}
    port = free_port()
    command = [Path(sys.executable).with_name("datasette"), ROOT, "--host", "127.0.0.1", "--port", port]
    took: dict[str, list[Load]] = {name: [] for name in asked}
    rounds = max(2, round(seconds / len(asked)))
    with served(command, port, "/-/versions.json"):
        for _ in range(rounds):
            for name, requests in asked.items():
                took[name].append(load(port, requests, CONNECTIONS, 1, "Accept-Encoding: gzip"))
    print(
        f"tiles over HTTP, {len(rows):,} of them, one process, {CONNECTIONS} connections, wrk, {rounds} seconds each:"
    )
    for name in asked:
        rate, p50, p99 = (median(column) for column in zip(*took[name], strict=True))
        print(f"  {name}: {rate:,.0f} a second, p50 {p50:.2f} ms, p99 {p99:.2f} ms", end="")
        if name in sizes:
            size = sum(row[-1] for row in sizes[name]) / len(sizes[name])
            print(f", {size / 1000:.1f} kB on average; p50 {ratio(took, name, 'the route', 1):.2f} times the route's")
        else:
            print()
