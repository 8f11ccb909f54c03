"""Bands of a rank, and the table in which every index speaks the same words.

A band (decile, quintile, any quantile) is 1 for the most deprived. Where a publisher gives a band, that one is used;
any other is computed from the rank by the rule that the same publisher's bands follow:

- `ceil`:  ceil(rank × q / n)            English indices 2019, SIMD 2020v2; used for NIMDM 2017, which publishes none
- `floor`: floor((rank − 1) × q / n) + 1  WIMD 2019, all of its published deciles, quintiles and quartiles

Ranks may be halves, where a publisher gives ties their mean. The arithmetic is in whole numbers (twice the rank), so
that no rounding can move an area between bands; the SQL says the same thing, and the tests hold the two together.
"""

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


def band(rank: float, n: int, q: int, rule: str) -> int:
    """The band from 1 (most deprived) to `q` of a rank from 1 to `n`, by `rule` ("ceil" or "floor").

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
    """`band` as an SQL expression over the column `rank`; null where the rank is null."""
    twice = f"cast(2 * {rank} as integer)"
    if rule == "ceil":
        return f"({twice} * {q} + {2 * n - 1}) / {2 * n}"
    if rule == "floor":
        return f"({twice} - 2) * {q} / {2 * n} + 1"
    raise ValueError(f"{rule!r} is not a band rule: ceil or floor")


def index_table(name: str, columns: dict[str, type]) -> Table:
    """The table of an index: one row an area, keyed by the area's code."""
    return Table(
        name,
        {"area_code": str, **columns},
        primary_key="area_code",
        references={"area_code": ("small_areas", "code")},
        not_null=frozenset({"imd_rank"}),
        area="area_code",
    )


DEPRIVATION = Table(
    "deprivation",
    {
        "area_code": str,
        "index_id": str,
        "rank": int,
        "of": int,
        "decile": int,
        "decile_basis": str,
        "quintile": int,
        "quintile_basis": str,
        "score": float,
        **{
            f"{domain}_{figure}": type_
            for domain in DOMAINS + SUPPLEMENTARY
            for figure, type_ in (("rank", Number), ("decile", int))
        },
        "domain_decile_basis": str,
    },
    primary_key=("area_code", "index_id"),
    references={"area_code": ("small_areas", "code"), "index_id": ("indices", "id")},
    not_null=frozenset({"rank", "of", "decile", "quintile"}),
    without_rowid=True,
    area="area_code",
    derived=True,
)
"""Every index in the same words, one row an area an index.

A table, not a view over the indices' tables: SQLite reads those from end to end whenever such a view is joined.
"""


def common_words_sql(index: Index) -> str:
    """The SQL that selects the rows of `index` for the table `deprivation` from the index's own table."""

    def banded(name: str, q: int) -> list[str]:
        if name in index.bands:
            return [f"imd_{name}", "'published'"]
        return [band_sql("imd_rank", index.areas, q, index.band_rule), "'computed'"]

    selected = [
        "area_code",
        f"'{index.id}'",
        "imd_rank",
        str(index.areas),
        *banded("decile", 10),
        *banded("quintile", 5),
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
