"""The rows that a publication's `load` function reads, by the names of their columns."""

import pytest

from sources.workbook import Rows

ROWS = Rows(("code", "rank", "score"), [("E1", 3, 0.5), ("E2", 1, None)])


def test_a_row_has_its_cells_by_name_and_by_place():
    assert (ROWS[0].code, ROWS[0].rank, ROWS[1].score) == ("E1", 3, None)
    assert ROWS == [("E1", 3, 0.5), ("E2", 1, None)]


@pytest.mark.parametrize(
    "columns, cells",
    [
        (("score", "code"), [(0.5, "E1"), (None, "E2")]),
        (("rank",), [(3,), (1,)]),
        (("code", "rank", "score"), [("E1", 3, 0.5), ("E2", 1, None)]),
    ],
)
def test_columns_are_selected_in_the_order_in_which_they_are_named(columns, cells):
    assert list(ROWS.select(*columns)) == cells


def test_a_column_that_was_not_read_is_refused():
    with pytest.raises(KeyError, match="decile"):
        list(ROWS.select("code", "decile"))


def test_a_row_that_is_too_short_is_refused():
    with pytest.raises(TypeError):
        Rows(("code", "rank"), [("E1",)])
