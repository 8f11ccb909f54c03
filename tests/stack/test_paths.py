"""The stack in a folder whose name has spaces, quotation marks and accents."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from benchmarks.stack import Stack
from census.serve.worker import free_port
from tests.conftest import ROOT, copy_of_the_repository

READY = ["-o", ".venv/serve", "-o", ".venv/dev", "-o", ".venv/docs", "-o", "census.db", "-o", "site/index.html"]


@pytest.fixture(params=["with spaces", 'it\'s "quoted" at the café'])
def clone(request, extract_db, guide, tmp_path) -> Path:
    """A copy of the repository, its database and guide, with this environment."""
    folder = tmp_path / request.param / "clone"
    folder.mkdir(parents=True)
    copy_of_the_repository(folder)
    for name in ("census.db", "inspect-data.json"):
        shutil.copy(extract_db.with_name(name), folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copytree(guide, folder / "site")
    return folder


def make(*arguments: str) -> list[str]:
    return ["make", "--no-print-directory", *READY, *arguments]


def environment(clone: Path) -> dict[str, str]:
    """Without what this process tells of where things are."""
    told = {name: value for name, value in os.environ.items() if name not in ("GUIDE", "CENSUS_DB", "DATABASE")}
    return told | {"XDG_DATA_HOME": str(clone / "xdg"), "XDG_CONFIG_HOME": str(clone / "xdg")}


def answer(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=20) as told:
            return told.status, told.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def test_make_serve_many_serves_and_swaps_there(clone):
    base = f"http://127.0.0.1:{(port := free_port())}"
    with (clone.parent / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            make("serve-many", f"PORT={port}", "WORKERS=1"),
            cwd=clone,
            env=environment(clone),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 90
        while answer(f"{base}/-/ready")[0] != 200:
            assert process.poll() is None, (clone.parent / "log.txt").read_text("utf-8")
            assert time.monotonic() < end, (clone.parent / "log.txt").read_text("utf-8")
            time.sleep(0.2)
        assert answer(f"{base}/guide/")[0] == 200
        assert answer(f"{base}/census.db") == (200, (clone / "census.db").read_bytes())
        assert answer(f"{base}/census/imd_by_postcode.json?postcode=SW1A1AA&_shape=array")[0] == 200
        (clone / "new one").mkdir()
        shutil.copy(clone / "census.db", clone / "new one" / "census.db")
        swapped = subprocess.run(
            make("swap", "DATABASE=new one/census.db"),
            cwd=clone,
            env=environment(clone),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert swapped.returncode == 0, swapped.stderr
        assert "Every worker serves" in swapped.stderr
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_make_serve_help_and_tests_work_there(clone):
    said = subprocess.run(make("help"), cwd=clone, capture_output=True, encoding="utf-8", check=True).stdout
    assert "make serve-many" in said
    tested = subprocess.run(
        make("test", "K=survive_thousands"),
        cwd=clone,
        env=environment(clone),
        capture_output=True,
        encoding="utf-8",
        timeout=200,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "1 passed" in tested.stdout
    process = subprocess.Popen(
        make("serve", f"PORT={(port := free_port())}"),
        cwd=clone,
        env=environment(clone),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while answer(f"http://127.0.0.1:{port}/-/ready")[0] != 200:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_every_folder_that_the_caddyfile_takes_is_one_word_of_it():
    text = (ROOT / "Caddyfile").read_text("utf-8")
    for name in ("GUIDE", "DATABASE"):
        assert text.count(f"{{${name}:") == text.count(f'"{{${name}:') > 0


def test_the_stack_serves_and_swaps_whatever_the_locale(extract_db, tmp_path):
    shutil.copytree(extract_db.parent, tmp_path / "published")
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    stack = Stack(tmp_path / "published" / "census.db", tmp_path / "home", tmp_path / "log.txt", workers=1, **locale)
    try:
        page = stack.ask("/postcode/BT27DX")
        assert page.status == 200
        command = [sys.executable, ROOT / "serve_many.py", "--database", stack.database, "--home", stack.home]
        done = subprocess.run(
            [*command, "--swap", extract_db], env={**os.environ, **locale}, capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    finally:
        stack.end()
    assert "UnicodeDecodeError" not in (tmp_path / "log.txt").read_text("utf-8")
