"""Northern Ireland Multiple Deprivation Measure 2017 (NISRA), every sheet of the super output area workbook.

https://www.nisra.gov.uk/statistics/deprivation/northern-ireland-multiple-deprivation-measure-2017-nimdm2017
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from census.domain.types import Row
from sources.publication import Index, KnownFile, Publication, SourceError, SourceFile, index_table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


WORKBOOK = SourceFile(
    "northern_ireland_2017",
    ("NIMDM17_SOAresults.xls", "NIMDM17_SOAresults.xlsx", "NIMDM17_SOAresults.ods"),
    "https://www.nisra.gov.uk/files/nisra/publications/NIMDM17_SOAresults.xls",
    known=(
        KnownFile(
            ("NIMDM17_SOAresults.xls",),
            "8adbadd110f0c86b7c0697c2c6f7b2b668d0056a24052469d93bf3c74e855f3a",
            1_772_032,
        ),
    ),
)

MOST = " (where 1 is most deprived)"
POOR = "living in households whose equivalised income is below 60 per cent of the NI median"
KEY = {"area_code": column(str, "SOA2001")}
PLACE = {
    "name": column(str, "SOA2001_name"),
    "local_authority_name": column(str, "LGD2014NAME"),
    "urban_rural_2015": column(str, "2015 Default Urban/Rural"),
}
MEASURE = {
    "imd_rank": column(int, "Multiple Deprivation Measure Rank" + MOST),
    "income_rank": column(int, "Income Domain Rank" + MOST),
    "employment_rank": column(int, "Employment Domain Rank" + MOST),
    "health_deprivation_and_disability_rank": column(int, "Health Deprivation and Disability Domain Rank" + MOST),
    "education_skills_and_training_rank": column(int, "Education, Skills and Training Domain Rank" + MOST),
    "access_to_services_rank": column(int, "Access to Services Domain Rank" + MOST),
    "living_environment_rank": column(int, "Living Environment Domain Rank" + MOST),
    "crime_and_disorder_rank": column(int, "Crime and Disorder Domain Rank" + MOST),
}
SHEETS = {  # sheet: the domain's rank, which must be that of the sheet MDM, and what only this sheet has
    "Income": (
        "income_rank",
        {"income_share": column(float, f"Proportion of the population {POOR} (%)")},
    ),
    "Employment": (
        "employment_rank",
        {"employment_share": column(float, "Proportion of the working age population who are employment deprived (%)")},
    ),
    "Health and Disability": ("health_deprivation_and_disability_rank", {}),
    "Education, Skills and Training": ("education_skills_and_training_rank", {}),
    "Access to Services": ("access_to_services_rank", {}),
    "Living Environment": (
        "living_environment_rank",
        {
            "housing_quality_sub_domain_rank": column(int, "Housing Quality Sub-Domain (Rank)"),
            "housing_access_sub_domain_rank": column(
                int, "Housing Acces Sub-Domain (Rank)", "Housing Access Sub-Domain (Rank)"
            ),
            "outdoor_physical_environment_sub_domain_rank": column(
                int, "Outdoor physical environment Sub-Domain (Rank)"
            ),
        },
    ),
    "Crime and Disorder": (
        "crime_and_disorder_rank",
        {
            "crime_sub_domain_rank": column(int, "Crime Sub-Domain (Rank)"),
            "disorder_sub_domain_rank": column(int, "Disorder Sub-Domain (Rank)"),
        },
    ),
    "IDAC and IDAP": (
        None,
        {
            "idaci_rank": column(int, f"Proportion of the population aged 15 and under {POOR} (Rank)"),
            "idaci_share": column(float, f"Proportion of the population aged 15 and under {POOR} (%)"),
            "idaopi_rank": column(int, f"Proportion of the population aged 65 and over {POOR} (Rank)"),
            "idaopi_share": column(float, f"Proportion of the population aged 65 and over {POOR} (%)"),
        },
    ),
}

TABLE = index_table(
    "imd_northern_ireland_2017",
    {name: c.type for part in (MEASURE, *(own for _, own in SHEETS.values())) for name, c in part.items()},
)

INDEX = Index(
    id="northern_ireland_2017",
    nation="Northern Ireland",
    year=2017,
    title="Northern Ireland Multiple Deprivation Measure 2017",
    publisher="Northern Ireland Statistics and Research Agency",
    areas=890,
    geography="lsoa_2011",
    area_kind="SOA",
    table=TABLE.name,
    band_rule="ceil",
    bands={},
    score=None,
    domains={
        "income": "income",
        "employment": "employment",
        "education": "education_skills_and_training",
        "health": "health_deprivation_and_disability",
        "crime": "crime_and_disorder",
        "access_to_services": "access_to_services",
        "living_environment": "living_environment",
        "idaci": "idaci",
        "idaopi": "idaopi",
    },
    weights={
        "income": 25,
        "employment": 25,
        "health_deprivation_and_disability": 15,
        "education_skills_and_training": 15,
        "access_to_services": 10,
        "living_environment": 5,
        "crime_and_disorder": 5,
    },
    slack=0.18,
    published_ranks={
        "imd_rank": (890, "95ZZ06W1"),
        "income_rank": (890, "95VV08W1"),
        "employment_rank": (890, "95GG35S2"),
        "health_deprivation_and_disability_rank": (888, "95GG48S2"),
        "education_skills_and_training_rank": (890, "95GG35S3"),
        "access_to_services_rank": (890, "95ZZ11W1"),
        "living_environment_rank": (890, "95GG12S2"),
        "crime_and_disorder_rank": (890, "95MM28W1"),
        "housing_quality_sub_domain_rank": (890, "95XX18W1"),
        "housing_access_sub_domain_rank": (890, "95GG12S4"),
        "outdoor_physical_environment_sub_domain_rank": (890, "95GG07S1"),
        "crime_sub_domain_rank": (890, "95MM28W1"),
        "disorder_sub_domain_rank": (890, "95GG12S3"),
        "idaci_rank": (890, "95GG51S3"),
        "idaopi_rank": (890, "95VV17S2"),
    },
)


def load(build: "Build") -> None:
    """Fill imd_northern_ireland_2017 and soas_2001; add the SOAs to the small areas."""
    rows = build.rows(WORKBOOK, KEY | PLACE | MEASURE, sheet="MDM")
    build.insert(TABLE.name, ["area_code", *MEASURE], rows.select("area_code", *MEASURE))
    for sheet, (rank, own) in SHEETS.items():
        again = {rank: MEASURE[rank]} if rank else {}
        sheet_rows = build.rows(WORKBOOK, KEY | again | own, sheet=sheet)
        if rank:
            overall: dict[str, int] = dict(rows.select("area_code", rank))
            _compare_ranks(rank, overall, sheet, sheet_rows.select("area_code", rank))
        if own:
            build.update(TABLE.name, ["area_code", *own], sheet_rows.select("area_code", *own))
    build.areas(
        {
            "code": row.area_code,
            "kind": "SOA",
            "nation": "Northern Ireland",
            "name": row.name.replace("_", " "),
            "local_authority_2019": build.authority_named(row.local_authority_name, "Northern Ireland"),
        }
        for row in rows
    )
    build.merge(
        "soas_2001",
        ["code", "local_government_district_2014", "urban_rural_2015"],
        rows.select("area_code", "local_authority_name", "urban_rural_2015"),
    )


def _compare_ranks(rank: str, overall: dict[str, int], sheet: str, ranks: Iterable[Row]) -> None:
    """Raise SourceError where `ranks`, code and rank in `sheet`, differ from those of the sheet MDM, `overall`."""
    for code, value in ranks:
        if overall.get(code) != value:
            raise SourceError(
                f"{WORKBOOK.names[0]}: {code} has {rank} {overall.get(code)} in sheet MDM and {value} in sheet {sheet}."
            )


PUBLICATIONS = (
    Publication(
        id="northern_ireland_2017",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2017",
        page="https://www.nisra.gov.uk/statistics/deprivation/"
        "northern-ireland-multiple-deprivation-measure-2017-nimdm2017",
        files=(WORKBOOK,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "small_areas", "soas_2001"),
        rows={WORKBOOK.id: 890},
        index=INDEX,
        attribution="Northern Ireland Statistics and Research Agency, Northern Ireland Multiple Deprivation Measure"
        " 2017, licensed under the Open Government Licence v3.0.",
    ),
)
