"""Every table of the whole UK, and every tile of its map, is the recorded one; see tests/golden."""

import pytest

from tests.golden import database, records

FULL = records.read("full")
HOW = "\n\nIf this is meant, record it: python -m tests.golden --full census.db --record (with maps/ next to it)."


@pytest.fixture(scope="module")
def build(full_build, full_maps) -> dict[str, str]:  # noqa: ARG001, the map has to be there
    return database.records(full_build.path)


@pytest.mark.parametrize("name", FULL)
def test_a_table_of_the_whole_uk_is_the_recorded_one(name, build):
    if diff := records.difference(f"full: {name}", FULL[name], build.get(name)):
        pytest.fail(diff + HOW, pytrace=False)


def test_there_is_no_other_table(build):
    assert sorted(build) == sorted(FULL)
