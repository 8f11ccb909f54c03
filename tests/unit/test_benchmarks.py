"""What the benchmarks may do beside measuring."""

import sqlite3
from contextlib import closing

import pytest

from benchmarks import __main__ as benchmarks


@pytest.mark.parametrize(("scope", "made"), [("extract", [["--maps"]]), ("complete", [])])
def test_only_the_map_of_an_extract_is_made(monkeypatch, tmp_path, scope, made):
    """That of the whole UK is made from boundaries that the publishers serve."""
    with closing(sqlite3.connect(tmp_path / "census.db")) as connection:
        connection.execute("create table edition as select ? as scope", (scope,))
        connection.commit()
    asked = []
    monkeypatch.setattr(benchmarks.build_db, "main", lambda arguments: asked.append(arguments) or 0)
    benchmarks.make_map(tmp_path / "census.db")
    assert asked == made
