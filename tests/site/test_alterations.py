"""Figures that were altered within plausible bounds: each is refused by the check that tests/alterations.py names."""

import sqlite3
from collections.abc import Iterator

import pytest

from census.build.checks import run as checks
from census.build.fetch import ChangedFile, Library
from census.cli import build as build_db
from census.schema import hosted
from sources import registry
from tests.alterations import ALTERATIONS, CHECKS, Alteration, table
from tests.conftest import ROOT

PUBLICATIONS = registry.publications()
FILES = {file.id: file for publication in PUBLICATIONS for file in publication.files}


@pytest.fixture(scope="module")
def extract(extract_db) -> Iterator[sqlite3.Connection]:
    """The extract's database, in memory, so that it can be altered and set back, with fewer postcodes to be quicker."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with sqlite3.connect(extract_db) as stored:
        stored.backup(connection)
    connection.execute("delete from postcodes where local_authority <> 'E09000033' and postcode not like '%A'")
    yield connection
    connection.close()


def refusals(connection: sqlite3.Connection, alteration: Alteration) -> list[str]:
    """The names of the checks of figures that fail once an alteration is made, which is then undone."""
    connection.execute("begin")
    try:
        before = connection.total_changes
        for statement in alteration.sql.split(";"):
            connection.execute(statement)
        assert connection.total_changes > before or alteration.whole_uk, "it alters nothing"
        found = checks.figures(connection, [*PUBLICATIONS, *hosted.data_sets()])
    finally:
        connection.execute("rollback")
    return [check.name for check in found if not check.passed]


def test_there_are_39_and_each_says_what_refuses_it():
    assert len(ALTERATIONS) == len({alteration.title for alteration in ALTERATIONS}) == 39
    for alteration in ALTERATIONS:
        assert (alteration.refused_by in CHECKS) is not (alteration.file in FILES), alteration.title


def test_unaltered_figures_pass_every_check(extract):
    found = checks.figures(extract, [*PUBLICATIONS, *hosted.data_sets()])
    assert [check for check in found if not check.passed] == []
    assert len(found) > 70


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda alteration: alteration.title)
def test_an_alteration_is_refused_by_the_check_that_it_names(extract, alteration: Alteration):
    refused_by = refusals(extract, alteration)
    if alteration.refused_by and not alteration.whole_uk:
        assert any(CHECKS[alteration.refused_by][1] in name for name in refused_by), refused_by
    else:  # of the rest, tests/full/ shows what refuses those that take all areas; the checksum refuses the others
        assert refused_by == []


@pytest.mark.parametrize("id_", sorted({alteration.file for alteration in ALTERATIONS if alteration.file}))
def test_what_no_check_refuses_the_checksum_of_its_file_does(tmp_path, id_):
    [*known] = FILES[id_].known
    assert known, "no checksum is known, so nothing refuses it"
    for name in {name for file in known for name in file.names}:
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("altered\n")
        with pytest.raises(ChangedFile) as refused:
            Library(str(folder), tmp_path / "cache", build_db.progress).obtain(FILES[id_])
        assert all(part in str(refused.value) for part in (id_, name, known[0].sha256, "--accept-changed"))


def test_the_guide_has_the_list():
    assert table() in (ROOT / "docs" / "security.md").read_text("utf-8")
