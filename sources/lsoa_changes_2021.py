"""Lookup from LSOAs of 2011 to those of 2021, with authorities of 2022, England and Wales (ONS).

https://geoportal.statistics.gov.uk/
"""

from typing import TYPE_CHECKING

from census.domain.codes import NATION_OF_CODE
from sources.geography import LOCAL_AUTHORITIES, LSOA_CHANGES, LSOAS_2021
from sources.open_geography import ATTRIBUTION, ONS, OPEN_GEOGRAPHY, layer
from sources.publication import Publication, SourceError
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


CHANGES = layer(
    "lsoa_changes",
    "LSOA11_LSOA21_LAD22_EW_LU.csv",
    "LSOA11_LSOA21_LAD22_EW_LU_v5",
    "7d2d4f18dabf4c595dcdc0ddffbfd44c20896c0546503bc6fa4820ff316abe81",
    2_769_635,
)
COLUMNS = {
    "lsoa_2011": column(str, "LSOA11CD"),
    "lsoa_2021": column(str, "LSOA21CD"),
    "name": column(str, "LSOA21NM"),
    "change": column(str, "CHGIND"),
    "local_authority_2022": column(str, "LAD22CD"),
    "authority_name": column(str, "LAD22NM"),
}
UNCHANGED = "U"
KINDS_OF_CHANGE = (UNCHANGED, "M", "S", "X")  # M merged, S split, X irregular


def load(build: "Build") -> None:
    """Add the LSOAs of 2021 and which LSOAs of 2011 they were made of."""
    rows = build.rows(CHANGES, COLUMNS)
    for row in rows:
        same = row.lsoa_2011 == row.lsoa_2021
        if row.change not in KINDS_OF_CHANGE or (row.change == UNCHANGED) != same:
            raise SourceError(
                f"{CHANGES.names[0]}: {row.lsoa_2011} to {row.lsoa_2021} cannot be a change {row.change!r}."
            )
    build.authorities(
        "2022",
        ((row.local_authority_2022, row.authority_name, NATION_OF_CODE[row.local_authority_2022[0]]) for row in rows),
    )
    newer = dict.fromkeys((row.lsoa_2021, row.name, NATION_OF_CODE[row.lsoa_2021[0]]) for row in rows)
    build.merge(LSOAS_2021.name, ["code", "name", "nation"], newer)
    build.insert(LSOA_CHANGES.name, list(LSOA_CHANGES.columns), rows.select(*LSOA_CHANGES.columns))


PUBLICATIONS = (
    Publication(
        id="lsoa_changes",
        title="LSOA (2011) to LSOA (2021) to Local Authority District (2022) Lookup for England and Wales",
        publisher=ONS,
        edition="2022",
        page=OPEN_GEOGRAPHY,
        files=(CHANGES,),
        load=load,
        fills=(LSOAS_2021.name, LSOA_CHANGES.name, LOCAL_AUTHORITIES.name),
        rows={CHANGES.id: 35795},
        attribution=ATTRIBUTION,
    ),
)
