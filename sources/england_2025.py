"""English indices of deprivation 2025 (MHCLG): File 7 (ranks, deciles, scores, populations) and File 9.

On the LSOAs of 2021.

https://www.gov.uk/government/statistics/english-indices-of-deprivation-2025
"""

from typing import TYPE_CHECKING

from sources import england_2019 as england
from sources.publication import Index, KnownFile, Publication, SourceFile, index_table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


FILE_7 = SourceFile(
    "england_2025",
    ("File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv",),
    "https://assets.publishing.service.gov.uk/media/691ded56d140bbbaa59a2a7d/"
    "File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv",
    known=(
        KnownFile(
            ("File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv",),
            "b1b716aa2e476449f987b9de3e08255b4794eabfd270626de5de18b2f5eff3ef",
            9_897_666,
        ),
        KnownFile(
            ("File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv",),
            "6c3f44010e35341506eaa2877b89f84e066dc0b6368ca9c69a6790dedf09bd99",
            9_079_457,
            "rebuilt",
            "Rebuilt in the official layout from the publication's other files: the scores of IDACI and IDAOPI and the"
            " populations are blank.",
        ),
    ),
)
FILE_9 = SourceFile(
    "england_2025_transformed_scores",
    ("File_9_IoD2025_Transformed_Domain_Scores.csv", "File_9_IoD2025_Transformed_Domain_Scores.xlsx"),
    None,  # linked from the publication's page
    optional=True,
)

KEY = {"area_code": column(str, "LSOA code (2021)")}
FIGURES = england.figures()
PLACE = {
    "name": column(str, "LSOA name (2021)"),
    "local_authority_2024": column(str, "Local Authority District code (2024)"),
    "authority_name": column(str, "Local Authority District name (2024)"),
}
POPULATIONS = {
    "total_population_mid_2022": column(int, "Total population: mid 2022"),
    "dependent_children_mid_2022": column(int, "Dependent Children aged 0-15: mid 2022"),
    "older_population_60_and_over_mid_2022": column(int, "Older population aged 60 and over: mid 2022"),
    "working_age_population_mid_2022": column(
        int, "Working age population 18-66 (for use with Employment Deprivation Domain): mid 2022"
    ),
}
TRANSFORMED = england.TRANSFORMED  # the labels of File 9 are those of 2019

TABLE = index_table(
    "imd_england_2025",
    {name: c.type for name, c in (FIGURES | TRANSFORMED).items()},
    "lsoa_2021",
)

INDEX = Index(
    id="england_2025",
    nation="England",
    year=2025,
    title="English indices of deprivation 2025",
    publisher="Ministry of Housing, Communities and Local Government",
    areas=33755,
    geography="lsoa_2021",
    area_kind="LSOA",
    table=TABLE.name,
    band_rule="ceil",
    bands={"decile": 10},
    domain_bands=True,
    domains=england.COMMON,
    weights=england.WEIGHTS,
    domain_scores=england.SCORES_END,
    scored_at_mean=True,
    published_ranks={
        "imd_rank": (33755, "E01021988"),
        "income_rank": (33752, "E01001826"),
        "employment_rank": (33755, "E01001762"),
        "education_skills_training_rank": (33754, "E01007769"),
        "health_deprivation_disability_rank": (33755, "E01007133"),
        "crime_rank": (33755, "E01012681"),
        "barriers_to_housing_services_rank": (33754, "E01020309"),
        "living_environment_rank": (33755, "E01011673"),
        "idaci_rank": (33719, "E01007532"),
        "idaopi_rank": (33720, "E01034730"),
        "children_young_people_sub_domain_rank": (33755, "E01007529"),
        "adult_skills_sub_domain_rank": (33749, "E01013656"),
        "geographical_barriers_sub_domain_rank": (33755, "E01027375"),
        "wider_barriers_sub_domain_rank": (33755, "E01000605"),
        "indoors_sub_domain_rank": (33755, "E01020889"),
        "outdoors_sub_domain_rank": (33755, "E01033706"),
    },
    # Some copies of File 7 have none of these, or no scores
    may_be_blank=frozenset(
        f"{name}_{figure}" for name in ("idaci", "idaopi") for figure in ("score", "rank", "decile")
    ),
)


def load(build: "Build") -> None:
    """Fill imd_england_2025; add names, 2024 authorities and mid-2022 populations to the LSOAs of England."""
    rows = build.rows(FILE_7, KEY | PLACE | POPULATIONS | FIGURES)
    build.insert(TABLE.name, ["area_code", *FIGURES], rows.select("area_code", *FIGURES))
    build.authorities("2024", ((row.local_authority_2024, row.authority_name, "England") for row in rows))
    build.merge(
        "lsoas_2021",
        ["code", "name", "local_authority_2024", *POPULATIONS, "nation"],
        ((*row, "England") for row in rows.select("area_code", "name", "local_authority_2024", *POPULATIONS)),
    )


def load_transformed(build: "Build") -> None:
    """Add the exponentially transformed domain scores to imd_england_2025."""
    build.update(TABLE.name, ["area_code", *TRANSFORMED], build.rows(FILE_9, KEY | TRANSFORMED))


PAGE = "https://www.gov.uk/government/statistics/english-indices-of-deprivation-2025"
ATTRIBUTION = (
    "Ministry of Housing, Communities and Local Government, English indices of deprivation 2025,"
    " licensed under the Open Government Licence v3.0."
)

PUBLICATIONS = (
    Publication(
        id="england_2025",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2025",
        page=PAGE,
        files=(FILE_7,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "lsoas_2021", "local_authorities"),
        rows={FILE_7.id: INDEX.areas},
        index=INDEX,
        attribution=ATTRIBUTION,
    ),
    Publication(
        id="england_2025_transformed_scores",
        title=f"{INDEX.title}, transformed scores",
        publisher=INDEX.publisher,
        edition="2025",
        page=PAGE,
        files=(FILE_9,),
        load=load_transformed,
        goes_with="england_2025",
        fills=(TABLE.name,),
        rows={FILE_9.id: INDEX.areas},
        attribution=ATTRIBUTION,
    ),
)
