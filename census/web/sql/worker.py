"""Run user-supplied SQL in a process of its own, which `process.py` starts and ends.

    python -m census.web.sql.worker DATABASE immutable|mutable PLUGINS

It writes that it is ready, then reads requests from standard input and writes answers to standard output, each a
length and a `marshal` of plain values. What it may use of the machine is bounded here, and it may be killed at any
time: it holds nothing.
"""

import contextlib
import marshal
import os
import runpy
import signal
import sqlite3
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from datasette.utils import escape_fts

from census.web.sql import sandbox

HEAP = 32 << 20  # bytes that SQLite may allocate
MORE_SPACE = 256 << 20  # bytes of address space beyond those at the start
TEMPORARY = 64 << 20  # bytes of one temporary file, in which SQLite sorts
OPEN_FILES = 6  # temporary files and the database, opened again
PRIORITY = 5  # of niceness: what others ask for goes first
LENGTH = struct.Struct("!I")
LONGEST = 64 << 20
TOO_MUCH_MEMORY = f"the statement needs more than {HEAP >> 20} MB of memory: ask for less"

Row = tuple[sandbox.Value, ...]
Parameters = dict[str, sandbox.Value] | list[sandbox.Value]


def read_message(stream: IO[bytes]) -> Any:
    """Return the next message. Raises EOFError where there is none."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    size = LENGTH.unpack(head)[0]
    if size > LONGEST:
        raise EOFError
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return marshal.loads(body)


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write a message of plain values."""
    body = marshal.dumps(message)
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def bound_process() -> None:
    """Bound address space, files and priority of this process, as far as the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails instead of ending the process
        resource.setrlimit(resource.RLIMIT_FSIZE, (TEMPORARY, TEMPORARY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        files = len(os.listdir("/proc/self/fd")) + OPEN_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
        space = pages * resource.getpagesize() + MORE_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(PRIORITY)


def functions(plugins: Path) -> list[Callable[[sqlite3.Connection], None]]:
    """Return what registers the SQL functions of the folder `plugins`, those of its *_sql.py, on a connection."""
    return [runpy.run_path(str(path))["prepare_connection"] for path in sorted(plugins.glob("*_sql.py"))]


class Worker:
    """The database, opened for statements one after the other."""

    def __init__(self, uri: str, plugins: Path) -> None:
        self.uri = uri
        self.functions = functions(plugins)
        self.connection = self.opened()

    def opened(self) -> sqlite3.Connection:
        """Return a connection within all bounds."""
        connection = sqlite3.connect(self.uri, uri=True, check_same_thread=False)
        connection.text_factory = lambda text: str(text, "utf-8", "replace")  # this and escape_fts as Datasette has it
        connection.execute(f"pragma hard_heap_limit = {HEAP}")
        for register in self.functions:
            register(connection)
        connection.create_function("escape_fts", 1, escape_fts)
        sandbox.prepare(connection, lambda _cursor, values: values, own=False)
        return connection

    def run(self, sql: str, parameters: Parameters, most_rows: int | None, limit_ms: int) -> tuple[object, ...]:
        """Return ("rows", rows, whether there are more, names), or ("error", its class, its message).

        most_rows: as many rows are read, and one more to know whether there are more; None for all of them.
        """
        try:
            with sandbox.time_limit(self.connection, limit_ms):
                cursor = self.connection.cursor()
                cursor.execute(sql, parameters)
                rows: list[Row] = cursor.fetchall() if most_rows is None else cursor.fetchmany(most_rows + 1)
        except MemoryError:
            self.connection.close()  # and with it whatever it holds
            self.connection = self.opened()
            return "error", "OperationalError", TOO_MUCH_MEMORY
        except sqlite3.Error as error:
            return "error", type(error).__name__, str(error)
        except sqlite3.Warning as warning:
            return "error", "Warning", str(warning)
        except (OverflowError, UnicodeError) as error:  # of a parameter
            return "error", "ProgrammingError", str(error)
        names = [column[0] for column in cursor.description or ()]
        if most_rows is None:
            return "rows", rows, False, names
        return "rows", rows[:most_rows], len(rows) > most_rows, names


def main(database: str, mode: str, plugins: str) -> None:
    """Answer requests until there are no more."""
    uri = f"{Path(database).resolve().as_uri()}?{'immutable=1' if mode == 'immutable' else 'mode=ro'}"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the server ends this process
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else writes into the answers
    worker = Worker(uri, Path(plugins))
    sqlite3.enable_callback_tracebacks(False)  # they have the message of an error in an SQL function
    bound_process()
    write_message(answers, ("ready",))
    while True:
        try:
            write_message(answers, worker.run(*read_message(requests)))
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
