"""Bands of a rank, and the table in which every index speaks the same words.

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
from numbers import Number

from sources.publication import Index, Table

DOMAINS = (
    "income",
    "employment",
    "education",
    "health",
    "crime",
    "barriers_to_housing_and_services",
    "access_to_services",
    "housing",
    "living_environment",
)
"""The common list of domains. A nation that has none of a kind answers null; nothing is mapped to a near relation
but Wales's community safety (crime) and physical environment (living environment)."""

SUPPLEMENTARY = ("idaci", "idaopi")

QUANTILES = range(2, 101)

BANDS = {"decile": 10, "quintile": 5, "quartile": 4, "vigintile": 20}

PARENTS = {"lsoa_2011": "small_areas", "lsoa_2021": "lsoas_2021"}
"""Geography, as a column of `postcodes`, to the table that its areas are rows of."""


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


def quantile(index: Index, rank: float, q: int) -> int:
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


def quantile_sql(index: Index, rank: str, q: int) -> str:
    """Return `quantile` as an SQL expression over the column `rank`; null where the rank is null."""
    for name, bounds in index.bounds.items():
        if q == BANDS[name]:
            cases = " ".join(f"when {rank} <= {highest} then {n}" for n, highest in enumerate(bounds, 1))
            return f"(case {cases} end)"
    if q == 5 and "decile" in index.bounds:
        return f"({quantile_sql(index, rank, 10)} + 1) / 2"
    return band_sql(rank, index.areas, q, index.band_rule)


def index_table(name: str, columns: dict[str, type], geography: str = "lsoa_2011") -> Table:
    """Return the table of an index: one row an area, keyed by the area's code."""
    return Table(
        name,
        {"area_code": str, **columns},
        primary_key="area_code",
        references={"area_code": (PARENTS[geography], "code")},
        not_null=frozenset({"imd_rank"}),
        area={"area_code": geography},
    )


DEPRIVATION = Table(
    "deprivation",
    {
        "area_code": str,
        "index_id": str,
        **dict.fromkeys(PARENTS, str),
        "rank": int,
        "of": int,
        "decile": int,
        "decile_basis": str,
        "quintile": int,
        "quintile_basis": str,
        "quartile": int,
        "vigintile": int,
        "score": float,
        **{
            f"{domain}_{figure}": type_
            for domain in DOMAINS + SUPPLEMENTARY
            for figure, type_ in (("rank", Number), ("decile", int))
        },
        "domain_decile_basis": str,
    },
    primary_key=("area_code", "index_id"),
    references={
        **{geography: (table, "code") for geography, table in PARENTS.items()},
        "index_id": ("indices", "id"),
    },
    not_null=frozenset({"rank", "of", "decile", "quintile"}),
    indexes=tuple(PARENTS),
    without_rowid=True,
    derived=True,
)
"""Every index in the same words, one row an area an index.

A table, not a view over the indices' tables: SQLite reads those from end to end whenever such a view is joined.
"""


def common_words_sql(index: Index) -> str:
    """Return the SQL that selects the rows of `index` for the table `deprivation` from the index's own table."""

    def published(name: str) -> str:
        return f"imd_{name}" if name in index.bands else "null"

    def banded(name: str) -> list[str]:
        return [
            f"coalesce({published(name)}, {quantile_sql(index, 'imd_rank', BANDS[name])})",
            f"case when {published(name)} is null then 'computed' else 'published' end",
        ]

    selected = [
        "area_code",
        f"'{index.id}'",
        *("area_code" if geography == index.geography else "null" for geography in PARENTS),
        "imd_rank",
        str(index.areas),
        *banded("decile"),
        *banded("quintile"),
        published("quartile"),
        published("vigintile"),
        index.score or "null",
    ]
    for domain in DOMAINS + SUPPLEMENTARY:
        prefix = index.domains.get(domain)
        if prefix is None:
            selected += ["null", "null"]
        else:
            computed = band_sql(f"{prefix}_rank", index.areas, 10, index.band_rule)
            selected += [f"{prefix}_rank", f"{prefix}_decile" if index.domain_bands else computed]
    selected.append("'published'" if index.domain_bands else "'computed'")
    return f"select {', '.join(selected)} from {index.table}"
