"""Processes and threads for SQL: what is counted for whom, and that the next statement never gets another's answer."""

import asyncio
import contextlib
import io
import marshal
import sqlite3
import struct
import threading
import warnings
from urllib.parse import quote

import datasette.database
import pytest
from datasette.database import QueryInterrupted
from datasette.facets import ColumnFacet

from census.web.middleware.gate import SETTINGS, Gate
from census.web.sql import process as sql_process
from census.web.sql import worker as sql_worker
from census.web.sql.process import BROKEN, BUDGET, Budget, SqlProcess
from census.web.state import Site

LIST = "/census/green_space_by_local_authority.json?authority=&_shape=array"
LOOKUP = "/census/imd_by_postcode.json?postcode=SW1A1AA&_shape=array"


@pytest.fixture
def processes(extract_site):
    """The site's own processes."""
    asyncio.run(extract_site.invoke_startup())
    return Site.of(extract_site).sql


def run(processes, sql: str, limit_ms: int = 1000, budget: Budget | None = None):
    return processes.run(sql, {}, None, limit_ms, budget or Budget(1))


class Broken(io.BytesIO):
    """A pipe whose reader has gone while something waits to be sent: each flush fails, and so does closing."""

    def flush(self):
        raise BrokenPipeError

    def close(self):
        raise BrokenPipeError


def test_a_process_that_ended_is_a_400_and_the_next_statement_is_answered(processes):
    for _ in range(len(processes.idle) + 1):
        assert run(processes, "select 1 as x").rows[0]["x"] == 1
        process = processes.idle[-1].process
        process.stdin, pipe = Broken(), process.stdin
        with pytest.raises(sqlite3.OperationalError, match=BROKEN):
            run(processes, "select 2 as x")
        pipe.close()
        assert process.poll() is not None, "it is out of step"
    assert run(processes, "select 3 as x").rows[0]["x"] == 3


@pytest.mark.parametrize(
    "said",
    [
        struct.pack("!I", sql_worker.LONGEST + 1) + b"x" * 100,
        struct.pack("!I", 5) + b"\xff????",
        struct.pack("!I", 50) + marshal.dumps(("rows", [], False, [])),
        b"\0",
        b"",
    ],
    ids=["too long", "no message", "half of one", "half a length", "nothing"],
)
def test_a_process_that_says_what_is_no_answer_is_ended(processes, said):
    assert run(processes, "select 1 as x").rows[0]["x"] == 1
    process = processes.idle[-1].process
    process.stdout, pipe = io.BytesIO(said), process.stdout
    with pytest.raises(sqlite3.OperationalError, match=BROKEN):
        run(processes, "select 'of another' as x")
    pipe.close()
    assert process.poll() is not None
    assert processes.idle[-1].process is None
    assert run(processes, "select 2 as x").rows[0]["x"] == 2


def test_a_process_that_does_not_start_is_a_400(extract_db, monkeypatch):
    def no_more(*_given, **_named):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(sql_process.subprocess, "Popen", no_more)
    with pytest.raises(sql_process.Ended):
        SqlProcess(extract_db, True, extract_db.parent).ready()


def test_names_of_columns_open_no_connections(processes, monkeypatch):
    opened, connect = [], sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: opened.append(given) or connect(*given, **named))
    for number in range(20):
        [row] = run(processes, f"select {number} as n{number}, 2 as 'a\"b', 3 as ''").rows
        assert (row[f"n{number}"], row['a"b'], row.keys()) == (number, 2, [f"n{number}", 'a"b', ""])
    assert opened == []
    assert not hasattr(sql_process.cursor_of, "cache_info")


def test_names_of_columns_are_each_statement_s_own_in_several_threads():
    wrong = []

    def name(letter: str) -> None:
        for number in range(200):
            row = sqlite3.Row(sql_process.cursor_of([f"{letter}{number}"]), (1,))
            if row.keys() != [f"{letter}{number}"]:
                wrong.append(row.keys())

    threads = [threading.Thread(target=name, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_statement_is_counted_from_its_submission(processes):
    held = threading.Event()

    async def several():
        budget = Budget(1)
        BUDGET.set(budget)
        for _ in processes.idle:
            processes.threads.submit(held.wait)
        asked = [asyncio.ensure_future(processes.execute(f"select {n} as n")) for n in range(5)]
        await asyncio.sleep(0)
        assert budget.running == 5
        idle = threading.Event()
        for one in asked[:4]:
            one.cancel()
        await asyncio.sleep(0)
        assert budget.running == 1, "what never ran is counted no more"
        budget.when_idle(idle.set)
        assert not idle.is_set()
        held.set()
        assert (await asked[4]).rows[0]["n"] == 4
        assert await asyncio.to_thread(idle.wait, 5)

    try:
        asyncio.run(several())
    finally:
        held.set()


@pytest.mark.parametrize("sql", ["select 1", "PRAGMA schema_version"])
def test_who_has_gone_begins_no_statement(processes, sql):
    async def asking():
        budget = Budget(1)
        BUDGET.set(budget)
        await processes.execute(sql)
        budget.when_idle(lambda: None)
        with pytest.raises(asyncio.CancelledError):
            await processes.execute(sql)
        assert budget.running == 0

    asyncio.run(asking())


def test_time_that_is_used_up_stays_used_up(processes):
    budget = Budget(0.2)
    forever = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t"
    for sql in (forever, "select 1"):
        with pytest.raises(QueryInterrupted):
            run(processes, sql, budget=budget)


def test_lists_whose_readers_have_gone_fill_no_thread_of_lookups(extract_site, processes, monkeypatch):
    held, begun, ended, holding = threading.Event(), [], [], True

    @contextlib.contextmanager
    def holds(_connection, _ms):
        if holding:
            begun.append(threading.current_thread().name)
            held.wait(20)
        yield
        ended.append(True)

    async def asking():
        nonlocal holding
        for _ in range(3):
            lists = [asyncio.ensure_future(extract_site.client.get(LIST)) for _ in processes.idle]
            while len(begun) < len(processes.idle):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            for one in lists:
                one.cancel()
            await asyncio.gather(*lists, return_exceptions=True)
        holding = False
        lookup = await asyncio.wait_for(extract_site.client.get(LOOKUP), 10)
        held.set()
        while len(ended) <= len(begun):
            await asyncio.sleep(0.01)
        lists = await asyncio.gather(*(extract_site.client.get(LIST) for _ in range(4)))
        assert [one.status_code for one in lists] == [200] * 4, "afterwards all is as before"
        return lookup

    asyncio.run(extract_site.client.get(LIST))
    monkeypatch.setattr(datasette.database, "sqlite_timelimit", holds)
    try:
        lookup = asyncio.run(asking())
    finally:
        held.set()
    assert (lookup.status_code, len(lookup.json())) == (200, 1)
    assert len(begun) == len(processes.idle), "a place is free when its thread is"
    assert all(name.startswith("own sql") for name in begun), begun


def test_a_list_whose_reader_has_gone_keeps_its_place_until_its_thread_is_free(processes):
    held, begun = threading.Event(), threading.Event()

    def waiting(_connection):
        begun.set()
        held.wait(10)

    async def asking():
        budget, idle = Budget(1), threading.Event()
        BUDGET.set(budget)
        listing = asyncio.ensure_future(processes.database.execute_fn(waiting))
        assert await asyncio.to_thread(begun.wait, 5)
        listing.cancel()
        await asyncio.sleep(0)
        budget.when_idle(idle.set)
        assert not idle.is_set()
        held.set()
        assert await asyncio.to_thread(idle.wait, 5)

    try:
        asyncio.run(asking())
    finally:
        held.set()


def test_sql_of_one_s_own_and_lists_go_on_after_all_of_this(extract_site):
    for path in (LIST, LOOKUP, f"/census.json?sql={quote('select 1')}&_shape=array"):
        assert asyncio.run(extract_site.client.get(path)).status_code == 200


def test_a_statement_that_outlives_its_server_says_nothing():
    def closed():
        raise RuntimeError("Event loop is closed")

    budget = Budget(1)
    assert budget.begin()
    budget.when_idle(closed)
    budget.end()
    assert budget.running == 0


def test_a_table_that_is_given_up_leaves_no_warning_and_our_own_mistakes_do(extract_site):
    """Datasette makes coroutines of a table before it needs them, and Python warns of those that were never begun."""

    async def forgotten():
        pass

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        Gate.of(extract_site)
        extract_site.get_database("census").table_exists("postcodes")
        ColumnFacet(extract_site, None, "census", table="postcodes").facet_results()
        forgotten()
    assert len(found) == 1
    assert "forgotten" in str(found[0].message)


@pytest.mark.parametrize("path, counted", [("/census/postcodes.json", 1), ("/census/imd_by_postcode.json", 0)])
def test_a_request_has_nothing_of_the_one_before_on_its_connection(path, counted):
    """uvicorn begins the next request of a connection in the context in which the last answer was sent."""
    seen = []

    async def ready():
        pass

    gate = Gate("/graphql", set, SETTINGS, 1000, ready)

    async def app(_scope, _receive, send):
        seen.append((BUDGET.get(), gate.slots.taken))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        if seen:
            await asyncio.Event().wait()
        return {"type": "http.request"}

    async def send(_message):
        pass

    async def several():
        before = Budget(1)
        BUDGET.set(before)
        before.when_idle(lambda: None)
        await gate.wrap(app)({"type": "http", "path": path}, receive, send)
        [[budget, taken]] = seen
        assert budget is not before
        assert (budget is not None, taken) == (bool(counted), counted)

    asyncio.run(several())


def test_a_table_of_a_query_that_has_its_place_needs_no_other():
    async def several():
        gate, seen = Gate("/graphql", set, SETTINGS, 1000, None), []
        budget = Budget(1)
        BUDGET.set(budget)

        async def app(_scope, _receive, _send):
            seen.append((BUDGET.get() is budget, gate.slots.taken))

        await gate.wrap(app)({"type": "http", "path": "/census/postcodes.json"}, None, None)
        assert seen == [(True, 0)]

    asyncio.run(several())
