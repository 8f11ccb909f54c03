"""Alterations that show only among all areas of an index, and true figures that pass: on the database of the whole UK.

The table that is altered is copied into memory under its own name, where the checks find it before the real one.
"""

import gzip
import re
import sqlite3
from collections.abc import Iterator

import pytest

from census.build.checks import cross as cross_checks
from census.build.checks import positions as position_checks
from census.build.checks.check import Check
from census.build.fetch import ChangedFile, Library
from census.cli import build as build_db
from sources import registry
from tests.alterations import ALTERATIONS, CHECKS, Alteration

INDICES = [publication.index for publication in registry.publications() if publication.index]


@pytest.fixture
def full(full_build) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True, isolation_level=None)
    yield connection
    connection.close()


def compared(connection: sqlite3.Connection) -> list[Check]:
    """The checks of the figures of all areas against each other."""
    found = [check for index in INDICES for check in cross_checks.index(connection, index, complete=True)]
    found += cross_checks.composite(connection, INDICES, complete=True)
    return found + cross_checks.between_tables(connection, INDICES, complete=True, left_out=set())


@pytest.mark.parametrize("alteration", [a for a in ALTERATIONS if a.whole_uk], ids=lambda alteration: alteration.title)
def test_an_alteration_is_refused_by_the_check_of_all_areas_that_it_names(full, alteration: Alteration):
    [table] = set(re.findall(r"update (\w+)", alteration.sql))
    full.execute(f"create temp table {table} as select * from main.{table}")
    assert full.execute(alteration.sql).rowcount > 0
    refused_by = [check.name for check in compared(full) if not check.passed]
    assert any(CHECKS[alteration.refused_by][1] in name for name in refused_by), refused_by


def test_one_sub_board_changed_in_one_lookup_is_refused(full):
    full.execute("create temp table lsoas_2021 as select * from main.lsoas_2021")
    other = full.execute("select sub_icb_2024, icb_2024 from lsoas_2021 where code = 'E01012007'").fetchone()
    full.execute("update temp.lsoas_2021 set sub_icb_2024 = ?, icb_2024 = ? where code = 'E01004736'", other)
    refused_by = [check for check in compared(full) if not check.passed]
    assert any("sub-ICB location" in check.name and "E01004736" in check.actual for check in refused_by), refused_by


@pytest.mark.parametrize(
    "change, said",
    [
        ("local_authority = 'E06000002'", "from its local authority"),
        ("latitude = latitude + 0.5", "spreads from its area"),
        ("lsoa_2011 = 'E01012007'", "spreads from its area"),
    ],
)
def test_a_postcode_far_from_all_others_is_refused(full, change, said):
    """Of the real positions, of which none is refused, as the build shows."""
    full.execute("create temp table postcodes as select * from main.postcodes where local_authority in"
                 " ('E09000033', 'E06000002')")  # fmt: skip
    full.execute("create index temp.by_area on postcodes (lsoa_2011)")

    def refused() -> str:
        found = {check.name: check.actual for check in position_checks.run(full, complete=True)}
        return found["postcodes far from the others of their area and sector, or of their local authority"]

    assert refused() == "none"
    full.execute(f"update temp.postcodes set {change} where postcode = 'SW1A 2AA'")
    assert "SW1A 2AA lies" in refused()
    assert said in refused()


def test_one_digit_of_a_mirrors_file_refuses_it(real_mirror, tmp_path):
    files = {file.id: file for publication in registry.publications() for file in publication.files}
    [path] = real_mirror.rglob("SIMD+2020v2.csv.gz")
    data = bytearray(gzip.decompress(path.read_bytes()))
    (tmp_path / "SIMD+2020v2.csv").write_bytes(data)
    library = Library(str(tmp_path), tmp_path / "cache", build_db.progress)
    assert library.obtain(files["scotland_2020"]).checked == "rebuilt"
    at = data.rindex(b"1")
    data[at : at + 1] = b"2"
    (tmp_path / "SIMD+2020v2.csv").write_bytes(data)
    with pytest.raises(ChangedFile, match=r"SIMD\+2020v2\.csv"):
        library.obtain(files["scotland_2020"])


def test_every_file_of_the_mirror_is_a_known_one(full):
    checked = dict(full.execute("select id, checked from publications where sha256 is not null and status <> 'hosted'"))
    assert set(checked.values()) == {"verified", "rebuilt"}
    assert {id_ for id_, what in checked.items() if what == "verified"} == {
        "data_zone_2011_lookup",
        "england_2019_transformed_scores",
        "northern_ireland_2017",
        "uk_composite",
    }
