"""Composite UK index of multiple deprivation (mySociety), the only figures here that compare the four nations.

https://github.com/mysociety/composite_uk_imd

It puts the areas of the indices of 2019 (England, Wales), 2020 (Scotland) and 2017 (Northern Ireland) on England's
scale by their income and employment scores. Not an official statistic, and under a licence of its own (CC BY 4.0).
"""

from numbers import Number
from typing import TYPE_CHECKING

from census.domain.codes import KIND_OF_CODE, NATION_OF_CODE
from sources.publication import CC_BY, KnownFile, Publication, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


INDEX_FILE = SourceFile(
    "uk_composite",
    ("UK_IMD_E.csv",),
    "https://raw.githubusercontent.com/mysociety/composite_uk_imd/main/data/uk_index/UK_IMD_E.csv",
    known=(
        KnownFile(("UK_IMD_E.csv",), "cfcef5086a8759068195b341db32bd643931a2dfa0a101edf99b1a27e0190138", 2_602_471),
    ),
)
AREAS = 42619
DECILES = (4222, 4163, 4099, 4083, 4214, 4238, 4342, 4309, 4372, 4577)  # areas in each, most deprived first
STANDS_ON = {"E": "england_2019", "W": "wales_2019", "S": "scotland_2020", "N": "northern_ireland_2017"}
"""Nation code to the index whose areas and overall score it has."""
MODEL = {
    "E": (0.0, 0.0, 1.0),
    "W": (3.057037104662136, 0.10985655292896024, 0.8563477859913157),
    "S": (-0.07496130106227353, -0.5853415503564765, 1.2169828058222751),
    "N": (7.335180062462659, 0.8668925380150085, 0.9273323105121417),
}
"""Nation code to constant, weight of the employment score and weight of the overall local score in `uk_imd_e_score`.

Found from the published figures, which follow them to the last decimal.
"""
RATES = {
    "E": {"income": "income_score", "employment": "employment_score"},
    "N": {"income": "income_share", "employment": "employment_share"},
}
"""Nation code to the columns of its index with the rates of which the composite has the per cent."""
DECILES_DIFFER = {"E": 1, "W": 1}
"""Nation code to how far `original_decile` may be from the published one: of 3 areas of England and 18 of Wales."""

FIGURES = {
    "area_code": column(str, "lsoa"),
    "nation_code": column(str, "nation"),
    "overall_local_score": column(float, "overall_local_score"),
    "income_score": column(float, "income_score"),
    "employment_score": column(float, "employment_score"),
    "uk_imd_e_score": column(float, "UK_IMD_E_score"),
    "original_decile": column(int, "original_decile"),
    "e_expanded_decile": column(int, "E_expanded_decile"),
    "uk_imd_e_rank": column(Number, "UK_IMD_E_rank"),  # ties share their mean
    "uk_imd_e_pop_decile": column(int, "UK_IMD_E_pop_decile"),
    "uk_imd_e_pop_quintile": column(int, "UK_IMD_E_pop_quintile"),
}

TABLE = Table(
    "imd_uk_composite",
    {name: c.type for name, c in FIGURES.items()},
    primary_key="area_code",
    references={"area_code": ("small_areas", "code")},
    not_null=frozenset({"uk_imd_e_rank", "uk_imd_e_pop_decile"}),
    area={"area_code": "lsoa_2011"},
)


def load(build: "Build") -> None:
    """Fill imd_uk_composite; add its areas to the small areas."""
    rows = build.rows(INDEX_FILE, FIGURES)
    build.insert(TABLE.name, list(FIGURES), rows)
    firsts = [(row.area_code, (row.area_code or "")[:1]) for row in rows]
    build.areas({"code": c, "kind": KIND_OF_CODE.get(f), "nation": NATION_OF_CODE.get(f)} for c, f in firsts)


PUBLICATIONS = (
    Publication(
        id="uk_composite",
        title="Composite UK index of multiple deprivation (UK_IMD_E)",
        publisher="mySociety",
        edition="3.4",
        page="https://github.com/mysociety/composite_uk_imd",
        files=(INDEX_FILE,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name,),
        rows={INDEX_FILE.id: AREAS},
        licence=CC_BY,
        attribution="mySociety, Composite UK index of multiple deprivation 3.4, licensed under the Creative Commons"
        " Attribution 4.0 International licence.",
    ),
)
