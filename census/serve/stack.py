"""Runs Datasette's workers behind Caddy, and changes the database under them without a gap.

    python serve_many.py                    starts all of it on http://127.0.0.1:8000
    python serve_many.py --swap new.db      puts a checked new.db in census.db's place, and the workers over to it

Workers serve a copy of census.db that nobody else touches, in .serve/: whatever happens to the file, they answer from
the one that they began with. One worker more answers pages of areas, tables, SQL of one's own and GraphQL; the
Caddyfile says which addresses go where. One that ends is started again. SIGHUP takes the workers over to the census.db
there is, one at a time, each after it has answered what it was asked; SIGTERM and SIGINT end all of it.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

from census.terminal import write_any_character

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("plugins", "templates", "static", "metadata.yml", "settings.json")
MAP = "uk.mbtiles"  # beside the database, in maps/
UTF8 = {"PYTHONUTF8": "1"}  # Datasette reads metadata.yml in the encoding of the locale
START_S = 60  # a worker has this long to be ready
SEEN_S = 1.5  # after this long Caddy, which asks every half second, knows whether a worker is ready
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DRAIN_S = 15  # a worker has this long to answer what it was asked


class Refused(Exception):
    """What was asked for cannot be done; the message says why."""


def say(text: str) -> None:
    """Print a line; where it cannot be written (a full disk) the work goes on without it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def digest_of(database: Path) -> str:
    """Return the digest in the database file. Raises Refused for what is no such file."""
    if not database.is_file():
        raise Refused(f"There is no {database}: build one with build_db.py.")
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            digest: str = connection.execute("select digest from edition").fetchone()[0]
    except (sqlite3.Error, TypeError) as error:
        raise Refused(f"{database} is not a census.db: {error}") from None
    return digest


def check(database: Path, called: Path, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Verify every row of the database with build_db.py. Raises Refused with what it says of what is `called` so.

    meanwhile: called a few times a second.
    """
    command = [sys.executable, str(ROOT / "build_db.py"), "--check", str(database)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            meanwhile()
            time.sleep(0.1)
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            failed = "\n".join(line for line in lines if not line.startswith("ok "))[:2000]
            raise Refused(f"{called} was refused:\n{failed.replace(str(database), str(called))}")


def is_as_built(database: Path) -> bool:
    """Return whether the inspect-data.json beside the file says that it is, byte by byte, as built."""
    try:
        described = json.loads(database.with_name("inspect-data.json").read_text("utf-8"))["census"]
    except (OSError, ValueError, KeyError):
        described = {}
    with database.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return bool(digest == described.get("hash"))


class WorkerState(TypedDict):
    """What state.json says of a worker."""

    name: str
    pid: int
    port: int


class State(TypedDict, total=False):
    """What state.json says: the processes, the port of Caddy, the database, and how the last take-over went."""

    reloads: int
    problem: str | None
    pid: int
    port: int
    digest: str
    caddy: int
    workers: list[WorkerState]


class Worker:
    """One Datasette process on a port of its own."""

    def __init__(self, name: str, open_to_sql: bool) -> None:
        self.name, self.open_to_sql = name, open_to_sql
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None
        self.started = 0.0

    def start(self, folder: Path) -> None:
        """Start it over `folder`."""
        command = [sys.executable, "-m", "datasette", folder, "--host", "127.0.0.1", "--port", self.port]
        self.process = subprocess.Popen(
            [*map(str, command)],
            cwd=ROOT,
            env={"MALLOC_ARENA_MAX": "2", **os.environ, **UTF8},
            stdin=subprocess.DEVNULL,
        )
        self.folder, self.started = folder, time.monotonic()
        if self.open_to_sql and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, self.process.pid, 10)  # what it starts has it too

    def wait_until_ready(self, digest: str) -> None:
        """Return when it answers from the database with this digest. Raises Refused where it does not."""
        address = f"http://127.0.0.1:{self.port}/-/ready?digest={digest}"
        end, told = time.monotonic() + START_S, "no answer"
        while time.monotonic() < end:
            process = running(self.process, self.name)
            if process.poll() is not None:
                raise Refused(f"{self.name} ended with status {process.returncode}")
            try:
                urllib.request.urlopen(address, timeout=5).close()
                return
            except urllib.error.HTTPError as error:
                told = error.read().decode(errors="replace")[:500]
            except OSError:
                pass
            time.sleep(0.05)
        raise Refused(f"{self.name} was not ready after {START_S} s: {told}")

    def stop(self, drain: bool) -> None:
        """End it. drain: after Caddy has seen that it is about to stop, and it has answered what it was asked."""
        if self.process is None or self.process.poll() is not None:
            return
        if drain:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(SEEN_S)
        self.process.terminate()
        try:
            self.process.wait(DRAIN_S if drain else 3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def running(process: subprocess.Popen[bytes] | None, name: str) -> subprocess.Popen[bytes]:
    """Return the process. Raises Refused where `name` was not started yet."""
    if process is None:
        raise Refused(f"{name} was not started yet")
    return process


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def taken(port: int) -> bool:
    """Return whether somebody listens on this port of the address that Caddy is to listen on, BIND_ADDRESS."""
    address = (os.environ.get("BIND_ADDRESS") or "127.0.0.1").split()[0]
    address = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(address, address)  # noqa: S104
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def buffering() -> str:
    """Return how the installed Caddy is told to read a request whole before it passes it on."""
    told = subprocess.run(
        ["caddy", "version"], capture_output=True, encoding="utf-8", errors="replace", check=True
    ).stdout
    version = re.search(r"(\d+)\.(\d+)", told)
    if version and (int(version[1]), int(version[2])) < (2, 7):
        return "buffer_requests"
    return "request_buffers 2MiB"


def strip_prefix() -> str:
    """Return what makes Caddy take the prefix of settings.json (base_url) off the paths that have it; empty without."""
    prefix: str = json.loads((ROOT / "settings.json").read_text("utf-8")).get("base_url", "").rstrip("/")
    return f"uri strip_prefix {prefix}" if prefix else ""


def site_address(told: str) -> str:
    """Return SITE_ADDRESS as Caddy is told it: one of plain HTTP that names a host answers by any other name too.

    By a name that it does not know Caddy gives an empty 200, which a load balancer would take for ready.
    """
    named = re.fullmatch(r"http://[^\s,:/]+(:\d+)?/?", told)
    return f"{told}, http://{named[1] or ':80'}" if named else told


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy the file. Raises OSError, which names the file that could not be read or written."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        # shutil names the source first, also where it is the target that has no room.
        failed = target if error.filename2 or error.errno in NO_ROOM else error.filename
        raise OSError(error.errno, error.strerror, str(failed)) from None


def copy_folder(source: Path, target: Path, copy: Callable[[str, str], object]) -> None:
    """Copy the folder, each file by `copy`, into one that may exist. Raises OSError as `copy_file` does."""

    def copied(file: str, to: str) -> None:
        try:
            copy(file, to)
        except OSError as error:
            raise CopyError(error) from None  # copytree would go on, and then say what failed in a list

    try:
        shutil.copytree(source, target, copy_function=copied, dirs_exist_ok=True)
    except CopyError as error:
        raise error.error from None


class CopyError(Exception):
    """What ends the copying of a folder: the error of a file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def reason(error: Exception) -> str:
    """Return an error as a sentence for people, which begins with the file."""
    if isinstance(error, OSError):
        return f"{error.filename or 'serve_many.py'}: {error.strerror or error}"
    return str(error)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Link the file under another name, or copy it where there are no links.

    A build replaces files, it writes in none.
    """
    try:
        os.link(source, target)
    except OSError:
        copy_file(source, target)


class Stack:
    """Caddy and the workers over one database file; `state` is what others may read of it, in state.json."""

    def __init__(self, database: Path, home: Path, workers: int, port: int) -> None:
        self.database, self.home, self.port = database, home, port
        self.workers = [Worker(f"worker {n + 1}", False) for n in range(workers)] + [Worker("the open worker", True)]
        self.caddy: subprocess.Popen[bytes] | None = None
        self.digest = ""
        self.asked_to_end = self.asked_to_reload = self.untold = False
        self.state: State = {"reloads": 0, "problem": None}

    def run(self) -> None:
        """Serve until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "asked_to_end", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "asked_to_reload", True))
        if not shutil.which("caddy"):
            raise Refused("There is no program caddy: https://caddyserver.com/docs/install (Debian: apt install caddy)")
        digest = digest_of(self.database)
        self.home.mkdir(exist_ok=True)
        with (self.home / "lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"serve_many.py runs already in {self.home}: --home names another folder.") from None
            if "SITE_ADDRESS" not in os.environ and taken(self.port):
                left = self.home / "state.json"
                ours = f" If serve_many.py was killed, end the processes that {left} names." if left.exists() else ""
                raise Refused(f"Port {self.port} is taken: --port names another one.{ours}")
            self.serve(digest)

    def serve(self, digest: str) -> None:
        """Start all of it over the database with this digest, and keeps it running until asked to end."""
        for left in self.home.glob("edition-*"):
            shutil.rmtree(left)
        try:
            self.digest = digest
            folder = self.copied(digest)
            self.check_copy(folder)
            for worker in self.workers:
                worker.start(folder)
            for worker in self.workers:
                worker.wait_until_ready(digest)
            self.start_caddy()
            self.tell()
            self.wait_until_caddy_is_ready()
            address = os.environ.get("SITE_ADDRESS", f"http://127.0.0.1:{self.port}")
            say(f"{len(self.workers) - 1} workers and one for SQL behind {address}")
            while not self.asked_to_end:
                if self.asked_to_reload:
                    self.asked_to_reload = False
                    self.reload()
                self.revive()
                time.sleep(0.1)
        finally:
            self.end()

    def folder(self, digest: str) -> Path:
        """Return the folder that workers over the database with this digest serve."""
        return self.home / f"edition-{digest[:16]}"

    def copied(self, digest: str) -> Path:
        """Return that folder, made if there is none. Raises Refused where the copy is not the database it should be."""
        folder = self.folder(digest)
        if folder.exists():
            self.take_map(folder)
            return folder
        making = folder.with_suffix(".part")
        shutil.rmtree(making, ignore_errors=True)
        try:
            self.copy_into(making, digest)
        except (Refused, OSError):
            shutil.rmtree(making, ignore_errors=True)  # it would keep a full disk full
            raise
        making.rename(folder)
        return folder

    def copy_into(self, making: Path, digest: str) -> None:
        """Fill the folder `making`. Raises Refused where the copy is not the database it should be."""
        making.mkdir()
        for name in SHOWN:
            (making / name).symlink_to(ROOT / name)
        copy_file(self.database, making / "census.db")
        if digest_of(making / "census.db") != digest:
            raise Refused(f"{self.database} changed while it was read")
        if (inspected := self.database.with_name("inspect-data.json")).exists():
            copy_file(inspected, making / "inspect-data.json")
        if (downloads := self.database.with_name("downloads") / digest[:16]).exists():
            copy_folder(downloads, making / "downloads" / digest[:16], link_or_copy)
        self.take_map(making)

    def check_copy(self, folder: Path, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Check the copy in `folder`, and note that it was: each worker would check every row again. Raises Refused."""
        if is_as_built(copy := folder / "census.db"):
            return
        check(copy, self.database, meanwhile)
        describe(copy)

    def take_map(self, folder: Path) -> None:
        """Give `folder` the map beside the database, if there is one; workers see it when they start."""
        there, here = self.database.with_name("maps") / MAP, folder / "maps" / MAP
        if there.exists() and not (here.exists() and here.samefile(there)):
            here.parent.mkdir(exist_ok=True)
            here.unlink(missing_ok=True)  # workers have it open
            link_or_copy(there, here)

    def start_caddy(self) -> None:
        """Start Caddy in front of the workers."""
        upstreams: dict[bool, list[str]] = {True: [], False: []}
        for worker in self.workers:
            upstreams[worker.open_to_sql].append(f"127.0.0.1:{worker.port}")
        usual = {"GUIDE": str(ROOT / "site"), "BUFFERING": buffering(), "PREFIX": strip_prefix()}
        ours = {
            "SITE_ADDRESS": site_address(os.environ.get("SITE_ADDRESS", f"http://:{self.port}")),
            "UPSTREAMS": " ".join(upstreams[False]),
            "OPEN_UPSTREAMS": " ".join(upstreams[True]),
            "DATABASE": str((self.home / "current").absolute()),
        }
        command = ["caddy", "run", "--config", str(ROOT / "Caddyfile"), "--adapter", "caddyfile"]
        environment = {**usual, **os.environ, **ours}
        for folder in ("GUIDE", "DATABASE"):  # between quotation marks in the Caddyfile
            environment[folder] = environment[folder].replace('"', '\\"')
        self.caddy = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)

    def wait_until_caddy_is_ready(self) -> None:
        """Return when Caddy takes connections, or all of it is to end. Raises Refused where Caddy ends instead."""
        while not self.asked_to_end:
            caddy = running(self.caddy, "Caddy")
            if caddy.poll() is not None:
                raise Refused(f"Caddy ended with status {caddy.returncode}")
            if taken(self.port) or "SITE_ADDRESS" in os.environ:
                return
            time.sleep(0.05)

    def revive(self) -> None:
        """Start again what has ended, a second at the earliest after it was started."""
        caddy = running(self.caddy, "Caddy")
        changed = caddy.poll() is not None
        if changed:
            say(f"Caddy ended with status {caddy.returncode}; it is started again")
            time.sleep(0.2)
            self.start_caddy()
        for worker in self.workers:
            process = running(worker.process, worker.name)
            if process.poll() is not None and time.monotonic() > worker.started + 1:
                say(f"{worker.name} ended with status {process.returncode}; it is started again")
                try:
                    worker.start(worker.folder or self.folder(self.digest))
                except OSError as error:  # no process is to be had just now
                    worker.started = time.monotonic()
                    say(f"{worker.name} could not be started: {reason(error)}")
                changed = True
        if changed or self.untold:
            self.tell_if_possible()

    def reload(self) -> None:
        """Take the workers over to the database there is; a bad one is refused, and the old one kept."""
        old, problem = self.digest, None
        try:
            new = digest_of(self.database)
            folder = self.copied(new)
            # The copy, which nobody changes any more.
            self.check_copy(folder, self.revive)
            self.take_over(new, folder)
            say(f"census.db {new[:16]} is served")
        except (Refused, OSError) as error:
            problem = reason(error)
            say(f"{problem}\ncensus.db {old[:16]} is served as before; put a good one in its place before a restart.")
        served = {self.folder(self.digest), *(worker.folder for worker in self.workers)}
        for left in self.home.glob("edition-*"):
            if left not in served:
                shutil.rmtree(left, ignore_errors=True)
        self.state |= {"reloads": self.state["reloads"] + 1, "problem": problem}
        self.tell_if_possible()

    def take_over(self, digest: str, folder: Path) -> None:
        """Take each worker in turn over to `folder`; where one does not come up, all go back and Refused is raised."""
        old, done = self.digest, []
        try:
            for worker in self.workers:
                worker.stop(drain=True)
                done.append(worker)
                worker.start(folder)
                worker.wait_until_ready(digest)
                time.sleep(SEEN_S)
                self.revive()
        except (Refused, OSError):
            for worker in done:
                self.take_back(worker, old, drain=worker is not done[-1])
            raise
        self.digest = digest

    def take_back(self, worker: Worker, digest: str, drain: bool) -> None:
        """Start a worker over the database that was served before. One that does not come up, `revive` starts again."""
        try:
            worker.stop(drain)
            worker.folder = self.folder(digest)
            worker.start(worker.folder)
            worker.wait_until_ready(digest)
            time.sleep(SEEN_S)
        except (Refused, OSError) as error:
            say(f"{worker.name} is not back yet: {reason(error)}")

    def tell(self) -> None:
        """Write state.json, and where Caddy finds the file to download."""
        pointing = self.home / "current.part"
        pointing.unlink(missing_ok=True)
        pointing.symlink_to(self.folder(self.digest).resolve())
        pointing.replace(self.home / "current")
        self.state |= {"pid": os.getpid(), "port": self.port, "digest": self.digest}
        self.state["caddy"] = running(self.caddy, "Caddy").pid
        self.state["workers"] = [
            {"name": worker.name, "pid": running(worker.process, worker.name).pid, "port": worker.port}
            for worker in self.workers
        ]
        writing = self.home / "state.part"
        writing.write_text(json.dumps(self.state, indent=1), "utf-8")
        writing.replace(self.home / "state.json")

    def tell_if_possible(self) -> None:
        """Write state.json, or else, on a full disk, have it tried again: whoever asks for a page need not care."""
        try:
            self.tell()
        except OSError as error:
            if not self.untold:
                say(reason(error))
            self.untold = True
        else:
            self.untold = False

    def end(self) -> None:
        """End Caddy, then the workers."""
        for process in filter(None, [self.caddy, *(worker.process for worker in self.workers)]):
            process.terminate()
        for process in filter(None, [self.caddy, *(worker.process for worker in self.workers)]):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        (self.home / "state.json").unlink(missing_ok=True)
        for left in self.home.glob("edition-*"):
            shutil.rmtree(left, ignore_errors=True)


def describe(database: Path) -> None:
    """Write the inspect-data.json of a census.db beside it. Raises Refused with what Datasette says."""
    command = [sys.executable, "-m", "datasette", "inspect", database.name, "--inspect-file", "inspect-data.json"]
    done = subprocess.run(
        command,
        cwd=database.parent,
        env={**os.environ, **UTF8},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        file = database.with_name("inspect-data.json")
        raise Refused(f"{file} could not be written: {done.stderr.strip()[-2000:]}")


def put_in_place(new: Path, database: Path, digest: str) -> None:
    """Put `new`, with the map and the downloads beside it, in the place of `database`.

    Nothing is replaced before all of it is copied. Raises Refused where a file cannot be written, and names it.
    """
    making = database.with_name(f".{database.name}.swap")
    shutil.rmtree(making, ignore_errors=True)  # of a swap that was killed
    beside = {database: making / database.name}
    there, here = (file.with_name("maps") / MAP for file in (new, database))
    new_map = here.with_name(f".{MAP}.swap")
    downloads, published = (file.with_name("downloads") / digest[:16] for file in (new, database))
    try:
        making.mkdir()
        copy_file(new, beside[database])
        if database.name == "census.db":
            describe(beside[database])
            beside[database.with_name("inspect-data.json")] = making / "inspect-data.json"
        if there.exists() and there.resolve() != here.resolve():
            here.parent.mkdir(exist_ok=True)
            copy_file(there, new_map)
            beside[here] = new_map
        if downloads.exists() and downloads.resolve() != published.resolve():
            copy_folder(downloads, published, copy_file)
        for file, copy in beside.items():
            os.replace(copy, file)
    except (Refused, OSError) as error:
        raise Refused(f"{reason(error)}\n{database} is as it was.") from None
    finally:
        new_map.unlink(missing_ok=True)
        shutil.rmtree(making, ignore_errors=True)


@contextlib.contextmanager
def one_swap_at_a_time(database: Path) -> Iterator[None]:
    """Lock the folder of `database` as long as it is swapped. Raises Refused where another process does."""
    try:
        folder = os.open(database.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise Refused(f"{reason(error)}\nNothing was changed.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise Refused(
            f"Another swap of {database} is running. Wait until it has ended, then try again.\nNothing was changed."
        ) from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(folder)


def swap(new: Path, database: Path, home: Path) -> None:
    """Put `new`, which is checked first, in the place of `database`, and the workers over to it. Raises Refused."""
    with one_swap_at_a_time(database):
        try:
            digest = digest_of(new)
            check(new, new)
        except Refused as error:
            raise Refused(f"{error}\nNothing was changed.") from None
        if new.resolve() != database.resolve():
            put_in_place(new, database, digest)
        take_workers_over(digest, home)


def take_workers_over(digest: str, home: Path) -> None:
    """Tell the running serve_many.py to take its workers over, and wait until it has. Raises Refused."""
    try:
        before = json.loads((home / "state.json").read_text("utf-8"))
        os.kill(before["pid"], signal.SIGHUP)
    except (OSError, ValueError):
        say("The file is in its place. serve_many.py is not running; a server that is must be restarted.")
        return
    while True:
        time.sleep(0.2)
        try:
            state = json.loads((home / "state.json").read_text("utf-8"))
        except OSError:
            raise Refused("serve_many.py ended meanwhile") from None
        if state["reloads"] > before["reloads"]:
            break
    if state["digest"] != digest:
        raise Refused(f"The workers were not taken over: {state['problem']}")
    say(f"Every worker serves {digest[:16]}.")


def main(arguments: list[str] | None = None) -> int:
    """Return the command; see the module's text."""
    write_any_character()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="workers beside the one for SQL (2)")
    parser.add_argument("--port", type=int, default=8000, help="Caddy's, on this machine (8000)")
    parser.add_argument("--database", type=Path, default=ROOT / "census.db", help="the file to serve (census.db)")
    parser.add_argument("--home", type=Path, default=ROOT / ".serve", help="where copies and state are kept (.serve)")
    parser.add_argument("--swap", type=Path, metavar="FILE", help="a new database to check and to take over to")
    asked = parser.parse_args(arguments)
    if not 1 <= asked.workers <= 64:
        parser.error(f"--workers must be 1 to 64, not {asked.workers}")
    try:
        if asked.swap:
            swap(asked.swap, asked.database, asked.home)
        else:
            Stack(asked.database, asked.home, asked.workers, asked.port).run()
    except Refused as error:
        say(reason(error))
    except OSError as error:
        say(reason(error))
    else:
        return 0
    return 1
