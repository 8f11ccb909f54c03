"""Each check that is a query is a file: its name, perhaps a hint, and SQL that must give no rows."""

import re
import sqlite3

import pytest

from census.build.checks import check

FILES = sorted(path.stem for path in check.FOLDER.glob("*.sql"))
PROGRAM = "".join(path.read_text("utf-8") for path in check.FOLDER.glob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_a_file_begins_with_its_name_is_one_query_and_is_used(file):
    first, *rest = (check.FOLDER / f"{file}.sql").read_text("utf-8").splitlines()
    assert re.fullmatch("-- name: .+", first)
    assert ";" not in "".join(rest)
    assert f'"{file}"' in PROGRAM


def test_what_queries_find_is_named_under_the_name_and_hint_of_the_first():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (code text, a_share real, b_share real)")
    connection.executemany("insert into t values (?, ?, ?)", [("x", 0.5, 1), ("y", 1.5, 0), ("z", -1, 7)])
    queries = [check.query("shares", table="t", key="code", column=column) for column in ("a_share", "b_share")]
    check_of_shares = check.expect_no_rows(connection, *queries)
    assert (check_of_shares.name, check_of_shares.expected) == ("shares that are not within 0 to 1", "none")
    assert (check_of_shares.actual, check_of_shares.hint) == (
        "y a_share 1.5; z a_share -1.0; z b_share 7.0",
        "Are they percentages now?",
    )
    connection.execute("delete from t where code <> 'x'")
    assert check.expect_no_rows(connection, *queries).passed


def test_a_placeholder_without_a_value_is_an_error():
    with pytest.raises(KeyError):
        check.query("shares", table="t")
