"""Run Datasette's workers behind Caddy, and change the database under them without a gap: `serve_many.py`."""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from census.serve.caddy import buffering, site_address, strip_prefix, taken
from census.serve.database import ROOT, check, describe, digest_of, is_as_built
from census.serve.files import Refused, copy_file, copy_folder, link_or_copy, reason, say
from census.serve.swap import MAP, swap
from census.serve.worker import SEEN_S, Worker, running
from census.terminal import write_any_character

DESCRIPTION = """Runs Datasette's workers behind Caddy, and changes the database under them without a gap.

    python serve_many.py                    starts all of it on http://127.0.0.1:8000
    python serve_many.py --swap new.db      puts a checked new.db in census.db's place, and the workers over to it

Workers serve a copy of census.db that nobody else touches, in .serve/: whatever happens to the file, they answer from
the one that they began with. One worker more answers pages of areas, tables, SQL of one's own and GraphQL; the
Caddyfile says which addresses go where. One that ends is started again. SIGHUP takes the workers over to the census.db
there is, one at a time, each after it has answered its open requests; SIGTERM and SIGINT end all of it.
"""
SHOWN = ("plugins", "templates", "static", "metadata.yml", "settings.json")


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


class Stack:
    """Caddy and the workers over one database file; `state` is what others may read of it, in state.json."""

    def __init__(self, database: Path, home: Path, workers: int, port: int) -> None:
        self.database, self.home, self.port = database, home, port
        self.workers = [Worker(f"worker {n + 1}", False) for n in range(workers)] + [Worker("the open worker", True)]
        self.caddy: subprocess.Popen[bytes] | None = None
        self.digest = ""
        self.must_end = self.must_reload = self.untold = False
        self.state: State = {"reloads": 0, "problem": None}

    def run(self) -> None:
        """Serve until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "must_end", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "must_reload", True))
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
        """Start all of it over the database with this digest, and keep it running until a signal ends it."""
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
            while not self.must_end:
                if self.must_reload:
                    self.must_reload = False
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
        """Give `folder` the map of the database, if there is one; workers see it when they start."""
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
        while not self.must_end:
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status; see the module's text."""
    write_any_character()
    parser = argparse.ArgumentParser(description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="workers in addition to the one for SQL (2)"
    )
    parser.add_argument("--port", type=int, default=8000, help="Caddy's, on this machine (8000)")
    parser.add_argument("--database", type=Path, default=ROOT / "census.db", help="the file to serve (census.db)")
    parser.add_argument("--home", type=Path, default=ROOT / ".serve", help="where copies and state are kept (.serve)")
    parser.add_argument("--swap", type=Path, metavar="FILE", help="a new database to check and to take over to")
    options = parser.parse_args(arguments)
    if not 1 <= options.workers <= 64:
        parser.error(f"--workers must be 1 to 64, not {options.workers}")
    try:
        if options.swap:
            swap(options.swap, options.database, options.home)
        else:
            Stack(options.database, options.home, options.workers, options.port).run()
    except Refused as error:
        say(reason(error))
    except OSError as error:
        say(reason(error))
    else:
        return 0
    return 1
