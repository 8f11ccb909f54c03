"""Access to Natural Green Space: Inequalities, by LSOA of 2011 (Natural England, England Green Infrastructure mapping).

https://designatedsites.naturalengland.org.uk/GreenInfrastructure/
Only the first rows of the file were seen, in a public copy of an ArcGIS layer saved as CSV. Its own download address,
its licence line and its edition were not: see `CONDITIONS`. So a mirror may be without it.
"""

from typing import TYPE_CHECKING

from sources.publication import Licence, Publication, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LAYER = SourceFile(
    "natural_green_space",
    ("Access_to_Natural_Green_Space_Inequalities__(LSOA).csv",),
    None,  # not seen
    optional=True,
)
AREAS = 32844  # the LSOAs of England, 2011
# The platform that has this file checks that it has 32,844 rows, and elsewhere takes 32,058 for all of them. The whole
# file was not seen, so either number is accepted, and what lies between; a file that is cut short by more is refused.
FEWEST_AREAS = 32058

BUFFERS = ("200", "300", "1k", "2k", "5k", "10k")  # metres, or kilometres with a k
AGES = (
    *("0_to_4", "5_to_7", "8_to_9", "10_to_14", "15", "16_to_17", "18_to_19", "20_to_24", "25_to_29"),
    *("30_to_44", "45_to_59", "60_to_64", "65_to_74", "75_to_84", "85_to_89", "90_and_over"),
)
LABELS = {  # the file's labels in its order; a column's name is the label in lower case
    **{f"perc_Buff{buffer}": float for buffer in BUFFERS},
    "IMD_Decile": int,
    "Population_Density_2011": float,
    "Population_2011": int,
    **{f"Buff{buffer}_PopDens_Deficit": str for buffer in BUFFERS},
    **{f"Buff{buffer}_IMD_Deficit": str for buffer in BUFFERS},
    "AG_Area_ha": float,
    "Index_Multiple_Deprivation_2019": float,
    "Population_Estimate2018": int,
    "Population_Growth_2011_2018": float,
    "Ethnic_White_2011": float,
    "Ethnic_Mixed_2011": float,
    "Ethnic_Asian_2011": float,
    "Ethnic_Black_African_Caribbean_": float,
    "Ethnic_Other_2011": float,
    "population_2011_1000s": float,
    "NR_Area_ha": float,
    "NR_percentage": float,
    "RUC_Category": str,
    "RUC11": str,
    "LNR_Area_ha": float,
    "ResidentialAddress_Count": int,
    "PG_Area": float,
    "PG_Area_per1kpeople": float,
    "Perc_OSMMGS": float,
    "PGArea_ResAddress_ratio": float,
    "AccessibleWoodland_ha": float,
    "Mean_Manmade_Percentage": float,
    **{f"Cohort_Age_{ages}": int for ages in AGES},
    "perc_Close2Home": float,
    "popn_Close2Home": float,
    "Cohort_Children": int,
    "Cohort_OlderPeople": int,
    "perc_pop_Close2Home": float,
    "popn_Children_Close2Home": float,
    "popn_OlderPeople_Close2Home": float,
    "IMD_Reversed": float,
    "AG_Area_ha_per_person": float,
}
KEY = {"area_code": column(str, "LSOA11CD")}
FIGURES = {label.lower().rstrip("_"): column(type_, label) for label, type_ in LABELS.items()}

TABLE = Table(
    "natural_green_space_inequalities",
    {name: c.type for name, c in (KEY | FIGURES).items()},
    primary_key="area_code",
    references={"area_code": ("small_areas", "code")},
    area={"area_code": "lsoa_2011"},
)


def load(build: "Build") -> None:
    """Fill natural_green_space_inequalities; add its areas to the small areas."""
    rows = build.rows(LAYER, KEY | FIGURES)
    build.insert(TABLE.name, list(TABLE.columns), rows)
    build.areas({"code": row.area_code, "kind": "LSOA", "nation": "England"} for row in rows)


LICENCE = Licence(
    "Open Government Licence v3.0, to be confirmed with Natural England",
    "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
)
CONDITIONS = (
    "The licence of this layer was not seen. Natural England's open data are as a rule under the Open Government"
    " Licence v3.0; confirm it with Natural England before you publish these figures."
)

PUBLICATIONS = (
    Publication(
        id="natural_green_space",
        title="Access to Natural Green Space: Inequalities, by LSOA (2011)",
        publisher="Natural England",
        edition="not stated",
        page="https://designatedsites.naturalengland.org.uk/GreenInfrastructure/",
        files=(LAYER,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name,),
        licence=LICENCE,
        conditions=CONDITIONS,
        attribution="© Natural England. Contains OS data and ONS data.",
    ),
)
