"""The stack that the tests share, and one of a test's own to be broken."""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.stack import Stack
from tests.conftest import unavailable


@pytest.fixture(scope="session", autouse=True)
def caddy():
    if not shutil.which("caddy"):
        unavailable("there is no program caddy")


@pytest.fixture(scope="session")
def published(request) -> Path:
    """The database that the stack serves: the whole UK's where the real publications are at hand."""
    if os.environ.get("CENSUS_SOURCES"):
        request.getfixturevalue("full_maps")
        return request.getfixturevalue("full_build").path
    return request.getfixturevalue("extract_db")


@pytest.fixture(scope="session")
def stack(published, guide, tmp_path_factory):
    """The stack over it, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("stack")
    where = {"LOG": f"file {folder / 'access.txt'}", "GUIDE": str(guide)}
    running = Stack(published, folder / "home", folder / "log.txt", **where)
    yield running
    running.end()


@pytest.fixture
def own_stack(extract_db, tmp_path):
    """A stack of the test's own over the extract, to be broken; Caddy logs all that it ever does."""
    folder = tmp_path / "published"
    shutil.copytree(extract_db.parent, folder)
    running = Stack(folder / "census.db", tmp_path / "home", tmp_path / "log.txt", LOG_LEVEL="DEBUG")
    yield running
    running.end()
