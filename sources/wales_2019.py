"""Welsh Index of Multiple Deprivation 2019 (Welsh Government): ranks, published bands and scores.

https://www.gov.wales/welsh-index-multiple-deprivation-full-index-update-ranks-2019
"""

from typing import TYPE_CHECKING

from census.domain.types import Row
from sources.publication import Index, KnownFile, Publication, SourceError, SourceFile, index_table
from sources.workbook import Column, column

if TYPE_CHECKING:
    from sources.build import Build


FILES = "https://gov.wales/sites/default/files/statistics-and-research/2019-12/"
RANKS = SourceFile(
    "wales_2019",
    tuple(
        f"welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-small-area{end}"
        for end in (".ods", ".xls", ".xlsx")
    ),
    FILES + "welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-small-area.ods",
    known=(
        KnownFile(
            ("welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-small-area.xls",),
            "3f5efca7d71d5e27381ffefa454510522418d76b95ec3926669f8d7c6816ce0c",
            776_192,
            "rebuilt",
            "The official workbook, which is an .ods, with all its sheets, saved as .xls.",
        ),
    ),
)
SCORES = SourceFile(
    "wales_2019_scores",
    tuple(
        f"wimd-2019-index-and-domain-scores-by-small-area{end}" for end in ("_0.ods", ".ods", ".csv", ".xls", ".xlsx")
    ),
    FILES + "wimd-2019-index-and-domain-scores-by-small-area_0.ods",
    known=(
        KnownFile(
            ("wimd-2019-index-and-domain-scores-by-small-area.csv",),
            "e7d06b7f7daddfca733a25f9c0f3563255a20afa62d77f20e09e8517acdcc5d1",
            149_113,
            "rebuilt",
            "The main sheet of the official workbook as CSV.",
        ),
    ),
)

DOMAINS = {  # the same in each edition
    "income": "Income",
    "employment": "Employment",
    "health": "Health",
    "education": "Education",
    "access_to_services": "Access to Services",
    "housing": "Housing",
    "community_safety": "Community Safety",
    "physical_environment": "Physical Environment",
}
COMMON = {name: name for name in DOMAINS if name not in ("community_safety", "physical_environment")} | {
    "crime": "community_safety",
    "living_environment": "physical_environment",
}
PARTS = {"imd": "WIMD 2019", **DOMAINS}
KEY = {"area_code": column(str, "LSOA code")}
NAME = {"publisher_name": column(str, "LSOA name (Eng)")}
RANK = {f"{name}_rank": column(int, title) for name, title in PARTS.items()}
SCORE = {f"{name}_score": column(float, title) for name, title in PARTS.items()}
BANDS = {
    "imd_decile": column(int, "WIMD 2019 overall decile"),
    "imd_quintile": column(int, "WIMD 2019 overall quintile"),
    "imd_quartile": column(int, "WIMD 2019 overall quartile"),
}

TABLE = index_table("imd_wales_2019", {name: c.type for part in (RANK, BANDS, SCORE) for name, c in part.items()})

INDEX = Index(
    id="wales_2019",
    nation="Wales",
    year=2019,
    title="Welsh Index of Multiple Deprivation 2019",
    publisher="Welsh Government",
    areas=1909,
    geography="lsoa_2011",
    area_kind="LSOA",
    table=TABLE.name,
    band_rule="floor",
    bands={"decile": 10, "quintile": 5, "quartile": 4},
    domains=COMMON,
    weights={
        "income": 22,
        "employment": 22,
        "health": 15,
        "education": 14,
        "access_to_services": 10,
        "housing": 7,
        "community_safety": 5,
        "physical_environment": 5,
    },
    domain_scores="_score",
    decimals=1,
    published_ranks={
        "imd_rank": (1909, "W01000240"),
        "income_rank": (1909, "W01000240"),
        "employment_rank": (1908, "W01000240"),
        "health_rank": (1909, "W01000991"),
        "education_rank": (1909, "W01000413"),
        "access_to_services_rank": (1909, "W01000650"),
        "housing_rank": (1908, "W01001768"),
        "community_safety_rank": (1909, "W01001939"),
        "physical_environment_rank": (1909, "W01001825"),
    },
)


def bands_of(
    build: "Build", file: SourceFile, bands: dict[str, Column], overall: dict[str, int], year: int
) -> list[Row]:
    """Return the rows of code and published bands in a workbook's sheet of them.

    overall: each area's rank in the main sheet. Raises SourceError where the two sheets give an area different ranks.
    """
    rank = {"imd_rank": column(int, f"WIMD {year} overall rank")}
    rows = build.rows(file, KEY | bands | rank, sheet="Deciles_quintiles_quartiles")
    for row in rows:
        if overall.get(row.area_code) != row.imd_rank:
            raise SourceError(
                f"{build.file(file).name}: {row.area_code} has rank {overall.get(row.area_code)} in one sheet"
                f" and {row.imd_rank} in another."
            )
    return list(rows.select("area_code", *bands))


def load(build: "Build") -> None:
    """Fill imd_wales_2019; add the index's own names to the LSOAs of Wales."""
    ranks = build.rows(RANKS, KEY | NAME | RANK, sheet="WIMD_2019_ranks")
    build.insert(TABLE.name, ["area_code", *RANK], ranks.select("area_code", *RANK))
    bands = bands_of(build, RANKS, BANDS, {row.area_code: row.imd_rank for row in ranks}, 2019)
    build.update(TABLE.name, ["area_code", *BANDS], bands)
    build.update(TABLE.name, ["area_code", *SCORE], build.rows(SCORES, KEY | SCORE))
    build.areas(
        {"code": row.area_code, "kind": "LSOA", "nation": "Wales", "publisher_name": row.publisher_name}
        for row in ranks
    )


PUBLICATIONS = (
    Publication(
        id="wales_2019",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2019",
        page="https://www.gov.wales/welsh-index-multiple-deprivation-full-index-update-ranks-2019",
        files=(RANKS, SCORES),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "small_areas"),
        rows={RANKS.id: 1909, SCORES.id: 1909},
        index=INDEX,
        attribution="Welsh Government, Welsh Index of Multiple Deprivation 2019, licensed under the Open Government"
        " Licence v3.0.",
    ),
)
