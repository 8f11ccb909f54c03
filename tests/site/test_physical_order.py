"""The order in which rows happen to lie in the file changes nothing: neither checks, nor the digest, nor an answer."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from datasette.inspect import inspect_hash

from census.build.checks import run as checks
from census.schema import hosted
from census.schema.tables import all_tables, digest
from sources import registry
from sources.publication import Table
from tests.conftest import THOROUGH, datasette_of, site_of
from tests.golden.normal import Known
from tests.golden.site import Request, Site, forget_schemas, requests

TABLES = all_tables(registry.publications() + hosted.data_sets())


def reverse(connection: sqlite3.Connection) -> int:
    """Writes the rows of each table anew, the last one first; returns how many tables that changes."""
    reversed_ = 0
    connection.execute("pragma foreign_keys = off")
    for table in TABLES.values():
        if table.without_rowid:
            continue
        connection.execute(f"create temp table old as select * from {table.name} order by rowid desc")
        connection.execute(f"delete from {table.name}")
        connection.execute(f"insert into {table.name} select * from temp.old")
        connection.execute("drop table temp.old")
        if table.search:
            connection.execute(f"insert into {table.name}_fts ({table.name}_fts) values ('rebuild')")
        reversed_ += 1
    connection.commit()
    connection.execute("vacuum")
    return reversed_


@pytest.fixture(scope="module")
def reversed_db(extract_db, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reversed")
    path = Path(shutil.copy(extract_db, folder))
    for name in ("downloads", "maps"):
        (folder / name).symlink_to(extract_db.with_name(name))
    with closing(sqlite3.connect(path)) as connection:
        assert reverse(connection) > 20
    told = json.loads(extract_db.with_name("inspect-data.json").read_text("utf-8"))
    told["census"] |= {"hash": inspect_hash(path), "size": path.stat().st_size}
    (folder / "inspect-data.json").write_text(json.dumps(told), "utf-8")
    return path


def test_every_check_finds_the_same(reversed_db, extract_db):
    def found(path: Path) -> list:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return checks.run(connection, registry.publications() + hosted.data_sets())

    now = found(reversed_db)
    assert [check for check in now if not check.passed] == []
    assert now == found(extract_db)


def test_the_digest_is_the_same(reversed_db, extract_db):
    with closing(sqlite3.connect(reversed_db)) as now, closing(sqlite3.connect(extract_db)) as before:
        first = "select code from small_areas order by rowid limit 1"
        assert now.execute(first).fetchone() != before.execute(first).fetchone()
        assert digest(now, TABLES) == digest(before, TABLES)


def test_a_table_without_a_key_is_read_in_one_order():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t (a, b)")
        rows = [(2, "x"), (1, "y"), (1, "x"), (1, "x")]
        table = Table("t", {"a": int, "b": str}, ())
        found = set()
        for order in (rows, rows[::-1]):
            connection.execute("delete from t")
            connection.executemany("insert into t values (?, ?)", order)
            found.add(digest(connection, {"t": table}))
        assert len(found) == 1


@pytest.fixture(scope="module")
def sites(reversed_db, extract_db, tmp_path_factory) -> tuple[Site, Site]:
    made = []
    for name, path in (("now", reversed_db), ("before", extract_db)):
        folder = site_of(path, tmp_path_factory.mktemp(name))
        made.append(Site(datasette_of(folder), Known.of(path)))
    forget_schemas()
    yield made[0], made[1]
    forget_schemas()


ASKED = [asked for asked in requests() if "_fts" not in asked.path]  # a list of a search index has its rowids


@pytest.mark.parametrize("asked", ASKED if THOROUGH else ASKED[::4], ids=str)
def test_an_answer_is_the_same(asked: Request, sites):
    records = []
    for site in sites:
        if "graphql" in asked.path:
            forget_schemas()  # one is kept for all sites of a process
        records.append(site.record(asked, site.answer(asked), lambda _: ""))
    now, before = records
    assert now == before, json.dumps([now[:2000], before[:2000]])
