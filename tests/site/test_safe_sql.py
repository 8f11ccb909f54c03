"""Anyone's SQL: what is answered, what is refused and how, and that nothing of one statement stays for the next."""

import asyncio
import sqlite3
import threading
import time
from html import unescape
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from datasette.database import QueryInterrupted
from datasette.views.table import TableView

from census.web import path_kinds
from census.web.concurrency import admission
from census.web.concurrency.admission import Busy, OneThread, Slots
from census.web.connections import CONNECTION
from census.web.middleware import gate
from census.web.sql import process as sql_process
from census.web.sql import sandbox
from census.web.state import Site

FOREVER = "with recursive t(n) as (select 1 union all select n + 1 from t) select {} from t"


def asked(site, sql: str, end: str = "json"):
    return asyncio.run(site.client.get(f"/census.{end}?sql={quote(sql)}&_shape=array"))


def test_a_streamed_table_that_fails_before_its_end_is_an_error(extract_site, monkeypatch):
    address = "/census/data_zones_2011.csv?_stream=on&_size=50"
    whole = asyncio.run(extract_site.client.get(address))
    assert whole.status_code == 200
    assert int(whole.headers["content-length"]) == len(whole.content)
    told, data = [], TableView.data

    async def data_that_ends(*given, **named):
        told.append(named)
        if len(told) == 3:
            raise QueryInterrupted(sqlite3.OperationalError("interrupted"), "select", {})
        return await data(*given, **named)

    monkeypatch.setattr(TableView, "data", data_that_ends)
    broken = asyncio.run(extract_site.client.get(address))
    assert len(told) == 3
    assert broken.status_code == 503
    assert "/download" in broken.text
    assert whole.text[:50] not in broken.text
    assert int(broken.headers["content-length"]) == len(broken.content)


@pytest.mark.parametrize(
    "sql, value",
    [
        ("select count(*) from small_areas_fts where small_areas_fts match 'westminster'", 128),
        (
            "select highlight(small_areas_fts, 0, '[', ']') from small_areas_fts('\"westminster 018c\"')",
            "[Westminster 018C]",
        ),
        ("select group_concat(value) from json_each('[1,2,3]')", "1,2,3"),
        ("select json_extract('{\"a\": [7]}', '$.a[0]')", 7),
        ("select '{\"a\": 5}' ->> 'a'", 5),
        ("select row_number() over (order by code desc) from soas_2001 order by code limit 1", None),
        ("select date('2026-11-23', '+1 day')", "2026-11-24"),
        ("select printf('%05.1f|%-4s|%d', 2.5, 'a', 7)", "002.5|a   |7"),
        ("select format('%,d', 1234567)", "1,234,567"),
        ("select trim('xxaxx', 'x') || ltrim('xa', 'x') || rtrim('ax', 'x') || trim('  b ')", "aaab"),
        ("select coalesce(trim(null, 'x'), 'null')", "null"),
        ("select sqrt(16) + pi() - pi()", 4.0),
        ("select normalise_postcode('sw1a1aa')", "SW1A 1AA"),
        ("select max(length(name)) > 5 from local_authorities", 1),
        ("select count(*) from pragma_table_info('postcodes')", 8),
    ],
)
def test_what_people_use_is_answered(extract_site, sql, value):
    answer = asked(extract_site, sql)
    assert answer.status_code == 200, answer.text
    [row] = answer.json()
    [found] = row.values()
    assert found == value if value is not None else found


@pytest.mark.parametrize(
    "sql, named",
    [
        ("select randomblob(9)", ["not authorized", "function: randomblob"]),
        ("select load_extension('x')", ["not authorized", "function: load_extension"]),
        ("select json_group_array(name) from small_areas", ["not authorized", "function: json_group_array"]),
        ("select fts3_tokenizer('simple')", ["not authorized", "function: fts3_tokenizer"]),
        ("select zeroblob(20000)", ["too big"]),
        ("select hex(zeroblob(9000))", ["too big"]),
        ("select group_concat(postcode) from postcodes", ["too big"]),
        ("select printf('%.*c', 1000000000, 'x')", ["printf:", "'%.*'", "1000 "]),
        ("select format('%1000d', 1)", ["format:", "'%1000'", "1000 "]),
        ("select trim('a', hex(zeroblob(100)))", ["trim:", "100 "]),
        ("select hex(zeroblob(8000)) from postcodes", ["4,000,000 bytes"]),
        ("select " + "1+" * 300 + "1", ["Expression tree", "200"]),
        (" union all ".join(["select 1"] * 60), ["compound SELECT"]),
        ("select " + ",".join("1" for _ in range(201)), ["too many columns"]),
        ("select * from small_areas where name like '" + "%a" * 150 + "'", ["LIKE or GLOB pattern"]),
        ("select * from pragma_page_size", ["not authorized"]),
    ],
)
@pytest.mark.parametrize("end", ["json", "csv"])
def test_what_harms_is_refused_with_its_reason(extract_site, sql, named, end):
    answer = asked(extract_site, sql, end)
    assert answer.status_code == 400
    why = answer.json()["error"] if end == "json" else unescape(answer.text)
    for what in named:
        assert what in why
    assert asked(extract_site, "select 1 as one").json() == [{"one": 1}]


@pytest.mark.parametrize("end, why", [("json", "took too long"), ("csv", " 1000 ms")])  # the former is Datasette's own
def test_what_takes_too_long_is_stopped(extract_site, end, why):
    answer = asked(extract_site, FOREVER.format("count(*)"), end)
    assert answer.status_code == 400
    assert why in answer.text
    assert asked(extract_site, "select 1 as one").json() == [{"one": 1}]


def test_nothing_is_written_or_attached(extract_db):
    for statement in (
        "attach ':memory:' as other",
        "create temp table t (x)",
        "insert into small_areas (code) values ('x')",
        "delete from postcodes",
        "vacuum into '/tmp/stolen.db'",
        "begin",
        "pragma writable_schema = 1",
        "pragma mmap_size = 1",
        "update sqlite_master set sql = ''",
    ):
        connection = sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True, isolation_level=None)
        sandbox.prepare(connection)
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement).fetchall()
        connection.close()


def test_other_databases_are_left_alone():
    connection = sqlite3.connect(":memory:")
    sandbox.prepare_server_connection(connection, "_internal")
    connection.execute("create table t (x)")
    assert connection.execute("select length(randomblob(1000000))").fetchone() == (1_000_000,)


def test_an_interruption_stops_its_own_statement_and_no_other(extract_site):
    stopped = [FOREVER.format("count(*)"), "select hex(zeroblob(8000)) from postcodes"]
    for number in range(6):
        assert asked(extract_site, stopped[number % 2]).status_code == 400
        for _ in range(8):  # each thread's connection
            assert asked(extract_site, "select count(*) as n from soas_2001").status_code == 200


def test_results_are_counted_each_for_itself(extract_db):
    connection = sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True)
    sandbox.prepare(connection)
    large = "select hex(zeroblob(8000)) from postcodes limit 240"  # 3.84 MB
    for _ in range(3):
        with sandbox.time_limit(connection, 5000):
            assert len(connection.execute(large).fetchall()) == 240
        assert len(connection.execute("select * from small_areas").fetchall()) > 1000, "as Datasette reads its schema"
    with pytest.raises(sqlite3.OperationalError, match="4,000,000 bytes"), sandbox.time_limit(connection, 5000):
        connection.execute(large.replace("240", "270")).fetchall()


def test_a_time_limit_ends_with_its_statement():
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    with sandbox.time_limit(connection, 50):
        assert connection.execute("select 1").fetchone() == (1,)
    started = time.monotonic()
    counted = "with recursive t(n) as (select 1 union all select n + 1 from t limit 2000000) select count(*) from t"
    assert connection.execute(counted).fetchone() == (2_000_000,), "though the limit of the one before is over"
    assert time.monotonic() - started > 0.05
    with pytest.raises(sqlite3.OperationalError, match="interrupted"), sandbox.time_limit(connection, 50):
        connection.execute(FOREVER.format("count(*)")).fetchone()


@pytest.fixture(scope="module")
def both():
    """A function that asks a bounded connection and SQLite's own, and gives both answers."""
    bounded, plain = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    sandbox.prepare(bounded)

    def asking(name: str, *arguments):
        sql = f"select {name}({', '.join('?' * len(arguments))})"
        return [connection.execute(sql, arguments).fetchone()[0] for connection in (bounded, plain)]

    return asking


PRINTED = [("%d", 5), ("%s", "x"), ("%5.2f%%", 3.14159), ("%x", 255), ("%q", "it's"), ("%c", "abc"), (None,), ("x",)]


@pytest.mark.parametrize("arguments", PRINTED, ids=str)
def test_a_format_that_is_bounded_answers_as_sqlite_s_own(both, arguments):
    ours, plain = both("printf", *arguments)
    assert ours == plain


@pytest.mark.parametrize("value", ["xxaxx", "", None, 505, 5.5, b"xax", "ééaé"])
@pytest.mark.parametrize("characters", ["x", "5", "", None, "éx", 5])
@pytest.mark.parametrize("name", ["trim", "ltrim", "rtrim"])
def test_trimming_is_sqlite_s_own(both, name, value, characters):
    ours, plain = both(name, value, characters)
    assert ours == plain


def gate_of(**settings):
    large = lambda: {"postcodes"}  # noqa: E731

    async def ready():
        pass

    return gate.Gate("/graphql", large, gate.SETTINGS | settings, 1000, ready)


@pytest.mark.parametrize(
    "path, counted",
    [
        ("/census", True),
        ("/census.json", True),
        ("/census.db", False),
        ("/~63ensus", True),
        ("/census/postcodes", True),
        ("/census/postcodes.csv", True),
        ("/census/postcodes.JSON", True),
        ("/census/postcodes.csv1", True),
        ("/census.JSON", True),
        ("/census.json2", True),
        ("/census/postcodes/SW1A~201AA", True),
        ("/census/postcodes/SW1A~201AA.json", True),
        ("/census/postcodes~2Fimd_by_postcode", True),
        ("/census/imd_by_postcode/SW1A~201AA", True),
        ("/census/imd_by_postcode.JSON", True),
        ("/census/", True),
        ("/census//postcodes", True),
        ("/censuses", False),
        ("/census/imd_by_postcode", False),
        ("/census/imd_by_postcode.json", False),
        ("/census/compare_editions.csv", False),
        ("/census/green_space_by_local_authority", True),
        ("/census/small_areas_by_name.json", True),
        ("/graphql", True),
        ("/graphql/census", True),
        ("/graphqlx", False),
        ("/api/v1/postcodes/SW1A1AA", False),
        ("/", False),
    ],
)
def test_the_gate_counts_what_costs(path, counted):
    assert path_kinds.is_costly(path, "/graphql") is counted


@pytest.mark.parametrize(
    "path, counted",
    [
        ("/", True),
        ("/postcode/SW1A1AA", True),
        ("/area/E01004736", True),
        ("/local-authority/E09000033/areas.csv", True),
        ("/search", True),
        ("/suggest", True),
        ("/-/versions.json", True),
        ("/nothing", True),
        ("/census/imd_by_postcode", True),
        ("/census/imd_by_postcode.json", False),
        ("/census", False),
        ("/census.db", False),
        ("/download/postcodes.csv.gz", False),
        ("/static/site.css", False),
        ("/-/ready", False),
    ],
)
def test_pages_are_counted_by_themselves(path, counted):
    assert path_kinds.is_page(path, "/graphql") is counted
    assert not (counted and path_kinds.is_quick(path))


@pytest.mark.parametrize(
    "path, query, streams",
    [
        ("/census/soas_2001.csv", "_stream=on", True),
        ("/census/soas_2001.csv", "_stream", True),
        ("/census/soas_2001.csv", "z=_stream", False),
        ("/census/soas_2001.json", "_stream=on", False),
        ("/census/soas_2001", "x_stream=on", False),
    ],
)
def test_only_what_is_streamed_has_the_time_of_a_stream(path, query, streams):
    given = []

    async def seen(scope, receive, send):
        given.append(sql_process.BUDGET.get().left)
        await answering(scope, receive, send)

    asyncio.run(through(gate_of(stream_ms=5000).wrap(seen), path, query.encode()))
    assert (given[0] > 1) is streams


def test_pages_for_those_who_have_gone_are_not_made():
    async def several():
        guard, gone = gate_of(pages_at_once=1, pages_waiting=100), asyncio.Event()
        begun = []

        async def page(_scope, _receive, _send):
            begun.append(True)
            await asyncio.Event().wait()

        asked = [asyncio.create_task(through(guard.wrap(page), "/search", gone=gone)) for _ in range(50)]
        await asyncio.sleep(0.01)
        gone.set()
        await asyncio.wait(asked, timeout=5)
        assert (len(begun), guard.pages.taken, len(guard.pages.line)) == (1, 0, 0)
        assert (await through(guard.wrap(answering), "/search"))[0]["status"] == 200

    asyncio.run(several())


def through(wrapped, path: str, query: bytes = b"sql=select+1", send=None, gone=None):
    """The statuses and bodies that a request to the wrapped application gets. gone: an event, set when it hangs up."""
    messages, given = [], False

    async def receive():
        nonlocal given
        if given:
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message):
        messages.append(message)
        if send:
            await send(message)

    async def run():
        await wrapped({"type": "http", "path": path, "query_string": query, "headers": []}, receive, keep)
        return messages

    return run()


async def answering(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def test_who_reads_slowly_keeps_nobody_waiting_until_there_are_too_many():
    async def both():
        guard = gate_of(at_once=1, unread=3)
        wrapped, read = guard.wrap(answering), asyncio.Event()

        async def slowly(_message):
            await read.wait()

        slow = [asyncio.create_task(through(wrapped, "/census", send=slowly)) for _ in range(3)]
        while guard.slots.unread < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert guard.slots.taken == 0
        refused = await through(wrapped, "/census")
        assert refused[0]["status"] == 503
        assert (b"retry-after", b"1") in refused[0]["headers"]
        read.set()
        for one in slow:
            assert (await one)[0]["status"] == 200
        assert (guard.slots.taken, guard.slots.unread) == (0, 0)
        assert (await through(wrapped, "/census"))[0]["status"] == 200

    asyncio.run(both())


class UnhurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while everything waits, and then at once."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self._selector.select = self.skip

    def skip(self, timeout):
        if timeout is None:
            raise AssertionError("everything waits, and for nothing")
        self.now += timeout
        return []

    def time(self):
        return self.now


def test_the_slowest_late_reader_is_cut_off_for_who_waits_and_for_nobody_else(monkeypatch):
    loop = UnhurriedLoop()
    monkeypatch.setattr(admission, "time", SimpleNamespace(monotonic=loop.time))
    cut, begun = [], {}

    def read(name):  # 10 MB that the system takes at once for those who read nothing
        return int(loop.time() * 1e6) if name == "fast" else 10_000_000 * (loop.time() > begun[name] + 0.3)

    async def reads_until_cut_off(guard, name):
        messages, stops = [{"type": "http.request"}], asyncio.Event()

        async def receive():
            if not messages:
                await asyncio.Event().wait()
            return messages.pop()

        async def send(_message):
            await stops.wait()

        connection = SimpleNamespace(
            abort=lambda: (cut.append(name), stops.set()),
            read_bytes=lambda: read(name),
            is_waited_for=lambda: not name.startswith("done"),
        )
        scope = {"type": "http", "path": "/census", "query_string": b"", CONNECTION: connection}
        await guard.wrap(answering)(scope, receive, send)

    async def several():
        guard = gate_of(at_once=1, unread=4, wait_ms=60_000)

        async def begin(*names):
            for name in names:
                begun[name] = loop.time()
                tasks.append(asyncio.create_task(reads_until_cut_off(guard, name)))
                while len(guard.slots.readers) < len(tasks) - len(cut):
                    await asyncio.sleep(0.1)

        tasks = []
        await begin("done", "fast", "first", "second")
        await asyncio.sleep(2 * admission.LATE_S)
        assert (guard.slots.unread, cut) == (4, []), "nobody waits"
        assert (await through(guard.wrap(answering), "/census"))[0]["status"] == 200
        assert cut == ["first"]
        await begin("third")
        assert (await through(guard.wrap(answering), "/census"))[0]["status"] == 200
        assert cut == ["first", "second"]
        await begin("fourth")
        assert guard.slots.unread == 4
        assert (await through(guard.wrap(answering), "/census"))[0]["status"] == 200, "once one of them is late"
        assert cut == ["first", "second", "third"]
        await begin("done too", "done as well")
        assert (await through(guard.wrap(answering), "/census"))[0]["status"] == 200, "once it has waited long itself"
        assert cut[3:] == ["fourth", "fast"]
        for task in tasks:
            task.cancel()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(several())


def test_a_reader_of_whom_nothing_is_known_keeps_no_place():
    async def several():
        guard = gate_of(at_once=1)

        async def receive():
            return {"type": "http.request"}

        connection = SimpleNamespace(read_bytes=lambda: int("unknown"))
        scope = {"type": "http", "path": "/census", "query_string": b"", CONNECTION: connection}
        with pytest.raises(ValueError, match="unknown"):
            await guard.in_turn(answering, scope, b"", receive)
        await asyncio.sleep(0.01)
        assert (guard.slots.taken, guard.slots.unread) == (0, 0)

    asyncio.run(several())


def test_some_wait_for_their_turn_and_the_rest_are_refused_at_once():
    async def several():
        guard, go = gate_of(at_once=1, waiting=2, wait_ms=5000), asyncio.Event()

        async def held(scope, receive, send):
            await go.wait()
            await answering(scope, receive, send)

        asked = [asyncio.create_task(through(guard.wrap(held), "/census")) for _ in range(5)]
        done, _ = await asyncio.wait(asked, timeout=1)
        assert [one.result()[0]["status"] for one in done] == [503] * 2
        go.set()
        assert sorted([(await one)[0]["status"] for one in asked]) == [200] * 3 + [503] * 2
        await asyncio.sleep(0.01)
        assert guard.slots.taken == 0

    asyncio.run(several())


def test_the_names_of_columns_count_too(extract_site):
    def status(name: str, rows: int) -> int:
        return asked(extract_site, f'select 1 as "{name}" from postcodes limit {rows}').status_code

    assert status("x" * 10_000, 1) == 200
    assert status("x" * 10_000, 1000) == 400
    assert status("x" * 60, 1000) == 200


def test_who_waits_too_long_is_refused():
    async def several():
        guard, go = gate_of(at_once=1, wait_ms=20), asyncio.Event()

        async def held(scope, receive, send):
            await go.wait()
            await answering(scope, receive, send)

        first = asyncio.create_task(through(guard.wrap(held), "/census"))
        await asyncio.sleep(0)
        assert (await through(guard.wrap(held), "/census"))[0]["status"] == 503
        go.set()
        assert (await first)[0]["status"] == 200

    asyncio.run(several())


def test_who_hangs_up_is_worked_for_no_longer():
    async def several():
        guard, gone = gate_of(at_once=1), asyncio.Event()
        ended = []

        async def for_ever(_scope, _receive, _send):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        working = asyncio.create_task(through(guard.wrap(for_ever), "/census", gone=gone))
        waiting = asyncio.create_task(through(guard.wrap(for_ever), "/census", gone=gone))
        await asyncio.sleep(0.01)
        assert guard.slots.taken == 1
        gone.set()
        await asyncio.wait((working, waiting), timeout=5)
        await asyncio.sleep(0.01)
        assert (ended, guard.slots.taken, len(guard.slots.line)) == ([True], 0, 0)

    asyncio.run(several())


def test_work_for_those_who_have_gone_is_not_begun():
    async def several():
        line, begun, go = OneThread(waiting=3, wait_ms=5000), [], threading.Event()

        def work() -> str:
            begun.append(True)
            go.wait(10)
            return "done"

        first, *waiting = (asyncio.create_task(line.run(work)) for _ in range(4))
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await line.run(work)
        for one in waiting:
            one.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await first == "done"
        assert await line.run(work) == "done"
        await asyncio.sleep(0.01)
        assert (len(begun), line.slots.taken, len(line.slots.line)) == (2, 0, 0)

    asyncio.run(several())


def test_answers_of_the_one_thread_wait_for_their_readers_within_a_bound():
    async def several():
        line, read = OneThread(waiting=2, wait_ms=50), asyncio.Event()

        async def slowly(_message):
            await read.wait()

        async def answered():
            answer = await line.run(lambda: "done")
            with line.until_sent(slowly, None) as sending:
                await sending({"type": "http.response.start"})
            return answer

        slow = [asyncio.create_task(answered()) for _ in range(2)]
        while line.slots.unread < 2:
            await asyncio.sleep(0)
        with pytest.raises(Busy):
            await answered()
        read.set()
        assert [await one for one in slow] == ["done"] * 2
        assert await answered() == "done"
        assert (line.slots.taken, line.slots.unread) == (0, 0)

    asyncio.run(several())


def test_what_another_thread_says_after_the_end_changes_nothing():
    async def several():
        line, said = Slots(1, 0, 1000, 1), []

        async def send(message):
            said.append(message)

        await line.take()
        with line.until_sent(send) as sending:
            pass
        assert (line.taken, line.unread) == (0, 0)
        await sending({"type": "http.response.start"})
        assert (line.taken, line.unread, said) == (0, 0, [])

    asyncio.run(several())


def test_who_hangs_up_while_processes_start_keeps_no_place():
    async def several():
        guard, gone = gate_of(at_once=1), asyncio.Event()

        async def starting():
            await asyncio.Event().wait()

        guard.ready = starting
        working = asyncio.create_task(through(guard.wrap(answering), "/census", gone=gone))
        await asyncio.sleep(0.01)
        assert guard.slots.taken == 1
        gone.set()
        await asyncio.wait((working,), timeout=5)
        await asyncio.sleep(0.01)
        assert guard.slots.taken == 0

    asyncio.run(several())


def test_a_place_is_free_when_the_last_statement_has_ended():
    async def several():
        guard = gate_of(at_once=1)

        async def leaves_one_running(scope, receive, send):
            budget = sql_process.BUDGET.get()
            budget.begin()
            asyncio.get_running_loop().call_later(0.1, budget.end)
            await answering(scope, receive, send)

        assert (await through(guard.wrap(leaves_one_running), "/census"))[0]["status"] == 200
        assert guard.slots.taken == 1
        await asyncio.sleep(0.2)
        assert guard.slots.taken == 0

    asyncio.run(several())


def test_what_breaks_off_is_counted_no_more():
    async def failing(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    async def gone(_message):
        raise ConnectionResetError

    async def run():
        guard = gate_of()
        for app, send in ((failing, None), (answering, gone)):
            with pytest.raises((RuntimeError, ConnectionResetError)):
                await through(guard.wrap(app), "/census", send=send)
            await asyncio.sleep(0.01)
            assert (guard.slots.taken, guard.slots.unread) == (0, 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    "path, query, status",
    [
        ("/census/postcodes.csv", b"_stream=on&_size=max", 400),
        ("/census/postcodes.csv", b"_size=max", 200),
        ("/census/soas_2001.csv", b"_stream=on&_size=max", 200),
        ("/census.json", b"sql=" + b"x" * 20_001, 414),
        ("/census.json", b"sql=" + b"x" * 20_000, 200),
        ("/census.json", b"x=" + b"x" * 60_000, 414),
    ],
)
def test_a_request_that_is_too_large_is_refused_with_a_way_out(path, query, status):
    messages = asyncio.run(through(gate_of().wrap(answering), path, query))
    assert messages[0]["status"] == status
    if status == 400:
        assert b"/download" in messages[1]["body"]


@pytest.mark.parametrize(
    "path, sent, status, read",
    [
        ("/census", [b""], 200, 1),
        ("/census", [b"x"] * 9, 413, 1),
        ("/census.json", [b"x"] * 9, 413, 1),
        ("/graphql", [b"x" * 1000] * 10, 200, 10),
        ("/graphql/census.graphql", [b"x" * 1000] * 99, 413, 11),
    ],
)
def test_no_more_is_read_of_a_body_than_an_address_takes(path, sent, status, read):
    async def ask():
        messages, taken = [], 0

        async def receive():
            nonlocal taken
            if taken == len(sent):
                await asyncio.Event().wait()
            taken += 1
            return {"type": "http.request", "body": sent[taken - 1], "more_body": taken < len(sent)}

        async def keep(message):
            messages.append(message)

        await gate_of().wrap(answering)({"type": "http", "path": path, "query_string": b""}, receive, keep)
        return messages[0]["status"], taken

    assert asyncio.run(ask()) == (status, read)


def test_a_view_over_a_large_table_is_not_streamed_either(full_site):
    for name in ("postcodes", "postcode_places", "postcode_figures"):
        answer = asyncio.run(full_site.client.get(f"/census/{name}.csv?_stream=on"))
        assert (answer.status_code, "/download" in answer.text) == (400, True), name
    answer = asyncio.run(full_site.client.get("/census/lsoas_2021.csv?_stream=on&_size=max"))
    assert answer.text.count("\n") > 30_000


@pytest.mark.parametrize("database", ["extract_db", "full_build"])
def test_no_row_that_is_published_is_near_the_longest_that_can_be_read(request, database):
    found = request.getfixturevalue(database)
    connection = sqlite3.connect(getattr(found, "path", found))
    longest = 0
    for name, type_ in connection.execute("select name, type from pragma_table_list where schema = 'main'").fetchall():
        if type_ == "table":
            columns = [row[0] for row in connection.execute("select name from pragma_table_xinfo(?)", (name,))]
            size = " + ".join(f'coalesce(length(cast("{column}" as blob)), 0)' for column in columns)
            longest = max(longest, connection.execute(f"select coalesce(max({size}), 0) from {name}").fetchone()[0])
    assert 500 < longest < 16_384 * 2 / 3


def test_a_canned_query_with_other_line_breaks_is_anyone_s_sql(extract_site):
    """Where a comment of it ends decides what it does, so only its own text runs in the server."""
    asyncio.run(extract_site.invoke_startup())
    processes = Site.of(extract_site).sql
    sql = extract_site.metadata("queries", database="census")["imd_by_postcode"]["sql"]
    assert "--" in sql
    ran, run = [], processes.run
    processes.run = lambda *given: ran.append(given[0]) or run(*given)
    try:
        for text in (sql, sql.replace("\n", " ")):
            asked(extract_site, text)
    finally:
        del processes.run
    assert sql.replace("\n", " ") in ran
    assert sql not in ran
