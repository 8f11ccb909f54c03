"""Cut ranks into bands: deciles, quintiles, any number of groups.

A band (decile, quintile, any quantile) is 1 for the most deprived. Where a publisher gives a band, that one is used;
any other is computed from the rank by the rule that the same publisher's bands follow:

- `ceil`:  ceil(rank × q / n)            English indices, SIMD 2020v2; used for NIMDM 2017, which publishes none
- `floor`: floor((rank − 1) × q / n) + 1  WIMD 2019, all of its published deciles, quintiles and quartiles

- WIMD 2025's deciles follow no rule: its publisher gives the highest rank of each. Its quintiles are pairs of them
  unless the publisher's own were loaded, any other band is by `ceil`.

Ranks may be halves, where a publisher gives ties their mean. The arithmetic is in whole numbers (twice the rank), so
that no rounding can move an area between bands; the SQL says the same thing, and the tests hold the two together.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Protocol


class BandRule(Protocol):
    """How a publisher cuts the ranks of an index into bands.

    areas: how many areas it ranks. band_rule: "ceil" or "floor". bounds: for bands that follow no rule, the name of
    each kind (a key of BANDS) to the highest rank of each band.
    """

    @property
    def areas(self) -> int:
        """How many areas the index ranks."""

    @property
    def band_rule(self) -> str:
        """The rule, "ceil" or "floor"."""

    @property
    def bounds(self) -> Mapping[str, tuple[int, ...]]:
        """The highest rank of each band, by kind, where no rule gives them."""


QUANTILES = range(2, 101)

BANDS = {"decile": 10, "quintile": 5, "quartile": 4, "vigintile": 20}


def band(rank: float, n: int, q: int, rule: str) -> int:
    """Return the band from 1 (most deprived) to `q` of a rank from 1 to `n`, by `rule` ("ceil" or "floor").

    Raises ValueError for a rank outside 1 to n, one that is neither whole nor a half, a number of bands outside
    2 to 100, or another rule.
    """
    twice = int(2 * rank)
    if twice != 2 * rank or not 2 <= twice <= 2 * n:
        raise ValueError(f"{rank} is not a rank from 1 to {n}, whole or a half")
    if q not in QUANTILES:
        raise ValueError(f"{q} is not a number of bands from 2 to 100")
    if rule == "ceil":
        return (twice * q + 2 * n - 1) // (2 * n)
    if rule == "floor":
        return (twice - 2) * q // (2 * n) + 1
    raise ValueError(f"{rule!r} is not a band rule: ceil or floor")


def band_sql(rank: str, n: int, q: int, rule: str) -> str:
    """Return `band` as an SQL expression over the column `rank`; null where the rank is null."""
    twice = f"cast(2 * {rank} as integer)"
    if rule == "ceil":
        return f"({twice} * {q} + {2 * n - 1}) / {2 * n}"
    if rule == "floor":
        return f"({twice} - 2) * {q} / {2 * n} + 1"
    raise ValueError(f"{rule!r} is not a band rule: ceil or floor")


def quantile(index: BandRule, rank: float, q: int) -> int:
    """Return the band from 1 to `q` of a rank of `index`, as its publisher cuts them.

    Raises ValueError as `band` does.
    """
    by_rule = band(rank, index.areas, q, index.band_rule)
    for name, bounds in index.bounds.items():
        if q == BANDS[name]:
            return bisect_left(bounds, rank) + 1
    if q == 5 and "decile" in index.bounds:
        return (quantile(index, rank, 10) + 1) // 2
    return by_rule


def quantile_sql(index: BandRule, rank: str, q: int) -> str:
    """Return `quantile` as an SQL expression over the column `rank`; null where the rank is null."""
    for name, bounds in index.bounds.items():
        if q == BANDS[name]:
            cases = " ".join(f"when {rank} <= {highest} then {n}" for n, highest in enumerate(bounds, 1))
            return f"(case {cases} end)"
    if q == 5 and "decile" in index.bounds:
        return f"({quantile_sql(index, rank, 10)} + 1) / 2"
    return band_sql(rank, index.areas, q, index.band_rule)
