"""Say which faults the libraries still have that census/web/patches/order.py patches, as a process of its own.

python -m tests.site.unpatched    prints {patch: true where the library still has the fault} as JSON
"""

import asyncio
import contextlib
import io
import json
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

import datasette.app
import uvicorn
from datasette import hookimpl
from datasette.plugins import pm
from datasette.utils import sqlite_timelimit
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

PROBES = {}
SCHEMA = """
create table areas (code text primary key, score integer, name text, text text);
create table homes (id integer primary key, area text references areas (code), rooms integer);
create virtual table areas_fts using fts5 (name, content = areas);
"""


def probe(function):
    """Register a probe under its name, that of the patch."""
    PROBES[function.__name__] = function
    return function


def written(path: Path) -> None:
    """Write a database in which every area has the same score, and the keys are in no order of insertion."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        rows = [(f"E{n:04}", 1, "Bristol, City of", "x" * 300) for n in range(1000, 0, -1)]
        connection.executemany("insert into areas values (?, ?, ?, ?)", rows)
        connection.executemany("insert into homes values (?, 'E0001', ?)", [(n, n) for n in range(3)])
        connection.execute("insert into areas_fts (areas_fts) values ('rebuild')")
        connection.commit()


async def get(site, path: str, **parameters):
    return await site.client.get(f"{path}?{urlencode(parameters)}")


async def graphql(site, query: str):
    return await site.client.post("/graphql/data", json={"query": query})


@probe
async def private_logs(site):
    with contextlib.redirect_stderr(io.StringIO()) as log:
        await get(site, "/data.json", sql="select nothing, :postcode", postcode="SW1A 1AA")
    return "SW1A 1AA" in log.getvalue()


@probe
async def database_paths(site):
    databases = (await get(site, "/-/databases.json")).json()
    return any("/" in str(database["path"]) for database in databases)


@probe
async def time_limit(_site):
    class Watched(sqlite3.Connection):
        handlers = 0

        def set_progress_handler(self, *arguments):
            Watched.handlers += 1
            super().set_progress_handler(*arguments)

    with contextlib.closing(sqlite3.connect(":memory:", factory=Watched)) as connection:
        with sqlite_timelimit(connection, 1000):
            connection.execute("select 1")
        return Watched.handlers > 0


@probe
async def csv_errors(site):
    return (await get(site, "/data.csv", sql="select nothing")).status_code == 200


@probe
async def view_parameters(site):
    ignored = await get(site, "/data/areas.json", name__begins="x", nmae="x")
    malformed = await get(site, "/data/areas.json", _through="x")
    return ignored.status_code == 200 or malformed.status_code == 500


@probe
async def table_filters(site):
    beginning = (await get(site, "/data/areas.json", _search="Brist*")).json()
    either = (await get(site, "/data/areas.json", _where="1 or 1", code="E0001")).json()
    return not beginning["rows"] or len(either["rows"]) != 1


@probe
async def table_order(site):
    rows, following = [], None
    while following is not None or not rows:
        more = {"_next": following} if following else {}
        page = (await get(site, "/data/areas.json", _sort="score", _size=400, **more)).json()
        rows += [row[0] for row in page["rows"]]
        following = page["next"]
    return sorted(rows) != [f"E{n:04}" for n in range(1, 1001)]


@probe
async def labelled_rows(site):
    page = await get(site, "/data/homes.json", _labels="on", _sort="rooms", _col="area", _size=1)
    return page.status_code == 500


@probe
async def graphql_tables(site):
    answer = await graphql(site, '{ areas(filter: {name: {in: ["Bristol, City of"]}}) { totalCount } }')
    return answer.json()["data"]["areas"]["totalCount"] != 1000


@probe
async def graphql_execution(site):
    tables = " ".join(f"a{n}: areas(first: 1000) {{ nodes {{ text }} }}" for n in range(20))
    with mock.patch("datasette_graphql.DEFAULT_TIME_LIMIT_MS", 60_000):
        answer = await graphql(site, f"{{ {tables} }}")
    return answer.status_code == 200 and len(answer.content) > 4_000_000


@probe
async def accessible_templates(site):
    page = (await get(site, "/data/areas")).text
    return "<html lang=" not in page or 'aria-label="Column"' not in page


@probe
async def connections(_site):
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(lambda _scope, _receive, _send: None, log_config=None)
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {}, loop)
    timers = mock.patch.object(loop, "call_later", wraps=loop.call_later)
    with timers as called:
        protocol.connection_made(mock.MagicMock(get_extra_info=lambda *_: None))
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: a")
        return not called.called


@probe
async def sql_processes(site):
    [[process]] = (await site.get_database("data").execute("select process_id()")).rows
    return process == os.getpid()


@probe
async def schemas(site):
    with mock.patch.object(site, "_refresh_schemas", wraps=site._refresh_schemas) as refreshed:
        for _ in range(2):
            await get(site, "/data")
    return refreshed.call_count == 2


@probe
async def table_permissions(site):
    with mock.patch("datasette.app.copy.deepcopy", wraps=datasette.app.copy.deepcopy) as copied:
        for _ in range(2):
            await get(site, "/data/areas.json", _size=1)
        once = copied.call_count
        await get(site, "/data")
    return copied.call_count > once > 2


class Process:
    """A plugin with an SQL function that says which process runs it."""

    @staticmethod
    @hookimpl
    def prepare_connection(conn):
        conn.create_function("process_id", 0, os.getpid)


async def main() -> None:
    pm.register(Process, name="process")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.db"
        written(path)
        site = datasette.app.Datasette([str(path)], metadata={"databases": {"data": {"tables": {"areas": {}}}}})
        await site.invoke_startup()
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            faults = {name: await function(site) for name, function in PROBES.items()}
    json.dump(faults, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
