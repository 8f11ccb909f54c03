"""Every list of rows has each row once, in its order: any table or view, sort, size of page and format."""

import asyncio
import csv
import io
import json
import random
import sqlite3
from contextlib import closing
from urllib.parse import urlencode

import pytest
import yaml
from datasette.utils import tilde_decode

from census.schema import hosted, views
from tests.conftest import ROOT, datasette_of, site_of, stamp
from tests.golden.site import forget_schemas

TABLES = [*hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text()))["databases"]["census"]["tables"]]
SEARCHED = "data_zones_2011 health_geographies local_authorities lsoas_2011 lsoas_2021 small_areas soas_2001".split()
INSIDE = [*(f"{table}_fts" for table in SEARCHED), "sqlite_stat1"]


@pytest.fixture(scope="module")
def few_postcodes(extract_db, tmp_path_factory):
    """A site over the extract with some of its postcodes, so that each view can be read to its end often.

    It gives GraphQL ten seconds: a busy machine may take one for a query, and these tests are about rows.
    """
    folder = site_of(extract_db, tmp_path_factory.mktemp("few_postcodes"))
    metadata = (folder / "metadata.yml").read_text("utf-8")
    assert metadata.count("time_limit_ms: 1000") == 1
    (folder / "metadata.yml").unlink()
    (folder / "metadata.yml").write_text(metadata.replace("time_limit_ms: 1000", "time_limit_ms: 10000"), "utf-8")
    with closing(sqlite3.connect(folder / "census.db")) as connection:
        connection.execute("delete from postcodes where substr(postcode, -3) <> '1AA'")
        connection.commit()
    stamp(folder / "census.db")
    site = datasette_of(folder)
    with closing(sqlite3.connect(folder / "census.db")) as connection:
        site.rows = connection
        forget_schemas()
        yield site
        forget_schemas()


def key_of(connection: sqlite3.Connection, table: str) -> list[str]:
    if table in views.KEYS:
        return [*views.KEYS[table]]
    keys = connection.execute("select name from pragma_table_info(?) where pk order by pk", (table,)).fetchall()
    return [name for (name,) in keys] or ["rowid"]


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for (name,) in connection.execute("select name from pragma_table_info(?)", (table,))]


def quoted(*names: str) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def paged(site, address: str) -> list[list]:
    """Every row, page by page."""
    rows, pages = [], 0
    while address:
        answer = await site.client.get(address)
        assert answer.status_code == 200, answer.text[:300]
        page = answer.json()
        rows += [dict(zip(page["columns"], row, strict=True)) for row in page["rows"]]
        address = (page["next_url"] or "").removeprefix("http://localhost").removeprefix(site.setting("base_url")[:-1])
        pages += 1
        assert pages < 100
    return rows


@pytest.mark.parametrize("table", [*TABLES, *INSIDE])
def test_every_row_is_there_once_in_its_order(few_postcodes, table):
    site, connection = few_postcodes, few_postcodes.rows
    key, columns = key_of(connection, table), columns_of(connection, table)
    [(total,)] = connection.execute(f'select count(*) from "{table}"')

    async def compare(column: str, direction: str) -> None:
        order = f'"{column}"{" desc" if direction else ""}, {quoted(*key)}'
        expected = connection.execute(f'select {quoted(*key)} from "{table}" order by {order}').fetchall()
        size = random.Random(f"{table} {column}").choice((total // 2, total // 3 + 1, total // 4 + 2, 1000)) or 1
        asked = {f"_sort{direction}": column, "_size": min(size, 1000), "_nofacet": 1}
        rows = await paged(site, f"/census/{table}.json?{urlencode(asked)}")
        assert [tuple(row[name] for name in key) for row in rows] == expected, (column, direction, size)
        if table not in INSIDE:
            await streamed(column, direction, expected)

    async def streamed(column: str, direction: str, expected: list) -> None:
        asked = {f"_sort{direction}": column, "_stream": "on", "_size": "max"}
        answer = await site.client.get(f"/census/{table}.csv?{urlencode(asked)}")
        assert answer.status_code == 200, answer.text[:300]
        rows = [*csv.DictReader(io.StringIO(answer.text, newline=""))]
        texts = [tuple("" if value is None else str(value) for value in row) for row in expected]
        assert [tuple(row[name] for name in key) for row in rows] == texts, (column, direction)

    async def every_column() -> None:
        for number, column in enumerate(columns):
            await compare(column, ("", "_desc")[number % 2])
        unsorted = await paged(site, f"/census/{table}.json?_size={total // 3 + 1}")
        expected = connection.execute(f'select {quoted(*key)} from "{table}" order by {quoted(*key)}').fetchall()
        assert [tuple(row[name] for name in key) for row in unsorted] == expected

    asyncio.run(every_column())


@pytest.mark.parametrize("table", [table for table in TABLES if table not in views.KEYS])
@pytest.mark.parametrize("by_edges", [False, True])
def test_every_row_is_there_once_in_graphql(few_postcodes, table, by_edges):
    """Each page begins where the last one ended, by the cursor of the page or by that of its last edge."""
    site, connection = few_postcodes, few_postcodes.rows
    key = key_of(connection, table)
    [(total,)] = connection.execute(f'select count(*) from "{table}"')
    columns = columns_of(connection, table)

    async def compare(column: str | None, direction: str) -> None:
        order = f'"{column}"{" desc" if direction else ""}, ' if column else ""
        expected = connection.execute(f'select {quoted(*key)} from "{table}" order by {order}{quoted(*key)}').fetchall()
        found, after, size = [], "", min(total // 3 + 1, 1000)
        while after is not None:
            asked = f"first: {size}" + (f", sort{direction}: {column}" if column else "")
            asked += f", after: {json.dumps(after)}" if after else ""
            query = f"{{ {table}({asked}) {{ edges {{ cursor }} pageInfo {{ endCursor }} }} }}"
            answer = await site.client.post("/graphql", json={"query": query})
            assert answer.status_code == 200, answer.text[:300]
            page = answer.json()["data"][table]
            cursors = [edge["cursor"] for edge in page["edges"]]
            found += [
                tuple(map(tilde_decode, cursor.split(",")[-len(key) :])) for cursor in cursors
            ]  # they end in the key
            after = page["pageInfo"]["endCursor"]
            if after is not None and by_edges:
                after = cursors[-1]
        assert found == [tuple(map(str, row)) for row in expected], (column, direction)

    async def some_columns() -> None:
        await compare(None, "")
        for number, column in enumerate(random.Random(table).sample(columns, min(len(columns), 4))):
            await compare(column, ("", "_desc")[number % 2])

    asyncio.run(some_columns())


def test_each_row_of_a_view_has_a_key_of_its_own(few_postcodes):
    for view, key in views.KEYS.items():
        [(rows,)] = few_postcodes.rows.execute(f"select count(*) from {view}")
        [(keys,)] = few_postcodes.rows.execute(f"select count(*) from (select distinct {quoted(*key)} from {view})")
        assert rows == keys > 0, view


def test_a_condition_of_ones_own_holds_on_every_page(few_postcodes):
    condition = "nation = 'Wales' or nation = 'Scotland' -- and no more"
    asked = urlencode({"_where": condition, "_sort": "nation", "_size": 200})
    rows = asyncio.run(paged(few_postcodes, f"/census/small_areas.json?{asked}"))
    [(expected,)] = few_postcodes.rows.execute("select count(*) from small_areas where nation in ('Wales', 'Scotland')")
    assert len({row["code"] for row in rows}) == len(rows) == expected


def test_the_limit_of_a_condition_of_ones_own_is_left_to_it(few_postcodes):
    condition = "postcode in (select postcode from postcodes order by postcode desc limit 3)"
    answer = asyncio.run(few_postcodes.client.get(f"/census/postcode_places.json?{urlencode({'_where': condition})}"))
    assert (answer.status_code, answer.json()["filtered_table_rows_count"]) == (200, 3)
    assert len(answer.json()["rows"]) == 3


def test_a_row_of_another_table_and_a_filter_hold_together(few_postcodes):
    through = json.dumps({"table": "small_areas", "column": "code", "value": "W01001939"})
    asked = urlencode({"nation": "Wales", "_through": through})
    rows = asyncio.run(paged(few_postcodes, f"/census/local_authorities.json?{asked}"))
    expected = few_postcodes.rows.execute("select local_authority from small_areas where code = 'W01001939'").fetchall()
    assert [(row["code"],) for row in rows] == expected


def test_a_page_of_csv_says_where_the_next_one_is(few_postcodes):
    async def read() -> list[str]:
        rows, address = [], "/census/small_areas.csv?_sort=nation&_size=700"
        while address:
            answer = await few_postcodes.client.get(address)
            rows += answer.text.splitlines()[1:]
            link = answer.headers.get("link", "")
            address = link.partition(">")[0].removeprefix("<http://localhost")
            address = address.removeprefix(few_postcodes.setting("base_url")[:-1])
        return rows

    rows = asyncio.run(read())
    [(expected,)] = few_postcodes.rows.execute("select count(*) from small_areas")
    assert len(set(rows)) == len(rows) == expected


@pytest.mark.parametrize(
    "address",
    [
        "/census.csv?{sql}",
        "/census.csv?_stream=on&{sql}",
        "/census.json?_shape=array&{sql}",
        "/census.json?_shape=array&_nl=on&{sql}",
        "/census.json?_shape=arrayfirst&{sql}",
    ],
)
def test_sql_is_answered_whole_or_refused_with_the_limit(few_postcodes, address):
    def asked(rows: int):
        sql = f"select code from small_areas limit {rows}"
        return asyncio.run(few_postcodes.client.get(address.format(sql=urlencode({"sql": sql}))))

    assert asked(1000).status_code == 200
    assert (asked(1001).status_code, "1,000 rows" in asked(1001).text) == (400, True)


@pytest.mark.parametrize("shape", ["arrays", "objects"])
def test_sql_that_is_cut_says_so(few_postcodes, shape):
    address = f"/census.json?_shape={shape}&{urlencode({'sql': 'select code from small_areas'})}"
    answer = asyncio.run(few_postcodes.client.get(address)).json()
    assert (len(answer["rows"]), answer["truncated"]) == (1000, True)
