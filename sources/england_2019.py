"""English indices of deprivation 2019 (MHCLG): File 7 (ranks, deciles, scores, populations) and File 9.

https://www.gov.uk/government/statistics/english-indices-of-deprivation-2019
"""

from typing import TYPE_CHECKING

from sources.publication import Index, KnownFile, Publication, SourceFile, index_table
from sources.workbook import Column, column

if TYPE_CHECKING:
    from sources.build import Build


FILE_7 = SourceFile(
    "england_2019",
    ("File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv",),
    "https://assets.publishing.service.gov.uk/government/uploads/system/uploads/attachment_data/file/845345/"
    "File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv",
    known=(
        KnownFile(
            ("File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv",),
            "e92a7be80e42630391cabe85483544ba6ff2050b7f152e6e8722450ed220d4ab",
            7_414_466,
            "rebuilt",
            "Rebuilt in the official layout from the publication's other files: all ranks and deciles, three scores,"
            " populations; the other scores are blank.",
        ),
    ),
)
FILE_9 = SourceFile(
    "england_2019_transformed_scores",
    ("File_9_-_IoD2019_Transformed_Scores.csv", "File_9_-_IoD2019_Transformed_Scores.xlsx"),
    None,  # linked from the publication's page; no fixed address is known
    known=(
        KnownFile(
            ("File_9_-_IoD2019_Transformed_Scores.csv",),
            "1d85ce00a3d78bcaef31764b7d009b6647b0fafa8db3e130d841681da2f8243b",
            3_149_155,
        ),
    ),
)

DOMAINS = {  # column: the label in File 7, the label in File 9
    "income": ("Income", "Income"),
    "employment": ("Employment", "Employment"),
    "education_skills_training": ("Education, Skills and Training", "Education"),
    "health_deprivation_disability": ("Health Deprivation and Disability", "Health"),
    "crime": ("Crime", "Crime"),
    "barriers_to_housing_services": ("Barriers to Housing and Services", "Barriers"),
    "living_environment": ("Living Environment", "Living Environment"),
}
PARTS = {
    "imd": "Index of Multiple Deprivation (IMD)",
    **{name: labels[0] for name, labels in DOMAINS.items()},
    "idaci": "Income Deprivation Affecting Children Index (IDACI)",
    "idaopi": "Income Deprivation Affecting Older People (IDAOPI)",
    "children_young_people_sub_domain": "Children and Young People Sub-domain",
    "adult_skills_sub_domain": "Adult Skills Sub-domain",
    "geographical_barriers_sub_domain": "Geographical Barriers Sub-domain",
    "wider_barriers_sub_domain": "Wider Barriers Sub-domain",
    "indoors_sub_domain": "Indoors Sub-domain",
    "outdoors_sub_domain": "Outdoors Sub-domain",
}


WEIGHTS = {  # per cent, of the English indices 2019 and 2025, as their technical reports give them
    "income": 22.5,
    "employment": 22.5,
    "education_skills_training": 13.5,
    "health_deprivation_disability": 13.5,
    "crime": 9.3,
    "barriers_to_housing_services": 9.3,
    "living_environment": 9.3,
}
SCORES_END = "_score_exponentially_transformed"

COMMON = {  # common domain name: prefix
    "income": "income",
    "employment": "employment",
    "education": "education_skills_training",
    "health": "health_deprivation_disability",
    "crime": "crime",
    "barriers_to_housing_and_services": "barriers_to_housing_services",
    "living_environment": "living_environment",
    "idaci": "idaci",
    "idaopi": "idaopi",
}


def figures() -> dict[str, Column]:
    """Return the columns of scores, ranks and deciles, which have the same labels in File 7 of each edition."""
    columns = {}
    for name, title in PARTS.items():
        decile = f"{title} Decile (where 1 is most deprived 10% of LSOAs)"
        columns[f"{name}_score"] = column(float, f"{title} Score", f"{title} Score (rate)")
        columns[f"{name}_rank"] = column(int, f"{title} Rank (where 1 is most deprived)")
        columns[f"{name}_decile"] = column(int, decile, decile[:80])  # the file of 2025 cuts it there
    return columns


KEY = {"area_code": column(str, "LSOA code (2011)")}
FIGURES = figures()
PLACE = {
    "name": column(str, "LSOA name (2011)"),
    "local_authority_2019": column(str, "Local Authority District code (2019)"),
    "authority_name": column(str, "Local Authority District name (2019)"),
}
POPULATIONS = {
    "total_population_mid_2015": column(int, "Total population: mid 2015 (excluding prisoners)"),
    "dependent_children_mid_2015": column(int, "Dependent Children aged 0-15: mid 2015 (excluding prisoners)"),
    "population_16_59_mid_2015": column(int, "Population aged 16-59: mid 2015 (excluding prisoners)"),
    "older_population_60_and_over_mid_2015": column(
        int, "Older population aged 60 and over: mid 2015 (excluding prisoners)"
    ),
    "working_age_population_mid_2015": column(
        int, "Working age population 18-59/64: for use with Employment Deprivation Domain (excluding prisoners)"
    ),
}
TRANSFORMED = {
    f"{name}{SCORES_END}": column(float, f"{labels[1]} Score - exponentially transformed")
    for name, labels in DOMAINS.items()
}

TABLE = index_table(
    "imd_england_2019",
    {name: c.type for name, c in FIGURES.items()} | {name: c.type for name, c in TRANSFORMED.items()},
)

INDEX = Index(
    id="england_2019",
    nation="England",
    year=2019,
    title="English indices of deprivation 2019",
    publisher="Ministry of Housing, Communities and Local Government",
    areas=32844,
    geography="lsoa_2011",
    area_kind="LSOA",
    table=TABLE.name,
    band_rule="ceil",
    bands={"decile": 10},
    domain_bands=True,
    tied_pairs=26,
    domains=COMMON,
    weights=WEIGHTS,
    domain_scores=SCORES_END,
    scored_at_mean=True,
    published_ranks={
        "imd_rank": (32818, "E01021988"),
        "income_rank": (32796, "E01012673"),
        "employment_rank": (32788, "E01021988"),
        "education_skills_training_rank": (32824, "E01013208"),
        "health_deprivation_disability_rank": (32831, "E01012681"),
        "crime_rank": (32840, "E01012681"),
        "barriers_to_housing_services_rank": (32823, "E01000604"),
        "living_environment_rank": (32829, "E01032582"),
        "idaci_rank": (32687, "E01033762"),
        "idaopi_rank": (32751, "E01023142"),
        "children_young_people_sub_domain_rank": (32834, "E01007769"),
        "adult_skills_sub_domain_rank": (32782, "E01005349"),
        "geographical_barriers_sub_domain_rank": (32837, "E01027512"),
        "wider_barriers_sub_domain_rank": (32840, "E01000521"),
        "indoors_sub_domain_rank": (32830, "E01019077"),
        "outdoors_sub_domain_rank": (32836, "E01003016"),
    },
)


def load(build: "Build") -> None:
    """Fill imd_england_2019; add names, 2019 authorities and mid-2015 populations to the LSOAs of England."""
    rows = build.rows(FILE_7, KEY | PLACE | POPULATIONS | FIGURES)
    build.insert(TABLE.name, ["area_code", *FIGURES], rows.select("area_code", *FIGURES))
    build.authorities("2019", ((row.local_authority_2019, row.authority_name, "England") for row in rows))
    build.areas(
        {
            "code": row.area_code,
            "kind": "LSOA",
            "nation": "England",
            "name": row.name,
            "local_authority_2019": row.local_authority_2019,
        }
        for row in rows
    )
    build.merge("lsoas_2011", ["code", *POPULATIONS], rows.select("area_code", *POPULATIONS))


def load_transformed(build: "Build") -> None:
    """Add the exponentially transformed domain scores to imd_england_2019."""
    build.update(TABLE.name, ["area_code", *TRANSFORMED], build.rows(FILE_9, KEY | TRANSFORMED))


PAGE = "https://www.gov.uk/government/statistics/english-indices-of-deprivation-2019"
ATTRIBUTION = (
    "Ministry of Housing, Communities and Local Government, English indices of deprivation 2019,"
    " licensed under the Open Government Licence v3.0."
)

PUBLICATIONS = (
    Publication(
        id="england_2019",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2019",
        page=PAGE,
        files=(FILE_7,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "small_areas", "lsoas_2011", "local_authorities"),
        rows={FILE_7.id: 32844},
        index=INDEX,
        attribution=ATTRIBUTION,
    ),
    Publication(
        id="england_2019_transformed_scores",
        title=f"{INDEX.title}, transformed scores",
        publisher=INDEX.publisher,
        edition="2019",
        page=PAGE,
        files=(FILE_9,),
        load=load_transformed,
        goes_with="england_2019",
        fills=(TABLE.name,),
        rows={FILE_9.id: 32844},
        attribution=ATTRIBUTION,
    ),
)
