"""A number that a visitor typed is one as in JSON, within bounds; anything else is null."""

import runpy
import sqlite3

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def sql() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    runpy.run_path(str(ROOT / "plugins" / "number_sql.py"))["prepare_connection"](connection)
    return connection


@pytest.mark.parametrize(
    "text, number",
    [
        *(
            ("5", 5),
            (" 5 ", 5),
            ("100", 100),
            ("2", 2),
            ("5.5", 5.5),
            ("5.0", 5.0),
            ("1e1", 10.0),
            ("0.5e1", 5.0),
            (7, 7),
        ),
        *((text, None) for text in (None, "", "1", "101", "05", "+5", "5.", ".5", "5 5", "many", "NaN", "Infinity")),
        *((text, None) for text in ("1e999", "-5", "٥", "5\0", "5" + " " * 200, "9" * 5000)),
    ],
)
def test_a_number_is_given_where_the_text_is_one_within_bounds(sql, text, number):
    [(given, type_)] = sql.execute("select n, typeof(n) from (select number_between(?, 2, 100) as n)", (text,))
    assert given == number
    assert type_ == {int: "integer", float: "real", type(None): "null"}[type(number)]
