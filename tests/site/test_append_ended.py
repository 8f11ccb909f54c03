"""append.py ended at any moment leaves no part of the table: with files that have no name, and without them."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from census.tables import private_file
from tests.conftest import ROOT

TABLE = "id,postcode\n" + "1,SW1A 1AA\n" * 3000
UNNAMED = ""
NAMED = "private_file._unnamed = lambda folder: None"  # what a file system without O_TMPFILE gives
NO_LINKS = """
def no_link(*_, **__):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")
os.link = no_link
"""
WAYS = pytest.mark.parametrize("way", [UNNAMED, NAMED, NO_LINKS], ids=["unnamed", "named", "no links"])
PROGRAM = """
import errno, os, signal, sys
from census.tables import private_file
{way}
from census.cli import append
{more}
sys.exit(append.main(sys.argv[1:]))
"""
# Kills the process right before the nth of what it does to files in the output's folder.
KILLED_AT = """
left = {n}
def hook(event, args):
    global left
    if event in ("open", "os.link", "os.rename", "os.remove", "os.chmod") and {folder!r} in str(args):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
"""
# Lets another program make the output after append.py has looked whether there is one.
ANOTHER_CAME = """
import contextlib
usual = append.private_file
@contextlib.contextmanager
def came(output, replace):
    with usual(output, replace) as file:
        yield file
        output.write_text("theirs")
append.private_file = came
"""


def command(database: Path, way: str, *options: str, more: str = "") -> list[str]:
    program = PROGRAM.format(way=way, more=more)
    return [sys.executable, "-c", program, "--database", str(database), *options]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_complete(path: Path) -> bool:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return len(rows) == 3000 and {row["imd_status"] for row in rows} == {"found"}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in.csv").write_text(TABLE)
    return tmp_path


@WAYS
@pytest.mark.parametrize("force", [False, True])
def test_the_output_is_complete_and_has_its_permissions(extract_db, folder, way, force):
    out = folder / "out.csv"
    if force:
        out.write_text("mine")
        out.chmod(0o640)
    options = [str(folder / "in.csv"), "-o", str(out), *["--force"] * force]
    done = subprocess.run(command(extract_db, way, *options), cwd=ROOT, capture_output=True, text=True, umask=0o027)
    assert done.returncode == 0, done.stderr
    assert is_complete(out)
    assert out.stat().st_mode & 0o777 == 0o640
    assert names(folder) == ["in.csv", "out.csv"]


@WAYS
def test_a_file_that_came_meanwhile_is_not_replaced(extract_db, folder, way):
    out = folder / "out.csv"
    done = subprocess.run(
        command(extract_db, way, str(folder / "in.csv"), "-o", str(out), more=ANOTHER_CAME),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"There is a file {out} already; --force replaces it." in done.stderr
    assert out.read_text("utf-8") == "theirs"
    assert names(folder) == ["in.csv", "out.csv"]


def midway(command: list[str], folder: Path) -> tuple[subprocess.Popen, int]:
    """Start it with a table on its input that never ends; returns it when it writes, and the end of the pipe."""
    reading, writing = os.pipe()
    process = subprocess.Popen(command, stdin=reading, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(reading)
    os.write(writing, b"id,postcode\n" + b"1,SW1A 1AA\n" * 5000)
    os.set_blocking(writing, False)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.write(writing, b"1,SW1A 1AA\n" * 300)  # few enough for a pipe to take all or none
        except BlockingIOError:
            if written(process.pid, folder):
                return process, writing
            time.sleep(0.01)
    raise AssertionError("it wrote nothing")


def written(pid: int, folder: Path) -> int:
    """The bytes of the files in `folder` that the process has open, with a name or without one."""
    sizes = [0]
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(link).startswith(f"{folder}/"):
                sizes.append(link.stat().st_size)
        except FileNotFoundError:
            pass
    return max(sizes)


@WAYS
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("force", [False, True])
def test_a_signal_midway_leaves_nothing(extract_db, folder, way, kind, force):
    if force:
        (folder / "out.csv").write_text("mine")
    before = names(folder)
    options = ["-", "-o", str(folder / "out.csv"), *["--force"] * force]
    process, writing = midway(command(extract_db, way, *options), folder)
    process.send_signal(kind)
    os.close(writing)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (1 if kind == signal.SIGINT else 128 + kind)
    assert names(folder) == before
    assert not force or (folder / "out.csv").read_text("utf-8") == "mine"
    assert b"1AA" not in said
    assert b"Traceback" not in said


def test_a_kill_midway_leaves_nothing_where_files_need_no_name(extract_db, folder):
    process, writing = midway(command(extract_db, UNNAMED, "-", "-o", str(folder / "out.csv")), folder)
    assert names(folder) == ["in.csv"], "it has no name while it is written"
    process.kill()
    process.communicate(timeout=60)
    os.close(writing)
    assert names(folder) == ["in.csv"]


def test_a_hang_up_that_nohup_hides_does_not_end_it(extract_db, folder):
    more = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    asked = command(extract_db, UNNAMED, "-", "-o", str(folder / "out.csv"), more=more)
    process, writing = midway(asked, folder)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    os.close(writing)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert names(folder) == ["in.csv", "out.csv"]


def test_what_a_kill_leaves_where_files_need_a_name_is_gone_after_the_next_start(extract_db, folder):
    running, writing = midway(command(extract_db, NAMED, "-", "-o", str(folder / "other.csv")), folder)
    killed, of_killed = midway(command(extract_db, NAMED, "-", "-o", str(folder / "out.csv")), folder)
    [of_running] = folder.glob(".other.csv.*")
    [left] = folder.glob(".out.csv.*")
    assert left.stat().st_mode & 0o777 == 0o600
    killed.kill()
    killed.communicate(timeout=60)
    os.close(of_killed)
    assert left.exists(), "nobody was there to remove it"
    theirs = [
        ".out.csv.swp",
        ".out.csv.0123456789abcdef",
        left.name + ".bak",
        left.name.replace(".append-part", ".part"),
        re.sub(r"\.[0-9a-f]{8}-", ".00000000-", left.name),  # of another machine
    ]
    for name in theirs:
        (folder / name).write_text("somebody else's")
    (folder / left.name.replace("out", "link")).symlink_to(folder / "in.csv")
    (folder / left.name.replace("out", "folder")).mkdir()
    kept = names(folder)
    done = subprocess.run(
        command(extract_db, UNNAMED, str(folder / "in.csv"), "-o", str(folder / "new.csv")), cwd=ROOT, check=True
    )
    assert done.returncode == 0
    assert names(folder) == sorted({*kept, "new.csv"} - {left.name})
    assert of_running.exists()
    left.write_text("rows")  # left again, and the next run is refused: it is gone all the same
    again = command(extract_db, UNNAMED, str(folder / "in.csv"), "-o", str(folder / "new.csv"))
    assert subprocess.run(again, cwd=ROOT, capture_output=True).returncode == 1
    assert not left.exists()
    os.close(writing)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert names(folder) == sorted({*kept, "new.csv", "other.csv"} - {left.name, of_running.name})


def test_a_file_system_without_locks_goes_by_the_process_s_number(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(private_file.fcntl, "flock", no_locks)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ours, gone = (
        tmp_path / f".out.csv.{private_file._host()}-{pid}-0123456789abcdef.append-part"
        for pid in (os.getpid(), ended.pid)
    )
    for path in (ours, gone):
        path.write_text("rows")
    assert private_file.sweep(tmp_path) == [gone]
    assert names(tmp_path) == [ours.name]


@WAYS
@pytest.mark.parametrize("force", [False, True])
def test_a_kill_at_any_step_leaves_nothing_or_the_whole_table(extract_db, folder, way, force):
    out = folder / "out.csv"
    options = [str(folder / "in.csv"), "-o", str(out), *["--force"] * force]
    steps = 0
    while True:
        out.unlink(missing_ok=True)
        if force:
            out.write_text("mine")
        more = KILLED_AT.format(n=steps, folder=str(folder))
        done = subprocess.run(command(extract_db, way, *options, more=more), cwd=ROOT, capture_output=True, timeout=60)
        left = [name for name in names(folder) if name not in ("in.csv", "out.csv")]
        if way == UNNAMED and not force:
            assert left == []
        assert len(left) <= 1, "a temporary name"
        if out.exists() and not (force and out.read_text("utf-8") == "mine"):
            assert is_complete(out)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        private_file.sweep(folder)
        assert [name for name in names(folder) if name not in ("in.csv", "out.csv")] == []
        steps += 1
    assert steps >= 2, "the hook saw what the program does"
    assert is_complete(out)
    assert left == []


@pytest.mark.parametrize("way", [UNNAMED, NAMED], ids=["unnamed", "named"])
def test_a_full_disk_leaves_nothing(extract_db, folder, way):
    more = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"  # EFBIG, as ENOSPC
    options = [str(folder / "in.csv"), "-o", str(folder / "out.csv")]
    done = subprocess.run(command(extract_db, way, *options, more=more), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{folder / 'out.csv'}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == ["in.csv"]


def test_a_signal_right_after_the_file_was_made_leaves_nothing(tmp_path, monkeypatch):
    opened, made = os.open, []

    def interrupted(path, *rest, **more):
        handle = opened(path, *rest, **more)
        if "out.csv" in os.fspath(path):
            os.close(handle)
            made.append(path)
            raise KeyboardInterrupt
        return handle

    monkeypatch.setattr(private_file, "_unnamed", lambda _: None)
    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), private_file.private_file(tmp_path / "out.csv", False):
        raise AssertionError("it was interrupted before")
    assert len(made) == 1
    assert names(tmp_path) == []
