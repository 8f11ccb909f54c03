"""Bands: the rule, the SQL that says the same, and the publishers' own bands."""

import sqlite3
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.domain.bands import QUANTILES, band, band_sql, quantile, quantile_sql
from sources import registry
from tests.conftest import THOROUGH

INDICES = [p.index for p in registry.publications() if p.index]
ranked = st.integers(1, 40_000).flatmap(lambda n: st.tuples(st.integers(2, 2 * n).map(lambda r: r / 2), st.just(n)))


@given(ranked, st.sampled_from(QUANTILES))
def test_a_band_is_the_stated_rule_in_exact_arithmetic(ranked, q):
    rank, n = ranked
    assert band(rank, n, q, "ceil") == ceil(Fraction(rank) * q / n)
    assert band(rank, n, q, "floor") == floor((Fraction(rank) - 1) * q / n) + 1


@given(ranked, st.sampled_from(QUANTILES), st.sampled_from(["ceil", "floor"]))
def test_a_band_lies_within_1_and_q_and_never_falls_as_ranks_rise(ranked, q, rule):
    rank, n = ranked
    assert 1 <= band(rank, n, q, rule) <= q
    if rank < n:
        assert band(rank, n, q, rule) <= band(rank + 0.5, n, q, rule)


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.id)
@pytest.mark.parametrize("q", [2, 5, 7, 10, 20, 100] if THOROUGH else [7, 10])
def test_sql_and_python_give_every_rank_the_same_band(index, q):
    n = index.areas
    connection = sqlite3.connect(":memory:")
    connection.execute("create table ranks (rank real)")
    connection.executemany("insert into ranks values (?)", [(r / 2,) for r in range(2, 2 * n + 1)])
    for rule in ("ceil", "floor"):
        for rank, found in connection.execute(f"select rank, {band_sql('rank', n, q, rule)} from ranks"):
            assert found == band(rank, n, q, rule)


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.id)
@pytest.mark.parametrize("q", [2, 4, 5, 7, 10, 20, 100])
def test_sql_and_python_give_every_rank_of_an_index_the_same_quantile(index, q):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table ranks (rank)")
    connection.executemany("insert into ranks values (?)", [(r,) for r in range(1, index.areas + 1)])
    before = 1
    for rank, found in connection.execute(f"select rank, {quantile_sql(index, 'rank', q)} from ranks order by rank"):
        assert found == quantile(index, rank, q)
        assert before <= found <= before + 1
        before = found
    assert before == q
    assert connection.execute(f"select {quantile_sql(index, 'null', q)}").fetchone() == (None,)
    with pytest.raises(ValueError, match="is not a rank"):
        quantile(index, index.areas + 1, q)


def test_wales_2025_has_the_deciles_that_its_publisher_gives_and_quintiles_of_two_each():
    [index] = [index for index in INDICES if index.id == "wales_2025"]
    most = (191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917)
    for decile, highest in enumerate(most, 1):
        assert quantile(index, highest, 10) == decile
        assert highest == 1917 or quantile(index, highest + 1, 10) == decile + 1
        assert quantile(index, highest, 5) == ceil(decile / 2)
    assert quantile(index, 383, 10) == 3, "where the usual rule says 2"
    assert quantile(index, 480, 4) == ceil(Fraction(480 * 4, 1917)) == 2


@pytest.mark.parametrize("q", [4, 5, 10])
def test_wales_2019_has_the_bands_that_its_guidance_sheet_gives(q):
    sizes = [sum(band(rank, 1909, q, "floor") == b for rank in range(1, 1910)) for b in range(1, q + 1)]
    assert sum(sizes) == 1909
    if q == 10:
        assert sizes == [191] * 9 + [190]


@pytest.mark.parametrize(
    "rank, n, q, rule",
    [
        (0, 10, 5, "ceil"),
        (11, 10, 5, "ceil"),
        (1.25, 10, 5, "ceil"),
        (1, 10, 1, "ceil"),
        (1, 10, 101, "floor"),
        (1, 10, 5, "round"),
    ],
)
def test_what_is_no_rank_band_or_rule_is_refused(rank, n, q, rule):
    with pytest.raises(ValueError, match="is not a"):
        band(rank, n, q, rule)
