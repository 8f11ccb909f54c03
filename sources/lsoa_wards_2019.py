"""Lookup from LSOAs of 2011 to wards and authorities of 2019, England and Wales (ONS).

https://geoportal.statistics.gov.uk/
"""

from typing import TYPE_CHECKING

from census.domain.codes import NATION_OF_CODE
from sources.geography import LOCAL_AUTHORITIES, LSOAS, SMALL_AREAS
from sources.open_geography import ATTRIBUTION, ONS, OPEN_GEOGRAPHY, layer
from sources.publication import Publication
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


WARDS = layer(
    "lsoa_2011_lookup",
    "Lower_Layer_Super_Output_Area_(2011)_to_Ward_(2019)_Lookup_in_England_and_Wales.csv",
    "LSOA11_WD19_LAD19_EW_LU_V2",
    "75b036a9295ee234ee3356fd61350d5bdeca7437e104bf5c5d805e73c4d45bc1",
    2_721_116,
)
COLUMNS = {
    "code": column(str, "LSOA11CD"),
    "name": column(str, "LSOA11NM"),
    "ward_2019": column(str, "WD19CD"),
    "ward_2019_name": column(str, "WD19NM"),
    "local_authority_2019": column(str, "LAD19CD"),
    "authority_name": column(str, "LAD19NM"),
}


def load(build: "Build") -> None:
    """Add the LSOAs of England and Wales with ONS's names, their wards and authorities of 2019."""
    rows = build.rows(WARDS, COLUMNS)
    build.authorities(
        "2019",
        ((row.local_authority_2019, row.authority_name, NATION_OF_CODE[row.local_authority_2019[0]]) for row in rows),
    )
    build.areas(
        {
            "code": row.code,
            "kind": "LSOA",
            "nation": NATION_OF_CODE[row.code[0]],
            "name": row.name,
            "local_authority_2019": row.local_authority_2019,
        }
        for row in rows
    )
    wards = ["code", "ward_2019", "ward_2019_name"]
    build.merge(LSOAS.name, wards, rows.select(*wards))


PUBLICATIONS = (
    Publication(
        id="lsoa_2011_lookup",
        title="Lower layer Super Output Area (2011) to Ward (2019) Lookup in England and Wales",
        publisher=ONS,
        edition="2019",
        page=OPEN_GEOGRAPHY,
        files=(WARDS,),
        load=load,
        fills=(SMALL_AREAS.name, LSOAS.name, LOCAL_AUTHORITIES.name),
        rows={WARDS.id: 34753},
        attribution=ATTRIBUTION,
    ),
)
