"""What goes wrong in public: processes that end, files that are no databases, full disks. Nothing wrong is answered."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.stack import Stack
from census.lookup.maps import map_of
from census.schema import hosted
from census.schema.tables import all_tables, digest
from sources import registry
from tests.conftest import ROOT, unavailable

pytestmark = pytest.mark.alone  # it loads a stack, and breaks some


def swapped(stack: Stack, new) -> subprocess.CompletedProcess:
    """What `serve_many.py --swap new` did."""
    told = [sys.executable, ROOT / "serve_many.py", "--database", stack.database, "--home", stack.home, "--swap", new]
    return subprocess.run([*map(str, told)], capture_output=True, text=True, timeout=120)


def test_a_worker_killed_under_load_is_missed_by_nobody(own_stack):
    lookups = own_stack.sending(12, rate=200, connections=8)
    for number in range(3):
        time.sleep(2.5)
        killed = own_stack.state["workers"][number]["pid"]
        os.kill(killed, signal.SIGKILL)
        time.sleep(1)
        assert killed not in own_stack.pids, "another has taken its place"
    found = lookups.found()
    print("a worker killed, three times:", found)
    assert found["sent"] > 2000
    assert (found["failed"], found["wrong"]) == (0, 0), found
    own_stack.settled()


def test_a_caddy_that_is_killed_comes_back_and_nothing_wrong_is_answered(own_stack):
    lookups = own_stack.sending(8, rate=200, connections=8)
    time.sleep(2)
    killed = own_stack.state["caddy"]
    os.kill(killed, signal.SIGKILL)
    found = lookups.found()
    assert own_stack.state["caddy"] != killed, "whoever reads the state finds the new one"
    print("Caddy killed:", found)
    assert found["wrong"] == 0, found
    assert found["failed"] < found["sent"] / 4, found
    own_stack.settled()
    after = own_stack.sending(1, rate=100, connections=2).found()
    assert (after["failed"], after["wrong"]) == (0, 0), after


def test_garbage_in_the_database_s_place_is_refused_and_the_old_one_serves_on(own_stack):
    whole = own_stack.database.read_bytes()
    lookups = own_stack.sending(12, rate=100, connections=4)
    for garbage in (b"", b"garbage" * 100_000, whole[: len(whole) // 2]):
        before = own_stack.state
        with own_stack.database.open("r+b") as file:  # not replaced: written over, as cp does
            file.truncate(0)
            file.write(garbage)
        own_stack.process.send_signal(signal.SIGHUP)
        while own_stack.state["reloads"] == before["reloads"]:
            time.sleep(0.1)
        os.kill(before["workers"][0]["pid"], signal.SIGKILL)  # and one that starts now gets the old one too
        own_stack.settled()
        state = own_stack.state
        assert state["digest"] == before["digest"]
        assert str(own_stack.database) in state["problem"]
        assert state["workers"][0]["pid"] != before["workers"][0]["pid"]
        assert [w["pid"] for w in state["workers"][1:]] == [w["pid"] for w in before["workers"][1:]]
    found = lookups.found()
    print("garbage:", found)
    assert (found["failed"], found["wrong"]) == (0, 0), found


@pytest.fixture(scope="module")
def served(extract_db, tmp_path_factory):
    """A stack of this file's own over the extract, which refuses what is done to it and stays as it is."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(extract_db.parent, folder / "published")
    running = Stack(folder / "published" / "census.db", folder / "home", folder / "log.txt")
    yield running
    running.end()


def test_a_swap_refuses_garbage_and_leaves_the_file_as_it_was(served, tmp_path):
    whole = served.database.read_bytes()
    bad = tmp_path / "bad.db"
    for content in (b"garbage", whole[: len(whole) // 2]):
        bad.write_bytes(content)
        done = swapped(served, bad)
        assert done.returncode == 1
        assert str(bad) in done.stderr
        assert "Traceback" not in done.stderr
    done = swapped(served, tmp_path / "nothing.db")
    assert (done.returncode, "There is no" in done.stderr) == (1, True)
    assert served.database.read_bytes() == whole
    assert served.state["reloads"] == 0


@pytest.mark.parametrize("what", ["home", "port", "no database", "no workers"])
def test_a_second_stack_in_the_way_of_the_first_is_refused(served, tmp_path, what):
    told = {"--database": served.database, "--home": tmp_path / "other", "--port": served.port, "--workers": 1}
    told |= {
        "home": {"--home": served.home},
        "no workers": {"--workers": 0},
        "no database": {"--database": tmp_path / "none.db"},
    }.get(what, {})
    arguments = [str(part) for pair in told.items() for part in pair]
    done = subprocess.run(
        [sys.executable, ROOT / "serve_many.py", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (1, 2)
    why = {"home": "runs already in", "port": f"Port {served.port} is taken"}
    assert why.get(what, "There is no" if what == "no database" else "--workers must be 1 to 64") in done.stderr
    assert "Traceback" not in done.stderr
    assert served.sending(1, rate=50, connections=2).found()["failed"] == 0


def test_a_worker_that_is_killed_while_an_edition_is_checked_comes_back(own_stack):
    before = own_stack.state
    lookups = own_stack.sending(15, rate=100, connections=4)
    own_stack.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    for worker in before["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)
    while own_stack.state["reloads"] == before["reloads"]:
        time.sleep(0.1)
    found = lookups.found()
    print("all workers killed in mid-change:", found)
    assert own_stack.state["problem"] is None
    assert (found["failed"], found["wrong"]) == (0, 0), found
    own_stack.settled()


@pytest.fixture(scope="module")
def other_edition(extract_db, tmp_path_factory):
    """A whole, valid database that differs from the extract's: in the month of each postcode, and so in its digest."""
    output = tmp_path_factory.mktemp("other") / "census.db"
    shutil.copyfile(extract_db, output)
    with contextlib.closing(sqlite3.connect(output)) as connection, connection:
        connection.execute("update postcodes set introduced = introduced - 100 where introduced >= 199001")
        tables = all_tables([*registry.publications(), *hosted.data_sets()])
        connection.execute("update edition set digest = ?", (digest(connection, tables),))
    return output


def test_a_new_edition_comes_without_an_error_and_no_answer_mixes_two(own_stack, other_edition, tmp_path):
    old = [*own_stack.lookups(), own_stack.list_of_lookups()]
    shutil.copytree(other_edition.parent, tmp_path / "next")
    newer_map = map_of(tmp_path / "next" / "census.db")
    newer_map.parent.mkdir()
    shutil.copyfile(map_of(own_stack.database), newer_map)
    with contextlib.closing(sqlite3.connect(newer_map)) as maps, maps:
        maps.execute("update metadata set value = 'newer' where name = 'version'")
    assert "?v=newer" not in own_stack.ask("/tiles/uk_latest.json").body.decode()
    next_stack = Stack(tmp_path / "next" / "census.db", tmp_path / "next_home", tmp_path / "next_log.txt", workers=1)
    new = [*next_stack.lookups(), next_stack.list_of_lookups()]
    next_stack.end()
    both = [{**before, "bodies": [*before["bodies"], *after["bodies"]]} for before, after in zip(old, new, strict=True)]
    assert all(len(set(request["bodies"])) == 2 for request in both), "every answer names its edition"
    served = own_stack.state["digest"]
    hammering = own_stack.sending(25, both, rate=200, connections=8)
    asking = own_stack.sending(25, [{"path": "/-/ready"}, {"path": "/-/ready?digest="}], rate=50, connections=2)
    time.sleep(2)
    done = swapped(own_stack, tmp_path / "next" / "census.db")
    assert done.returncode == 0, done.stderr
    found = hammering.found()
    print("a new edition:", found)
    assert found["sent"] > 4000
    assert (found["failed"], found["wrong"]) == (0, 0), found
    found = asking.found()
    assert (found["sent"] > 1000, found["failed"]) == (True, 0), f"whoever asks Caddy finds it ready: {found}"
    assert own_stack.state["digest"] != served
    assert own_stack.state["reloads"] == 1
    after = own_stack.sending(2, new, rate=100, connections=4).found()
    assert (after["failed"], after["wrong"]) == (0, 0), "all of them answer from the new one"
    assert own_stack.ask("/census.db").body == (tmp_path / "next" / "census.db").read_bytes()
    assert len(list(own_stack.home.glob("edition-*"))) == 1
    assert "?v=newer" in own_stack.ask("/tiles/uk_latest.json").body.decode(), "its map came with it"


def test_an_edition_kept_beside_the_file_is_swapped_back(extract_db, other_edition, tmp_path):
    folder = tmp_path / "published"
    shutil.copytree(extract_db.parent, folder)
    kept, database = folder / "kept.db", folder / "census.db"
    shutil.copyfile(database, kept)
    stack = SimpleNamespace(database=database, home=tmp_path / "home")
    for new in (other_edition, kept, database):
        done = swapped(stack, new)
        assert (done.returncode, "is not running" in done.stderr) == (0, True), done.stderr
        assert database.read_bytes() == new.read_bytes()
        described = json.loads((folder / "inspect-data.json").read_text())["census"]
        assert described["hash"] == hashlib.sha256(database.read_bytes()).hexdigest()
    before = extract_db.with_name("inspect-data.json")
    assert json.loads((folder / "inspect-data.json").read_text()) == json.loads(before.read_text())
    assert {path.name for path in folder.iterdir()} == {
        *("census.db", "kept.db", "inspect-data.json", "downloads", "maps")
    }
    whole = extract_db.with_name("downloads")
    assert files_below(folder / "downloads") == files_below(whole)


def test_a_changed_figure_is_refused_with_what_failed_alone(extract_db, tmp_path):
    changed = tmp_path / "changed.db"
    shutil.copyfile(extract_db, changed)
    with contextlib.closing(sqlite3.connect(changed)) as connection, connection:
        connection.execute("update postcodes set latitude = latitude + 0.0001 where postcode = 'SW1A 1AA'")
    nobody = SimpleNamespace(database=tmp_path / "census.db", home=tmp_path / "home")
    done = swapped(nobody, changed)
    first, second, *more = done.stderr.splitlines()
    assert (done.returncode, first) == (1, f"{changed} was refused:")
    assert second.startswith("FAILED digest of every row: expected ")
    assert not [line for line in more if line.startswith("ok ")]
    assert done.stderr.splitlines()[-1] == "Nothing was changed."
    assert not nobody.database.exists()


def test_what_a_swap_would_refuse_is_not_served_after_a_restart_either(extract_db, tmp_path):
    folder = tmp_path / "published"
    shutil.copytree(extract_db.parent, folder)
    database = folder / "census.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update postcodes set latitude = latitude + 0.0001 where postcode = 'SW1A 1AA'")
    told = [sys.executable, ROOT / "serve_many.py", "--database", database, "--home", tmp_path / "home"]
    done = subprocess.run([*map(str, told), "--port", "0"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"{database} was refused:\nFAILED digest of every row" in done.stderr
    assert str(tmp_path / "home") not in done.stderr, "it names the file to be mended, not its copy"


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_takes_the_logs_and_nothing_else(extract_db, tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        unavailable("this system has no /dev/full")
    stack = Stack(extract_db, tmp_path / "home", full, LOG="file /dev/full")
    try:
        lookups = stack.sending(6, rate=100, connections=4)
        time.sleep(1)
        assert stack.sql("select no_such_function(1)").status == 400
        assert stack.ask("/census/soas_2001?_next=%00").status in (200, 400, 500)
        os.kill(stack.state["workers"][0]["pid"], signal.SIGKILL)
        found = lookups.found()
        print("a full disk for logs:", found)
        assert (found["failed"], found["wrong"]) == (0, 0), found
        stack.settled()
    finally:
        stack.end()
