"""Bands of a rank, and the view in which every index speaks the same words.

A band (decile, quintile, any quantile) is 1 for the most deprived. Where a publisher gives a band, that one is used;
any other is computed from the rank by the rule that the same publisher's bands follow:

- `ceil`:  ceil(rank × q / n)            English indices 2019, SIMD 2020v2; used for NIMDM 2017, which publishes none
- `floor`: floor((rank − 1) × q / n) + 1  WIMD 2019, all of its published deciles, quintiles and quartiles

Ranks may be halves, where a publisher gives ties their mean. The arithmetic is in whole numbers (twice the rank), so
that no rounding can move an area between bands; the SQL says the same thing, and the tests hold the two together.
"""

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


def view_sql(indices: list[Index], tables: dict[str, Table]) -> str:
    """The SQL of the view `deprivation`: one row an area an index, in the words common to all of them."""
    return "\nunion all\n".join(_arm(index, tables[index.table].columns) for index in indices)


def _arm(index: Index, columns: dict[str, type]) -> str:
    def whole(column: str) -> str:
        """Whole ranks read as whole numbers also where the column holds halves."""
        if columns[column] is int:
            return column
        return f"case when {column} = cast({column} as integer) then cast({column} as integer) else {column} end"

    def banded(name: str, q: int) -> list[str]:
        if name in index.bands:
            return [f"imd_{name} as {name}", f"'published' as {name}_basis"]
        return [f"{band_sql('imd_rank', index.areas, q, index.band_rule)} as {name}", f"'computed' as {name}_basis"]

    selected = [
        f"'{index.id}' as index_id",
        "area_code",
        "imd_rank as rank",
        f"{index.areas} as 'of'",
        *banded("decile", 10),
        *banded("quintile", 5),
        f"{index.score or 'null'} as score",
    ]
    for domain in DOMAINS + SUPPLEMENTARY:
        prefix = index.domains.get(domain)
        if prefix is None:
            selected += [f"null as {domain}_rank", f"null as {domain}_decile"]
            continue
        computed = band_sql(f"{prefix}_rank", index.areas, 10, index.band_rule)
        selected += [
            f"{whole(f'{prefix}_rank')} as {domain}_rank",
            f"{f'{prefix}_decile' if index.domain_bands else computed} as {domain}_decile",
        ]
    selected.append(f"'{'published' if index.domain_bands else 'computed'}' as domain_decile_basis")
    return "select\n    " + ",\n    ".join(selected) + f"\nfrom {index.table}"
