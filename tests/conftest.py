"""The databases that the tests share: one from the extract, one of made-up publications, one from the real mirror.

CENSUS_SOURCES names a folder with the real publications; without it the tests over them are skipped and say so.
CENSUS_NO_SKIP=1 (set in CI) turns every such skip into a failure.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import yaml

from census.build import extracts
from census.cli import build as build_db
from census.lookup import maps
from census.schema import hosted
from census.schema.tables import all_tables, digest
from sources import registry
from tests import below, made_up, whole_uk
from tests.kept import kept

if TYPE_CHECKING:
    from datasette.app import Datasette

ROOT = Path(__file__).resolve().parent.parent
OLD = b"an older database"
THOROUGH = os.environ.get("CENSUS_THOROUGH") == "1"  # set by `make test-all` and CI: more cases of the same kinds

# Every Datasette and build of these processes reads metadata.yml: libyaml's reader, of the same grammar, is ten times
# as fast. The servers and commands that tests start as processes of their own are as users have them.
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# A shell that starts something behind it hides SIGINT from it and from all that it starts; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# And one under nohup hides SIGHUP. A handler of this process is not that of those it starts.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its layer; put last the files that need what takes longest to make: the whole UK, its map."""
    for item in items:
        item.add_marker(_layer(item))
    if below.PREFIX:  # the others ask no site, or one that they have set up themselves
        items[:] = [item for item in items if "extract_site" in item.fixturenames]
    waits = {path: max(map(_waits, group)) for path, group in groupby(items, key=lambda item: item.path)}
    items.sort(key=lambda item: (waits[item.path], "extract_db" in item.fixturenames))


def _waits(item: pytest.Item) -> int:
    """Return 0 for a test that needs nothing of the whole UK, 1 for one that needs its database, 2 with its map."""
    needs = {*item.fixturenames, *_params(item)}
    return 2 if needs & {"full_maps", "full_site", "stack"} else int("real_mirror" in needs or "full_build" in needs)


def _params(item: pytest.Item) -> list[str]:
    return [str(param) for param in item.callspec.params.values()] if hasattr(item, "callspec") else []


def _layer(item: pytest.Item) -> str:
    """Return the layer of a test: its folder, but `full` if it needs the publications, and `browser` a browser."""
    if "real_mirror" in item.fixturenames or any(param.startswith("full_") for param in _params(item)):
        return "full"
    if "chromium" in item.fixturenames or item.get_closest_marker("browser"):
        return "browser"
    return item.path.relative_to(ROOT / "tests").parts[0]


def unavailable(reason: str) -> None:
    """Skips the test, or fails it where nothing may be skipped."""
    if os.environ.get("CENSUS_NO_SKIP") == "1":
        pytest.fail(f"CENSUS_NO_SKIP is set, but {reason}")
    pytest.skip(reason)


def command(*arguments, **options) -> subprocess.CompletedProcess:
    """Runs build_db.py as its users do; its output is in `stdout` and `stderr`."""
    return subprocess.run(
        [sys.executable, ROOT / "build_db.py", *map(str, arguments)], capture_output=True, encoding="utf-8", **options
    )


@pytest.fixture
def old(tmp_path) -> Path:
    """An older census.db where a build is to write."""
    output = tmp_path / "out" / "census.db"
    output.parent.mkdir()
    output.write_bytes(OLD)
    return output


@pytest.fixture(scope="session")
def extract_db(tmp_path_factory) -> Path:
    """census.db as `python build_db.py` makes it from the repository's extract, with its map beside it."""

    def make(folder: Path) -> None:
        for more in ((), ("--maps",)):
            done = command(*more, "--output", folder / "census.db")
            assert done.returncode == 0, done.stderr

    return kept("extract", tmp_path_factory.mktemp("extract"), make) / "census.db"


@pytest.fixture(scope="session")
def guide(extract_db, tmp_path_factory) -> Path:
    """The guide as `make docs` makes it, over the extract; the servers of the tests serve it."""

    def make(folder: Path) -> None:
        mkdocs = [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", folder]
        environment = {**os.environ, "CENSUS_DB": str(extract_db), "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(mkdocs, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr

    folder = kept("guide", tmp_path_factory.mktemp("guide"), make)
    os.environ["GUIDE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def mirror(tmp_path_factory) -> Path:
    """A folder of made-up publications, all of them."""
    return kept("mirror", tmp_path_factory.mktemp("mirror"), made_up.write)


@pytest.fixture(autouse=True)
def small_england(request):
    """Lets the builds of a test that uses the made-up publications take them."""
    if {"mirror", "made_up_db"} & {*request.fixturenames} or request.node.get_closest_marker("made_up"):
        with made_up.small_england():
            yield
    else:
        yield


@pytest.fixture(scope="session")
def made_up_db(mirror, tmp_path_factory) -> Path:
    """The full build of the made-up publications."""

    def make(folder: Path) -> None:
        with made_up.small_england():
            arguments = ["--full", "--accept-changed", "--mirror", str(mirror), "--output", str(folder / "census.db")]
            assert build_db.main(arguments) == 0

    return kept("made_up", tmp_path_factory.mktemp("made_up"), make) / "census.db"


@pytest.fixture(scope="session")
def small_extract(made_up_db, tmp_path_factory) -> Path:
    """An extract of the made-up publications: an authority of each nation, and an island."""
    folder = tmp_path_factory.mktemp("small") / "extract"
    extracts.cut(made_up_db, made_up.SMALL, folder, registry.publications())
    return folder


@pytest.fixture(scope="session")
def real_mirror() -> Path:
    """The folder of the real publications."""
    if not os.environ.get("CENSUS_SOURCES"):
        unavailable("CENSUS_SOURCES names no folder with the real publications")
    return Path(os.environ["CENSUS_SOURCES"]).resolve()


@pytest.fixture(scope="session")
def full_build(real_mirror, tmp_path_factory) -> SimpleNamespace:
    """The one full build of the run: path, peak memory in bytes, and what it took and printed."""
    folder = whole_uk.database(real_mirror, tmp_path_factory.mktemp("full"))
    return SimpleNamespace(path=folder / "census.db", **whole_uk.measured(folder))


@pytest.fixture(scope="session")
def full_maps(full_build, real_mirror, tmp_path_factory) -> SimpleNamespace:
    """The one map of the whole UK of the run, beside the full build: path, and the same of its making."""
    folder = whole_uk.maps(real_mirror, tmp_path_factory.mktemp("full_maps"))
    shutil.move(folder / "maps", full_build.path.with_name("maps"))
    return SimpleNamespace(path=maps.map_of(full_build.path), **whole_uk.measured(folder))


def copy_of_the_repository(folder: Path) -> None:
    """Copies what git keeps, and what it would keep, as it stands now."""
    kept = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, kept.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def stamp(database: Path) -> None:
    """Lets a census.db that a test has altered pass for one that was built so: it gets the digest of its rows."""
    database.with_name("inspect-data.json").unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        found = digest(connection, all_tables(registry.publications() + hosted.data_sets()))
        connection.execute("update edition set digest = ?", (found,))
        connection.commit()


def site_of(database: Path, folder: Path) -> Path:
    """A folder that `datasette FOLDER` serves as it serves the repository, with `database` as its census.db."""
    for name in ("plugins", "templates", "static", "metadata.yml", "settings.json"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("downloads", "maps"):
        if database.with_name(name).exists():
            (folder / name).symlink_to(database.with_name(name))
    shutil.copy(database, folder / "census.db")
    inspected = database.with_name("inspect-data.json")
    if inspected.exists():
        shutil.copy(inspected, folder)
    return folder


def datasette_of(folder: Path) -> "Datasette":
    """The Datasette that serves `folder`, with its settings."""
    from datasette.app import Datasette  # a second that unit tests do not need

    settings = json.loads((folder / "settings.json").read_text("utf-8"))
    if not below.PREFIX or "base_url" in settings:
        return Datasette(config_dir=folder, settings=settings)
    site = Datasette(config_dir=folder, settings=settings | {"base_url": f"{below.PREFIX}/"})
    site.client.app = below.Below(site.client.app)
    site.app = lambda app=site.app: below.Below(app())
    return site


@pytest.fixture(scope="session")
def extract_site(extract_db, guide, tmp_path_factory) -> "Datasette":  # noqa: ARG001
    return datasette_of(site_of(extract_db, tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="session")
def full_site(full_build, full_maps, guide, tmp_path_factory) -> "Datasette":  # noqa: ARG001
    return datasette_of(site_of(full_build.path, tmp_path_factory.mktemp("full_site")))


@pytest.fixture(scope="session")
def server(extract_db, guide, tmp_path_factory):  # noqa: ARG001
    """A real server over the extract, started as `make serve` starts it: its address and its log."""
    folder = site_of(extract_db, tmp_path_factory.mktemp("served"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("datasette"), ".", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(base + "/-/versions.json", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, log.read_text("utf-8")
                time.sleep(0.1)
        yield base, log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
