"""Bound what user-supplied SQL may do, how large its result is and how long it runs.

SQLite's own limits bound values, statements and programs; an authorizer allows reading, the functions of `FUNCTIONS`
and the few pragmas that Datasette asks for; a result above `MOST_BYTES` is refused; a watch interrupts what takes too
long. SQLite looks for interruptions between steps, so functions whose one call may take minutes are bounded
(`BOUNDED`). What none of this bounds, memory and the time that SQLite's planner takes, `process.py` does.
docs/security.md has the numbers.
"""

import contextlib
import heapq
import math
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

from census.web.concurrency.thread_priority import lower_thread_priority

Value = str | int | float | bytes | None
RowOf = Callable[[sqlite3.Cursor, tuple[Value, ...]], object]

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 16_384,  # bytes of a text, a blob, a row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,  # twice the longest canned query
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,  # of a program's length; Datasette's table pages need 25,000
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 2_000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
MOST_BYTES = 4_000_000  # of all texts and blobs of a result; numbers count 8
LONG_NAME = 64  # what the name of a column has beyond counts with each row: JSON repeats it there

PRAGMAS = set(
    "table_info table_xinfo foreign_key_list index_list index_xinfo database_list schema_version data_version"
    " recursive_triggers".split()
)
OURS = """
    normalise_postcode postcode_problem postcode_look_alikes imd_quantile distance_m number_between explain sentences
"""
DATASETTE = "escape_fts"
AGGREGATES = "avg count group_concat max min sum total"
WINDOWS = (
    "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value"  # with over ()
)
SCALARS = """
    abs char coalesce format glob hex ifnull iif instr length like likelihood likely lower ltrim nullif printf quote
    random replace round rtrim sign soundex sqlite_version substr substring trim typeof unicode unlikely upper zeroblob
"""
DATES = "date time datetime julianday unixepoch strftime current_date current_time current_timestamp"
MATHS = """
    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power
    radians sin sinh sqrt tan tanh trunc
"""
JSONS = """
    json json_array json_array_length json_each json_extract json_insert json_object json_patch json_quote json_remove
    json_replace json_set json_tree json_type json_valid -> ->>
"""  # json_group_array and json_group_object gather without a limit
SEARCH = "match bm25 highlight snippet"
FUNCTIONS = set(" ".join((OURS, DATASETTE, AGGREGATES, WINDOWS, SCALARS, DATES, MATHS, JSONS, SEARCH)).split())


def prepare_server_connection(connection: sqlite3.Connection, database: str | None) -> None:
    """Bound a connection of the server's own, in the thread that will use it: Datasette opens one in each."""
    if threading.current_thread() is not threading.main_thread():
        lower_thread_priority()
    if database == "census":  # Datasette writes to its own, `_internal`
        prepare(connection)


def prepare(connection: sqlite3.Connection, row: RowOf = sqlite3.Row, own: bool = True) -> None:
    """Put the limits, the authorizer and the bounded functions on a connection.

    row: makes a row of its values. own: whether the server's own statements run on it, which may ask for the file.
    """
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    rows = connection.row_factory = Rows(row)
    bounded(connection, rows)
    connection.set_authorizer(authorize if own else authorize_anyone)


def authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    """Tell SQLite whether a statement may do `action`: return SQLITE_OK or SQLITE_DENY."""
    if action in (sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() in FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = (first or "").lower() in PRAGMAS
    else:
        # A virtual table, such as FTS5's, declares its columns so. Nothing is written: the file is opened read-only.
        allowed = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def authorize_anyone(action: int, first: str | None, second: str | None, *_: object) -> int:
    """Tell SQLite whether user-supplied SQL may do `action`: none may ask where the file is."""
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() == "database_list":
        return sqlite3.SQLITE_DENY
    return authorize(action, first, second)


def long_format(text: object, *_: object) -> str | None:
    """Return why printf or format with this first argument is refused, None where it is not."""
    wide = re.search(r"%[^a-zA-Z%]*(\*|[0-9]{4,})", str(text))
    return wide and f"a width or precision in {wide[0]!r}: write one below 1000 as digits"


def long_set(_: object, characters: object = "") -> str | None:
    """Return why trim, ltrim or rtrim of these characters is refused, None where it is not."""
    return f"more than {MOST_TRIMMED} characters to trim" if len(str(characters)) > MOST_TRIMMED else None


MOST_TRIMMED = 100
Refused = Callable[..., str | None]
BOUNDED: dict[tuple[str, int], Refused] = {
    ("printf", -1): long_format,
    ("format", -1): long_format,
    ("trim", 2): long_set,
    ("ltrim", 2): long_set,
    ("rtrim", 2): long_set,
}


def bounded(connection: sqlite3.Connection, rows: "Rows") -> None:
    """Put the functions of BOUNDED in front of SQLite's own of these names, which then do the work."""
    plain = sqlite3.connect(":memory:", check_same_thread=False)
    plain.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMITS[sqlite3.SQLITE_LIMIT_LENGTH])

    def in_front(name: str, refused: Refused) -> Callable[..., Value]:
        def function(*arguments: Value) -> Value:
            if why := refused(*arguments):
                rows.refusal = f"{name}: {why}"
                raise ValueError(why)
            marks = ", ".join("?" * len(arguments))
            value: Value = plain.execute(f"select {name}({marks})", arguments).fetchone()[0]
            return value

        return function

    for (name, arguments), refused in BOUNDED.items():
        connection.create_function(name, arguments, in_front(name, refused), deterministic=True)


class Rows:
    """A row factory that stops a statement whose result grows beyond MOST_BYTES.

    It interrupts: raising here would leave the statement half read, and the interruptions of the next ones would stay.
    """

    def __init__(self, row: RowOf = sqlite3.Row) -> None:
        self.row = row
        self.refusal: str | None = None
        self.left: float = math.inf
        self.names: int | None = None

    def begin(self) -> None:
        """Begin a statement."""
        self.left, self.names = MOST_BYTES, None
        self.refusal = None

    def end(self) -> None:
        """End it; what Datasette reads of the schema apart from its statements is not counted."""
        self.left = math.inf

    def __call__(self, cursor: sqlite3.Cursor, values: tuple[Value, ...]) -> object:
        """Count a row, and return it."""
        if self.names is None:
            self.names = sum(max(0, len(column[0]) - LONG_NAME) for column in cursor.description)
        self.left -= self.names
        for value in values:
            self.left -= len(value) if isinstance(value, (str, bytes)) else 8
        if self.left < 0:
            self.refusal = f"the result is larger than {MOST_BYTES:,} bytes: ask for less"
            cursor.connection.interrupt()
        return self.row(cursor, values)


class Watch:
    """One thread that interrupts what runs beyond its deadline.

    Nothing of it runs while they do. A progress handler, as Datasette has it, needs Python's one lock every thousand
    steps, and is not called at all within a step, which may be a long one.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: list[tuple[float, int, Running]] = []
        self.thread: threading.Thread | None = None

    def begin(self, running: "Running") -> None:
        """Interrupt `running` at its deadline from now on."""
        with self.changed:
            if self.thread is None or not self.thread.is_alive():  # also after a fork
                self.thread = threading.Thread(target=self.run, name="sql time limit", daemon=True)
                self.thread.start()
            heapq.heappush(self.waiting, (running.deadline, id(running), running))
            if self.waiting[0][2] is running:
                self.changed.notify()

    def run(self) -> None:
        """Interrupt what is over its deadline, in a thread of its own, as long as the process runs."""
        while True:
            with self.changed:
                if not self.waiting:
                    self.changed.wait()
                    continue
                deadline, _, running = self.waiting[0]
                left = deadline - time.monotonic()
                if left > 0 and not running.ended:
                    self.changed.wait(left)
                    continue
                heapq.heappop(self.waiting)
            running.interrupt()


class Running:
    """A statement that runs until `deadline`, of time.monotonic(). stop: what interrupts it."""

    def __init__(self, stop: Callable[[], object], deadline: float) -> None:
        self.stop, self.deadline = stop, deadline
        self.ended = self.stopped = False
        self.lock = threading.Lock()  # so that the next statement of the connection is never interrupted instead

    def interrupt(self) -> None:
        """Interrupt the statement unless it has ended."""
        with self.lock:
            if not self.ended:
                self.stopped = True
                self.stop()

    def end(self) -> None:
        """End the statement."""
        with self.lock:
            self.ended = True


WATCH = Watch()


@contextlib.contextmanager
def time_limit(connection: sqlite3.Connection, ms: int) -> Iterator[None]:
    """Interrupt what runs on `connection` after `ms` milliseconds. Datasette calls it in place of its own."""
    rows = connection.row_factory if isinstance(connection.row_factory, Rows) else None
    if rows:
        rows.begin()
    running = Running(connection.interrupt, time.monotonic() + ms / 1000)
    WATCH.begin(running)
    try:
        yield
    except Exception:  # sqlite3.Error, or Datasette's QueryInterrupted, which it makes of one
        if rows and rows.refusal:
            raise sqlite3.OperationalError(rows.refusal) from None
        raise
    finally:
        running.end()
        if rows:
            rows.end()
