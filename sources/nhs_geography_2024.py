"""Lookup from LSOAs of 2021 to sub-ICB locations and integrated care boards of 2024, England (ONS).

https://geoportal.statistics.gov.uk/
"""

from typing import TYPE_CHECKING

from sources import nhs_geography_2022
from sources.geography import HEALTH_GEOGRAPHIES, LSOAS_2021
from sources.open_geography import ATTRIBUTION, ONS, OPEN_GEOGRAPHY, layer
from sources.publication import Publication

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = layer(
    "nhs_geography_2024",
    "LSOA21_SICBL24_ICB24_EN_LU.csv",
    "LSOA21_SICBL24_ICB24_CAL24_LAD24_EN_LU",
    "47b59e0f207e8d7021187995c036d0c7d924bb9882e3ecadec4af2145e6fdd3a",
    4_831_028,
)


def load(build: "Build") -> None:
    """Add the sub-ICB locations and integrated care boards of 2024, and those of each LSOA of 2021."""
    nhs_geography_2022.load_lookup(build, LOOKUP, LSOAS_2021.name, "LSOA21CD", 2024)


PUBLICATIONS = (
    Publication(
        id="nhs_geography_2024",
        title="LSOA (2021) to Sub ICB Locations to Integrated Care Boards Lookup in England",
        publisher=ONS,
        edition="2024",
        page=OPEN_GEOGRAPHY,
        files=(LOOKUP,),
        load=load,
        fills=(LSOAS_2021.name, HEALTH_GEOGRAPHIES.name),
        rows={LOOKUP.id: 33755},
        attribution=ATTRIBUTION,
    ),
)
