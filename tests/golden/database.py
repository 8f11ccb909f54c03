"""What a build made, as text that can be compared: each table's columns, rows and digest, its schema, and its map.

The bytes of a file differ by version of SQLite, those of a gzipped tile by version of zlib: what is compared is rows
in the order of their key and tiles as they are once unpacked. Not compared: `sqlite_stat1` and the tables in which
full-text search keeps its index, which are SQLite's own; of the index, the words and how often each is there.
"""

import gzip
import hashlib
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import orjson

KEYS = {  # of views, which declare none; each is the order in which SQLite reads it anyway
    "postcode_places": "postcode",
    "postcode_indices": "postcode, index_id",
    "postcode_figures": "postcode, index_id",
}
SAMPLE = "postcode glob '*[A-D]'"  # what is read of these views: a sixth, in half a minute instead of three
OWN_OF_SQLITE = re.compile(r"sqlite_.*|.*_fts_(config|content|data|docsize|idx)|.*_(node|parent|rowid)")


def records(database: Path, map_too: bool = True) -> dict[str, str]:
    """The records of a build: one a table or view, its publications and edition in full, and those of its map."""
    told = {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for name, kind, sql in _schema(connection):
            told[f"{kind} {name}"] = _table(connection, name, sql)
        for name in ("edition", "publications"):
            told[f"rows of {name}"] = _rows_in_full(connection, name)
    if map_too:
        with closing(
            sqlite3.connect(f"file:{database.with_name('maps') / 'uk.mbtiles'}?mode=ro", uri=True)
        ) as pictured:
            for name, kind, sql in _schema(pictured):
                if name.startswith("tiles_"):
                    told[f"map: {name}"] = _tiles(pictured, name)
                else:
                    told[f"map: {kind} {name}"] = _table(pictured, name, sql)
    return told


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    found = connection.execute("select name, type, sql from sqlite_master where type in ('table', 'view') order by 1")
    return [row for row in found if not OWN_OF_SQLITE.fullmatch(row[0])]


def _table(connection: sqlite3.Connection, name: str, sql: str) -> str:
    """What one table or view is: its columns, keys, indexes and rows."""
    columns = connection.execute(f"pragma table_xinfo([{name}])").fetchall()
    lines = [f"sha256 of its SQL, blanks apart: {_hash(' '.join(sql.split()))}"]
    lines += [
        f"  {column} {type_ or '-'}{' not null' if not_null else ''}{f' default {default}' if default else ''}"
        f"{f' key {key}' if key else ''}"
        for _, column, type_, not_null, default, key, _ in columns
    ]
    foreign = connection.execute(f"pragma foreign_key_list([{name}])").fetchall()
    lines += sorted(f"foreign key {row[3]} to {row[2]}.{row[4]}" for row in foreign)
    for index, of_index in connection.execute(
        "select name, sql from sqlite_master where type = 'index' and tbl_name = ? and sql is not null order by name",
        (name,),
    ):
        lines.append(f"index {index}: {' '.join(of_index.split())}")
    for trigger, of_trigger in connection.execute(
        "select name, sql from sqlite_master where type = 'trigger' and tbl_name = ? order by name", (name,)
    ):
        lines.append(f"trigger {trigger}: {_hash(' '.join(of_trigger.split()))}")
    if name.endswith("_fts"):
        lines.append(_words(connection, name))
        return "\n".join(lines) + "\n"
    key = [row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5]]
    order = KEYS.get(name) or ", ".join(f"[{column}]" for column in key) or ", ".join(f"[{row[1]}]" for row in columns)
    where = "true"
    if name in KEYS:
        where = SAMPLE
        lines.append(f"of those where {SAMPLE}:")
    elif name == "metadata":  # of a map: its version is a hash of gzipped tiles
        where = "name <> 'version'"
    lines.append(_digest(connection.execute(f"select * from [{name}] where {where} order by {order}")))
    return "\n".join(lines) + "\n"


def _words(connection: sqlite3.Connection, name: str) -> str:
    connection.execute(f"create virtual table temp.words using fts5vocab(main, [{name}], row)")
    try:
        return f"words: {_digest(connection.execute('select term, doc, cnt from temp.words order by term'))}"
    finally:
        connection.execute("drop table temp.words")


def _tiles(connection: sqlite3.Connection, name: str) -> str:
    """A layer, zoom by zoom."""
    lines = []
    for (zoom,) in connection.execute(f"select distinct zoom_level from [{name}] order by 1").fetchall():
        tiles = connection.execute(
            f"select tile_column, tile_row, tile_data from [{name}] where zoom_level = ? order by 1, 2", (zoom,)
        )
        digest = hashlib.sha256()
        count = size = 0
        for column, row, data in tiles:
            tile = gzip.decompress(data)
            digest.update(b"%d %d %d\n" % (column, row, len(tile)) + tile)
            count += 1
            size += len(tile)
        lines.append(f"zoom {zoom}: {count:,} tiles, {size:,} bytes, sha256 {digest.hexdigest()}")
    return "\n".join(lines) + "\n"


def _rows_in_full(connection: sqlite3.Connection, name: str) -> str:
    connection.row_factory = sqlite3.Row
    try:
        lines = []
        for row in connection.execute(f"select * from [{name}] order by 1, 2"):
            lines += ["-", *(f"  {column}: {row[column]}" for column in row.keys() if column != "retrieved")]  # noqa: SIM118
        return "\n".join(lines) + "\n"
    finally:
        connection.row_factory = None


def _digest(rows: Iterable[tuple]) -> str:
    """How many rows, and the hash of them: each as a line of JSON, so that a number is not a text."""
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(orjson.dumps(row, default=_of_bytes) + b"\n")
        count += 1
    return f"{count:,} rows, sha256 {digest.hexdigest()}"


def _of_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
