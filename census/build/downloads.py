"""Write complete tables as files next to census.db: `downloads/<digest>/<table>.csv.gz` and `.json.gz`.

The folder is named after the database's digest, so a server never gives files of another build: they are written before
census.db gets its name and the folders of other builds are removed after it. manifest.json, written last, lists them.
The JSON is a list of objects, one a line; both hold the same rows in the order of the key.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import orjson

from census.build.atomic_file import atomic_file
from census.domain.types import Row
from census.schema.manifest import MANIFEST, DownloadFile, Manifest
from sources.publication import Table

FORMATS = ("csv", "json")
OURS = re.compile(r"manifest\.json|[a-z0-9_]+\.(csv|json)\.gz")
BATCH = 20_000
LEVEL = 6  # of gzip: 9 takes three times as long for one part in a hundred


@contextlib.contextmanager
def written(
    connection: sqlite3.Connection, tables: dict[str, Table], folder: Path, made_in: Path
) -> Iterator[Callable[[], None]]:
    """Write every table of the database behind `connection`; yield a function that puts the files into `folder`.

    Until it is called they have no names: they are written in the file system of the folder `made_in`.
    """
    with contextlib.ExitStack() as stack:
        manifest: Manifest = {}
        publishing = []
        for table in tables.values():
            out = {}
            for suffix in FORMATS:
                path = folder / f"{table.name}.{suffix}.gz"
                file, publish_file = stack.enter_context(atomic_file(path, made_in))
                out[suffix] = _Gzip(path.name, file)
                publishing.append(publish_file)
            rows = _table(connection, table, out["csv"], out["json"])
            manifest[table.name] = {"rows": rows, "files": {file.name: file.described() for file in out.values()}}
        file, publish_manifest = stack.enter_context(atomic_file(folder / MANIFEST, made_in))
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
        file.flush()

        def publish() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            for publish_file in [*publishing, publish_manifest]:
                publish_file()

        yield publish


def remove_others(folder: Path) -> None:
    """Remove the folders of other builds next to `folder`: those with a name of ours and no files but ours."""
    for other in folder.parent.iterdir():
        named = re.fullmatch("[0-9a-f]{16}", other.name) and other.is_dir() and not other.is_symlink()
        if other != folder and named and all(OURS.fullmatch(file.name) for file in other.iterdir()):
            shutil.rmtree(other, ignore_errors=True)


def _table(connection: sqlite3.Connection, table: Table, as_csv: "_Gzip", as_json: "_Gzip") -> int:
    columns = list(table.columns)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor = connection.execute(f"select {names} from {table.name} order by {table.key}")
    rows = 0
    as_csv.write(_csv([columns]))
    as_json.write(b"[")
    with ThreadPoolExecutor(1) as csv_thread:  # zlib lets the other thread run meanwhile
        while batch := cursor.fetchmany(BATCH):
            before = b",\n" if rows else b"\n"
            rows += len(batch)
            written_csv = csv_thread.submit(_write_csv, as_csv, batch)
            as_json.write(before + _json(columns, batch))
            written_csv.result()
    as_json.write(b"\n]\n")
    as_csv.close()
    as_json.close()
    return rows


def _write_csv(out: "_Gzip", rows: list[Row]) -> None:
    out.write(_csv(rows))


class _Gzip(gzip.GzipFile):
    """A gzip file without name and time in it, so that the same rows give the same bytes; it knows size and hash."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._out, self._hash, self._bytes = file, hashlib.sha256(), 0
        super().__init__("", "wb", LEVEL, self._tee(), mtime=0)
        self.name = name

    def _tee(self) -> SimpleNamespace:
        return SimpleNamespace(write=self._write, flush=self._out.flush)

    def _write(self, data: bytes) -> int:
        self._hash.update(data)
        self._bytes += len(data)
        return self._out.write(data)

    def close(self) -> None:
        super().close()
        self._out.flush()

    def described(self) -> DownloadFile:
        """Return size in bytes and SHA-256 of what was written."""
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # as RFC 4180 and Datasette have it
    return text.getvalue().encode()


def _json(columns: list[str], rows: list[Row]) -> bytes:
    """Return the rows as JSON objects, a line each, without brackets around them."""
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    together = orjson.dumps(objects)[1:-1]
    if together.count(b"},{") == len(rows) - 1:  # then it stands between the rows and nowhere in a text
        return together.replace(b"},{", b"},\n{")
    return b",\n".join(map(orjson.dumps, objects))
