"""Scottish Index of Multiple Deprivation 2020v2 (Scottish Government), from its data zone look-up.

https://www.gov.scot/collections/scottish-index-of-multiple-deprivation-2020/
"""

from numbers import Number
from typing import TYPE_CHECKING

from sources.publication import Index, KnownFile, Publication, SourceFile, index_table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = SourceFile(
    "scotland_2020",
    ("SIMD+2020v2+-+datazone+lookup.xlsx", "SIMD_2020v2_-_datazone_lookup.xlsx", "SIMD+2020v2.csv"),
    "https://www.gov.scot/binaries/content/documents/govscot/publications/statistics/2020/01/"
    "scottish-index-of-multiple-deprivation-2020-data-zone-look-up-file/documents/"
    "scottish-index-of-multiple-deprivation-data-zone-look-up/scottish-index-of-multiple-deprivation-data-zone-look-up/"
    "govscot%3Adocument/SIMD%2B2020v2%2B-%2Bdatazone%2Blookup.xlsx",
    known=(
        KnownFile(
            ("SIMD+2020v2.csv",),
            "8a30818e953707a48dfb3250fc92c05b76392e05a46550efa10243a132c8b236",
            1_687_711,
            "rebuilt",
            "The sheet of the official workbook as CSV.",
        ),
    ),
)
SHEET = "SIMD 2020v2 DZ lookup data"

KEY = {"area_code": column(str, "DZ")}
PLACE = {
    "publisher_name": column(str, "DZname"),
    "local_authority_2019": column(str, "LAcode"),
    "authority_name": column(str, "LAname"),
    "intermediate_zone": column(str, "IZcode"),
    "population": column(int, "Population"),
    "working_age_population": column(int, "Working_Age_Population"),
}
OVERALL = {
    "imd_rank": column(int, "SIMD2020v2_Rank"),
    "imd_vigintile": column(int, "SIMD2020v2_Vigintile"),
    "imd_decile": column(int, "SIMD2020v2_Decile"),
    "imd_quintile": column(int, "SIMD2020v2_Quintile"),
}
DOMAIN_RANKS = {  # tied data zones share their mean rank, so these can be halves
    "income_rank": column(Number, "SIMD2020v2_Income_Domain_Rank"),
    "employment_rank": column(Number, "SIMD2020_Employment_Domain_Rank"),
    "education_rank": column(Number, "SIMD2020_Education_Domain_Rank"),
    "health_rank": column(Number, "SIMD2020_Health_Domain_Rank"),
    "access_rank": column(Number, "SIMD2020_Access_Domain_Rank"),
    "crime_rank": column(Number, "SIMD2020_Crime_Domain_Rank"),
    "housing_rank": column(Number, "SIMD2020_Housing_Domain_Rank"),
}
FIGURES = OVERALL | DOMAIN_RANKS

TABLE = index_table("imd_scotland_2020", {name: c.type for name, c in FIGURES.items()})

INDEX = Index(
    id="scotland_2020",
    nation="Scotland",
    year=2020,
    title="Scottish Index of Multiple Deprivation 2020v2",
    publisher="Scottish Government",
    areas=6976,
    geography="lsoa_2011",
    area_kind="data zone",
    table=TABLE.name,
    band_rule="ceil",
    bands={"decile": 10, "quintile": 5, "vigintile": 20},
    score=None,
    domains={
        "income": "income",
        "employment": "employment",
        "education": "education",
        "health": "health",
        "crime": "crime",
        "access_to_services": "access",
        "housing": "housing",
    },
    weights={
        "income": 28,
        "employment": 28,
        "health": 14,
        "education": 14,
        "access": 9,
        "crime": 5,
        "housing": 2,
    },
    ties="mean",
    other_ties={"income_rank": 6969},  # of the twelve data zones that come last
    slack=0.02,
    published_ranks={
        "imd_rank": (6976, "S01010891"),
        "income_rank": (6505, "S01010323"),
        "employment_rank": (6556, "S01010138"),
        "education_rank": (6976, "S01011384"),
        "health_rank": (6976, "S01010323"),
        "access_rank": (6976, "S01012017"),
        "crime_rank": (6802, "S01010275"),
        "housing_rank": (6680, "S01009907"),
    },
)


def load(build: "Build") -> None:
    """Fill imd_scotland_2020; add names, authorities, intermediate zones and populations to the data zones."""
    sheet = None if build.file(LOOKUP).name.endswith(".csv") else SHEET
    rows = build.rows(LOOKUP, KEY | PLACE | FIGURES, sheet=sheet)
    build.insert(TABLE.name, ["area_code", *FIGURES], rows.select("area_code", *FIGURES))
    build.authorities("2019", ((row.local_authority_2019, row.authority_name, "Scotland") for row in rows))
    build.areas(
        {
            "code": row.area_code,
            "kind": "data zone",
            "nation": "Scotland",
            "publisher_name": row.publisher_name,
            "local_authority_2019": row.local_authority_2019,
        }
        for row in rows
    )
    people = ("intermediate_zone", "population", "working_age_population")
    build.merge("data_zones_2011", ["code", *people], rows.select("area_code", *people))


PUBLICATIONS = (
    Publication(
        id="scotland_2020",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2020v2",
        page="https://www.gov.scot/collections/scottish-index-of-multiple-deprivation-2020/",
        files=(LOOKUP,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "small_areas", "data_zones_2011", "local_authorities"),
        rows={LOOKUP.id: 6976},
        index=INDEX,
        attribution="Scottish Government, Scottish Index of Multiple Deprivation 2020v2, licensed under the Open"
        " Government Licence v3.0.",
    ),
)
