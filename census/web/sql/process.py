"""Run user-supplied SQL in processes of its own: tables, facets, `?sql=` and the rows of GraphQL.

SQLite's planner knows no limit: a statement of 904 bytes takes 4 GB while it is prepared, and `interrupt()` does
nothing there. So what people write runs in `worker.py`, within limits of memory, files and time; one that is not
done at its deadline is killed. Lookups go on meanwhile, on the server's own connections.

The seam is `Database.execute` of Datasette 0.65, and `execute_fn` beneath it. Statements that stand in metadata.yml or
in Datasette's own code, and take nothing but parameters from a request, stay with the server. Those of a request that
is counted (it has a budget) run in threads of their own, so that the threads of lookups stay free.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from datasette.database import Database, QueryInterrupted, Results, connections

from census.web.sql import worker as sql_worker
from census.web.sql.sandbox import WATCH, Running, Value

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parents[3]
GRACE_S = 0.15  # after the limit of its statement a process has this long to say so, then it is killed
START_S = 20.0  # a process has this long to start and answer its first statement
BROKEN = "the statement needs more memory than it may have: ask for less"

INTROSPECTION = (
    "PRAGMA schema_version",
    "PRAGMA database_list;",
    "select name from sqlite_master where type='table'",
    "select name from sqlite_master where type='view'",
    "select 1 from sqlite_master where type='table' and name=?",
    "select name from sqlite_master where type in ('table', 'view') and name = ? collate nocase",
    "select sql from sqlite_master where name = :n and type=:t",
    "select sql from sqlite_master where tbl_name = :n and type='index' and sql is not null",
    "select * from sqlite_master WHERE type = 'table'",
    "select name from sqlite_master where rootpage = 0 and ( sql like '%VIRTUAL TABLE%USING FTS%' )"
    " or name in ('sqlite_stat1', 'sqlite_stat2', 'sqlite_stat3', 'sqlite_stat4')",
)
"""Statements of Datasette's own: pages of canned queries, and the limits themselves, wait for nobody's SQL."""


class Budget:
    """The time that the statements of one request may still take together, and how many run or wait to run."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.running = 0
        self.ended = False
        self.lock = threading.Lock()
        self.waiting: Callable[[], object] | None = None

    def begin(self) -> bool:
        """Count a statement that is submitted. Return False, and count none, where the request has ended."""
        with self.lock:
            self.running += not self.ended
            return not self.ended

    def limit(self, limit_ms: int) -> int:
        """Return the time that a statement may take that begins to run, in ms, which may be none."""
        with self.lock:
            return min(limit_ms, int(1000 * self.left))

    def spend(self, seconds: float) -> None:
        """Take off the time that a statement took."""
        with self.lock:
            self.left -= seconds

    def end(self) -> None:
        """End a statement that was counted, whether it ran or not."""
        with self.lock:
            self.running -= 1
            waiting, self.waiting = (None, self.waiting) if self.running else (self.waiting, None)
        if waiting:
            with contextlib.suppress(RuntimeError):  # the loop of the server is closed: it ends
                waiting()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """End the request; call `callback` once no statement is left: at once, or from the thread of the last one."""
        with self.lock:
            self.ended = True
            if self.running:
                self.waiting = callback
                return
        callback()


BUDGET: ContextVar[Budget | None] = ContextVar("sql_budget", default=None)


class Ended(Exception):
    """A process ended before it answered."""


class SqlProcess:
    """One process for SQL, started when it is needed, and again after it has ended. For one thread at a time."""

    def __init__(self, database: Path, immutable: bool, plugins: Path) -> None:
        self.command = [sys.executable, "-m", "census.web.sql.worker", str(database)]
        self.command += ["immutable" if immutable else "mutable", str(plugins)]
        self.process: subprocess.Popen[bytes] | None = None

    def ready(self) -> "subprocess.Popen[bytes]":
        """Return the process, started where it is not there. Raises Ended where it does not start."""
        if self.process is not None and self.process.poll() is None:
            return self.process
        self.end()
        path = os.pathsep.join([*filter(None, sys.path), str(ROOT)])
        try:
            process = self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
            )
        except OSError:  # the machine has no more processes, files or memory
            raise Ended from None
        self.read(process, START_S)
        return process

    def read(
        self, process: "subprocess.Popen[bytes]", seconds: float, request: tuple[object, ...] | None = None
    ) -> tuple[Any, ...]:
        """Return what the process says, to a request or that it is ready.

        Raises Ended where it says nothing for this long, ends, or says what is no answer. Then it is killed: what it
        said next would be of another statement.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        running = Running(process.kill, time.monotonic() + seconds)
        WATCH.begin(running)
        try:
            if request is not None:
                sql_worker.write_message(process.stdin, request)
            answer: tuple[Any, ...] = sql_worker.read_message(process.stdout)
        except (EOFError, OSError, ValueError, TypeError):  # the latter two of what cannot be unpacked
            running.end()
            self.end()
            raise Ended from None
        finally:
            running.end()
        if running.stopped or process.poll() is not None:
            self.end()
        return answer

    def end(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not sent yet has nobody to go to
                if stream is not None:
                    stream.close()


class SqlProcesses:
    """As many processes as may run user-supplied SQL at once, for one database.

    trusted: statements that stay with the server. limit_ms: the time limit of a statement. rewrite: changes each
    statement before it runs.
    """

    def __init__(
        self, database: Database, at_once: int, trusted: Iterable[str], limit_ms: int, rewrite: Callable[[str], str]
    ) -> None:
        self.database, self.limit_ms, self.rewrite = database, limit_ms, rewrite
        self.trusted = {sql.strip() for sql in trusted}  # to the letter: other line breaks would end comments elsewhere
        self.with_server, self.fn_with_server = database.execute, database.execute_fn
        self.threads = ThreadPoolExecutor(at_once, "user sql")
        self.own_threads = ThreadPoolExecutor(at_once, "own sql")
        path = Path(str(database.path)).resolve()
        plugins = Path(database.ds.plugins_dir or ROOT / "plugins").resolve()
        self.idle = [SqlProcess(path, not database.is_mutable, plugins) for _ in range(at_once)]

    async def execute(
        self,
        sql: str,
        params: Mapping[str, Value] | Iterable[Value] | None = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = False,
    ) -> Results:
        """Return what Database.execute does. Raises sqlite3.Error, QueryInterrupted."""
        sql = self.rewrite(sql)
        if sql.strip() in self.trusted or " ".join(sql.split()) in INTROSPECTION:
            return await self.with_server(sql, params, truncate, custom_time_limit, page_size, log_sql_errors)
        limit = min(custom_time_limit or self.limit_ms, self.limit_ms)
        most_rows = self.database.ds.max_returned_rows if truncate else None
        if most_rows is not None and most_rows == (page_size or self.database.ds.page_size):
            most_rows += 1
        budget = BUDGET.get() or Budget(limit / 1000)
        return await counted(budget, self.threads, self.run, sql, plain(params), most_rows, limit, budget)

    async def execute_fn(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what Database.execute_fn does: `function` of a connection of the server's own."""
        budget = BUDGET.get()
        if budget is None or self.database.ds.executor is None:
            result: Result = await self.fn_with_server(function)
            return result
        return await counted(budget, self.own_threads, self.on_connection, function)

    def on_connection(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return `function` of the calling thread's connection, which is opened as Datasette does."""
        connection = getattr(connections, self.database.name, None)
        if connection is None:
            connection = self.database.connect()
            self.database.ds._prepare_connection(connection, self.database.name)
            setattr(connections, self.database.name, connection)
        return function(connection)

    def run(
        self, sql: str, params: sql_worker.Parameters, most_rows: int | None, limit: int, budget: Budget
    ) -> Results:
        """Run a statement in a process, in the calling thread."""
        process = self.idle.pop()
        limit = budget.limit(limit)
        started = time.monotonic()
        try:
            running = process.ready()
            started = time.monotonic()
            if limit <= 0:
                raise interrupted(sql, params)
            kind, *parts = process.read(running, limit / 1000 + GRACE_S, (sql, params, most_rows, limit))
        except Ended:
            if time.monotonic() - started >= limit / 1000:
                raise interrupted(sql, params) from None
            raise sqlite3.OperationalError(BROKEN) from None
        finally:
            self.idle.append(process)
            budget.spend(time.monotonic() - started)
        if kind == "error":
            name, message = parts
            if message == "interrupted":
                raise interrupted(sql, params)
            # Datasette takes no other error of SQLite's for one of the statement.
            error = sqlite3.OperationalError if issubclass(getattr(sqlite3, name), sqlite3.Error) else sqlite3.Warning
            raise error(message)
        rows, truncated, names = parts
        cursor = cursor_of(names)
        return Results([sqlite3.Row(cursor, row) for row in rows], truncated, cursor.description)

    async def ready(self) -> None:
        """Start the processes that are not there, which is no request's fault."""
        loop = asyncio.get_running_loop()
        missing = [process for process in self.idle if process.process is None]
        await asyncio.gather(*(loop.run_in_executor(self.threads, self.start_one) for _ in missing))

    def start_one(self) -> None:
        """Start a process that is not there, if there is one, in the calling thread."""
        process = self.idle.pop(0)  # those that were used last are at the end
        try:
            process.ready()
        except Ended:
            pass  # a statement finds that out, and says so
        finally:
            self.idle.append(process)


async def counted(budget: Budget, threads: Executor, function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what `function` does in a thread; until then, or until it is given up unbegun, its budget counts it.

    Raises CancelledError where the request has ended: nobody waits for what it asks.
    """
    if not budget.begin():
        raise asyncio.CancelledError
    try:
        submitted = threads.submit(function, *arguments)
    except RuntimeError:  # the server ends
        budget.end()
        raise
    submitted.add_done_callback(lambda _: budget.end())
    return await asyncio.wrap_future(submitted)


async def own_rows(database: Database, sql: str, parameters: Mapping[str, Value] | None = None) -> list[sqlite3.Row]:
    """Return the rows of a statement that this program wrote itself, on the server's own connections."""
    rows: list[sqlite3.Row] = await database.execute_fn(
        lambda connection: connection.execute(sql, parameters or {}).fetchall()
    )
    return rows


def interrupted(sql: str, params: object) -> QueryInterrupted:
    """Return Datasette's error for a statement that took too long."""
    return QueryInterrupted(sqlite3.OperationalError("interrupted"), sql, params)


def plain(params: Mapping[str, Value] | Iterable[Value] | None) -> sql_worker.Parameters:
    """Return parameters of a statement as plain values, which `marshal` takes."""
    if params is None:
        return {}
    if isinstance(params, Mapping):
        return {str(name): _plain(value) for name, value in params.items()}
    return [_plain(value) for value in params]


def _plain(value: Value) -> Value:
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)
    return value


def cursor_of(names: Iterable[str]) -> sqlite3.Cursor:
    """Return a cursor whose columns have these names: what a sqlite3.Row is made with."""
    quoted = ('null as "' + name.replace('"', '""') + '"' for name in names)
    with NAMING_LOCK:
        cursor = NAMING.execute(f"select {', '.join(quoted) or 'null'}")
        cursor.fetchall()  # so that it holds nothing but the names
        return cursor


NAMING = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=0)
NAMING_LOCK = threading.Lock()
