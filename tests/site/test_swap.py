"""serve_many.py --swap without a running server: a full disk, and two swaps at once. tests/stack/ has the rest."""

import errno
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from census.serve import stack as serve_many
from census.serve.database import digest_of, is_as_built
from census.serve.files import Refused
from census.serve.swap import put_in_place
from census.serve.worker import Worker
from tests.conftest import ROOT


@pytest.fixture
def published(extract_db, tmp_path) -> Path:
    """A database that is published, with its map and downloads; its content is its own."""
    shutil.copytree(extract_db.parent, tmp_path / "published")
    return tmp_path / "published" / "census.db"


@pytest.fixture
def new(extract_db, tmp_path) -> Path:
    """Another file to put in its place, with a map and downloads that are not there yet."""
    shutil.copytree(extract_db.parent, tmp_path / "new")
    return tmp_path / "new" / "census.db"


def swap(new: Path, database: Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "serve_many.py", "--database", database, "--home", database.parent / "home"]
    return subprocess.run([*command, "--swap", new], capture_output=True, encoding="utf-8", timeout=120, **options)


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_full_disk_names_the_file_that_could_not_be_written(published, new):
    published.with_name("census.db").write_bytes(b"what was there before")
    before = content(published.parent)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))  # noqa: E731, the check sorts in less
    done = swap(new, published, preexec_fn=limit)
    assert done.returncode == 1
    written = published.parent / ".census.db.swap" / "census.db"
    assert f"{written}: File too large\n{published} is as it was." in done.stderr
    assert str(new) not in done.stderr
    assert "Traceback" not in done.stderr
    assert content(published.parent) == before
    assert not list(published.parent.rglob(".*"))


def no_room(monkeypatch, full: str) -> None:
    """Let shutil fail as it does on a full disk where the target's path has `full` in it: it names the source first."""
    usual = shutil.copyfile

    def copyfile(source, target, **more):
        if full in str(target):
            Path(target).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))
        return usual(source, target, **more)

    monkeypatch.setattr(serve_many.shutil, "copyfile", copyfile)


@pytest.mark.parametrize("full", [".census.db.swap", ".uk.mbtiles.swap", "downloads/"])
def test_nothing_is_replaced_where_any_copy_has_no_room(published, new, monkeypatch, full):
    published.write_bytes(b"what was there before")
    (published.parent / "maps" / "uk.mbtiles").write_bytes(b"a map")
    shutil.rmtree(published.parent / "downloads")
    no_room(monkeypatch, full)
    with pytest.raises(Refused) as refused:
        put_in_place(new, published, digest_of(new))
    named, last = str(refused.value).splitlines()
    assert full in named
    assert named.startswith(str(published.parent))
    assert named.endswith(": No space left on device")
    assert str(new.parent) not in named
    assert last == f"{published} is as it was."
    assert published.read_bytes() == b"what was there before"
    assert (published.parent / "maps" / "uk.mbtiles").read_bytes() == b"a map"
    assert not list(published.parent.rglob(".*"))


def test_a_file_that_cannot_be_read_is_named_too(published, tmp_path):
    with pytest.raises(Refused, match=str(tmp_path / "gone.db")):
        put_in_place(tmp_path / "gone.db", published, "0" * 64)


def test_a_take_over_without_room_names_the_copy_and_keeps_what_is_served(published, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    stack = serve_many.Stack(published, home, 1, 0)
    stack.digest = "0" * 64
    monkeypatch.setattr(stack, "tell", lambda: None)
    no_room(monkeypatch, "edition-")
    stack.reload()
    copy = home / f"edition-{digest_of(published)[:16]}.part" / "census.db"
    assert stack.state["problem"] == f"{copy}: No space left on device"
    assert stack.state["reloads"] == 1
    assert list(home.iterdir()) == [], "it gives back the room that it took"


class Fake(Worker):
    """A worker without a process. fails: at which of its starts there is no process (-n: it does not come up)."""

    def __init__(self, fails: tuple[int, ...] = ()) -> None:
        super().__init__("worker", False)
        self.fails, self.starts = fails, []

    def start(self, folder: Path) -> None:
        self.starts.append(folder)
        if len(self.starts) in self.fails:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.folder = folder

    def wait_until_ready(self, digest: str) -> None:  # noqa: ARG002
        if -len(self.starts) in self.fails:
            raise Refused("not ready")

    def stop(self, drain: bool) -> None:
        pass


@pytest.mark.parametrize("fails", [(1,), (-1,), (1, 2), (-1, -2), (1, -2)])
def test_a_take_over_that_fails_leaves_every_worker_on_what_was_served(published, tmp_path, monkeypatch, fails):
    monkeypatch.setattr(serve_many, "SEEN_S", 0)
    home = tmp_path / "home"
    stack = serve_many.Stack(published, home, 1, 0)
    monkeypatch.setattr(stack, "revive", lambda: None)
    monkeypatch.setattr(stack, "tell", lambda: None)
    stack.digest = "0" * 64
    served = stack.folder(stack.digest)
    served.mkdir(parents=True)
    stack.workers = [Fake(), Fake(fails), Fake()]
    for worker in stack.workers:
        worker.folder = served
    stack.reload()
    assert stack.digest == "0" * 64
    assert stack.state["problem"]
    assert [worker.folder for worker in stack.workers] == [served] * 3
    assert stack.workers[2].starts == [], "those after it were not touched"
    assert [path.name for path in home.glob("edition-*")] == [served.name]


def test_a_copy_that_was_checked_row_by_row_is_described_for_the_workers(published, tmp_path):
    published.with_name("inspect-data.json").unlink()
    home = tmp_path / "home"
    home.mkdir()
    stack = serve_many.Stack(published, home, 1, 0)
    folder = stack.copied(digest_of(published))
    assert not is_as_built(folder / "census.db")
    stack.check_copy(folder)
    assert is_as_built(folder / "census.db")


def test_a_state_that_cannot_be_written_is_written_later(published, tmp_path, monkeypatch, capsys):
    stack = serve_many.Stack(published, tmp_path, 1, 0)
    told = []

    def tell():
        told.append(1)
        if len(told) < 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.part")

    monkeypatch.setattr(stack, "tell", tell)
    for untold in (True, True, False):
        stack.tell_if_possible()
        assert stack.untold is untold
    assert capsys.readouterr().err == "state.part: No space left on device\n", "once"


def test_a_second_swap_is_refused_while_one_is_running(published, new):
    before = content(published.parent)
    folder = os.open(published.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    done = swap(new, published)
    assert done.returncode == 1
    assert done.stderr == (
        f"Another swap of {published} is running. Wait until it has ended, then try again.\nNothing was changed.\n"
    )
    os.close(folder)
    assert content(published.parent) == before
    assert swap(new, published).returncode == 0, "and afterwards it is not"


def test_of_two_swaps_at_once_one_is_done_and_one_refused(published, new):
    command = [sys.executable, ROOT / "serve_many.py", "--database", published, "--home", published.parent / "home"]
    both = [
        subprocess.Popen([*map(str, command), "--swap", str(new)], stderr=subprocess.PIPE, encoding="utf-8")
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    [refused] = [text for text, process in zip(said, both, strict=True) if process.returncode]
    assert "Another swap of" in refused
    assert published.read_bytes() == new.read_bytes()
    described = json.loads(published.with_name("inspect-data.json").read_text("utf-8"))["census"]
    assert described["hash"] == hashlib.sha256(new.read_bytes()).hexdigest()


def test_a_swap_that_was_killed_keeps_nobody_out(published, new):
    command = [sys.executable, ROOT / "serve_many.py", "--database", published, "--home", published.parent / "home"]
    killed = subprocess.Popen([*map(str, command), "--swap", str(new)], start_new_session=True)
    time.sleep(1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (published.parent / ".census.db.swap").mkdir(exist_ok=True)
    (published.parent / ".census.db.swap" / "census.db").write_bytes(b"half")
    done = swap(new, published)
    assert done.returncode == 0, done.stderr
    assert not list(published.parent.rglob(".*"))
