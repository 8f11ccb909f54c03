"""Declare the table `deprivation`, in which every index has the same columns."""

from numbers import Number

from census.domain.bands import BANDS, band_sql, quantile_sql
from census.domain.geographies import DOMAINS, PARENTS, SUPPLEMENTARY
from sources.publication import Index, Table

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
"""Every index with the same columns, a row for each area and index.

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
