"""Welsh Index of Multiple Deprivation 2025 (Welsh Government): ranks and bands, on the LSOAs of 2021.

https://www.gov.wales/welsh-index-multiple-deprivation-2025

The workbook has a sheet of published bands. Where only its main sheet is given, as CSV, the deciles end at the
ranks that the workbook's guidance gives (`DECILES`); the build compares them with the sheet wherever it has that.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING

from sources import wales_2019 as wales
from sources.publication import Index, KnownFile, Publication, SourceFile, index_table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


RANKS = SourceFile(
    "wales_2025",
    tuple(
        f"wimd-2025-index-and-domain-ranks-by-small-area{end}" for end in (".ods", "_0.ods", ".xlsx", ".xls", ".csv")
    ),
    "https://www.gov.wales/sites/default/files/statistics-and-research/2025-11/"
    "wimd-2025-index-and-domain-ranks-by-small-area.ods",
    known=(
        KnownFile(
            ("wimd-2025-index-and-domain-ranks-by-small-area.csv",),
            "ff58c2c87f8997137d7aa46701f10239908d58f18ae14dbfa6c28a7549fc25d7",
            146_188,
            "rebuilt",
            "The main sheet of the official workbook as CSV.",
        ),
    ),
)

DECILES = (191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917)  # the highest rank of each

PLACE = {
    "publisher_name": column(str, "LSOA name (Eng)"),
    "authority_name": column(str, "Local Authority name (Eng)"),
}
RANK = {f"{name}_rank": column(int, title) for name, title in {"imd": "WIMD 2025", **wales.DOMAINS}.items()}
BANDS = {
    "imd_decile": column(int, "WIMD 2025 overall decile"),
    "imd_quintile": column(int, "WIMD 2025 overall quintile"),
    "imd_quartile": column(int, "WIMD 2025 overall quartile"),
    "imd_deprivation_group": column(str, "WIMD 2025 overall deprivation group"),
}

TABLE = index_table("imd_wales_2025", {name: c.type for part in (RANK, BANDS) for name, c in part.items()}, "lsoa_2021")

INDEX = Index(
    id="wales_2025",
    nation="Wales",
    year=2025,
    title="Welsh Index of Multiple Deprivation 2025",
    publisher="Welsh Government",
    areas=1917,
    geography="lsoa_2021",
    area_kind="LSOA",
    table=TABLE.name,
    band_rule="ceil",
    bands={"decile": 10, "quintile": 5, "quartile": 4},
    bounds={"decile": DECILES},
    may_be_blank=frozenset({"imd_quintile", "imd_quartile"}),
    score=None,
    domains=wales.COMMON,
    weights={
        "income": 22,
        "employment": 20,
        "health": 15,
        "education": 14,
        "access_to_services": 10,
        "housing": 9,
        "community_safety": 5,
        "physical_environment": 5,
    },
    published_ranks={
        "imd_rank": (1917, "W01000240"),
        "income_rank": (1914, "W01000240"),
        "employment_rank": (1916, "W01000240"),
        "health_rank": (1917, "W01000240"),
        "education_rank": (1917, "W01000921"),
        "access_to_services_rank": (1917, "W01000683"),
        "housing_rank": (1916, "W01001768"),
        "community_safety_rank": (1917, "W01000240"),
        "physical_environment_rank": (1917, "W01002019"),
    },
)


def load(build: "Build") -> None:
    """Fill imd_wales_2025; add the index's own names and the authorities to the LSOAs of Wales."""
    is_csv = build.file(RANKS).name.endswith(".csv")
    rows = build.rows(RANKS, wales.KEY | PLACE | RANK, sheet=None if is_csv else "WIMD_2025_ranks")
    build.insert(TABLE.name, ["area_code", *RANK], rows.select("area_code", *RANK))
    overall = {row.area_code: row.imd_rank for row in rows}
    if is_csv:
        columns, bands = ["imd_decile"], [(code, bisect_left(DECILES, rank) + 1) for code, rank in overall.items()]
    else:
        columns, bands = list(BANDS), wales.bands_of(build, RANKS, BANDS, overall, 2025)
    build.update(TABLE.name, ["area_code", *columns], bands)
    build.merge(
        "lsoas_2021",
        ["code", "publisher_name", "local_authority_2024", "nation"],
        (
            (row.area_code, row.publisher_name, build.authority_named(row.authority_name, "Wales"), "Wales")
            for row in rows
        ),
    )


PUBLICATIONS = (
    Publication(
        id="wales_2025",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2025",
        page="https://www.gov.wales/welsh-index-multiple-deprivation-2025",
        files=(RANKS,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "lsoas_2021"),
        rows={RANKS.id: INDEX.areas},
        index=INDEX,
        attribution="Welsh Government, Welsh Index of Multiple Deprivation 2025, licensed under the Open Government"
        " Licence v3.0.",
    ),
)
