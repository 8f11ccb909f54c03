"""The house itself: what a stranger finds when following the README."""

import re
import subprocess

import pytest
import yaml

from census.build import extracts
from sources import registry
from tests.conftest import ROOT, command

README = (ROOT / "README.md").read_text()
TARGETS = ["serve", "serve-many", "swap", "test", "full", "map", "parquet", "docs", "image", "lint", "bench", "soak"]


def test_make_help_explains_every_target():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in TARGETS:
        assert re.search(rf"^make {target} +\w+", said, re.MULTILINE), target


def test_a_swap_without_a_database_is_refused():
    make = ["make", "-o", ".venv/serve", "swap", "DATABASE="]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "DATABASE=new/census.db" in done.stdout) == (2, True), done.stderr


@pytest.mark.parametrize(
    "name, least",
    [
        ("requirements.lock", 20),
        ("requirements-build.lock", 20),
        ("requirements-dev.lock", 20),
        ("requirements-maps.lock", 1),
    ],
)
def test_locks_have_hashes_and_name_no_index(name, least):
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[a-z0-9].*==.*$", text, re.MULTILINE)
    assert len(packages) >= least
    assert text.count("--hash=sha256:") >= len(packages)
    assert not re.search(r"https?://|index-url|find-links|file:", text)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_the_dev_lock_has_the_same_versions_as_the_others(name):
    versions = [
        set(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in (name, "requirements-dev.lock")
    ]
    assert versions[0] <= versions[1]


@pytest.fixture(scope="module")
def build_help() -> str:
    """Return what `build_db.py --help` prints."""
    return command("--help").stdout


def test_the_help_names_every_publication_that_can_be_left_out(build_help):
    said = " ".join(build_help.split())
    for publication in registry.publications():
        assert publication.id in said, publication.id


def test_the_readme_s_commands_exist(build_help):
    for option in set(re.findall(r"build_db\.py.*?(--[a-z]+)", README)):
        assert option in build_help
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def test_the_readme_s_extract_command_is_how_the_extract_was_cut():
    codes = re.search(r'--extract "([^"]+)"', README)[1].split(",")
    assert codes == yaml.safe_load((extracts.FOLDER / "manifest.json").read_text())["codes"]


def test_licences_of_tables_are_those_of_their_publications():
    metadata = yaml.safe_load((ROOT / "metadata.yml").read_text())
    tables = metadata["databases"]["census"]["tables"]
    for publication in registry.publications():
        for table in publication.fills:
            assert tables[table]["license"] == publication.licence.name
            assert tables[table]["license_url"] == publication.licence.url


def test_nothing_that_a_build_makes_is_tracked():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert not [name for name in tracked if name.endswith((".db", ".pyc", "inspect-data.json"))]
