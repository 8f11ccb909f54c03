"""Lookup from LSOAs of 2011 to sub-ICB locations and integrated care boards of 2022, England (ONS).

https://geoportal.statistics.gov.uk/
"""

from typing import TYPE_CHECKING

from sources.geography import HEALTH_GEOGRAPHIES, LSOAS
from sources.open_geography import ATTRIBUTION, ONS, OPEN_GEOGRAPHY
from sources.publication import KnownFile, Publication, SourceFile
from sources.workbook import Column, column

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = SourceFile(
    "nhs_geography_2022",
    ("LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv", "LSOA11_SICBL22_ICB22_LAD22_EN_LU.geojson"),
    None,  # on the Open Geography portal; no fixed address is known
    known=(
        KnownFile(
            ("LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv",),
            "2f71df5ffca501bdf77016ad1bd1f549191ad0f502682ac20bc7792d00677849",
            5_409_062,
            "rebuilt",
            "The publisher's table in its own columns, saved as CSV.",
        ),
    ),
)


def columns(area: str, year: int) -> dict[str, Column]:
    """Return the columns of the lookup of `year`; `area` is the label of its LSOAs' codes."""
    labels = {"sub_icb": f"SICBL{year % 100}", "icb": f"ICB{year % 100}"}
    return {"code": column(str, area)} | {
        f"{kind}{part}": column(str, label + end)
        for kind, label in labels.items()
        for part, end in (("", "CD"), ("_ods_code", "CDH"), ("_name", "NM"))
    }


def load_lookup(build: "Build", file: SourceFile, table: str, area: str, year: int) -> None:
    """Add the sub-ICB locations and integrated care boards of `year`, and those of each LSOA to `table`."""
    rows = build.rows(file, columns(area, year))
    for kind, name in (("sub-ICB location", "sub_icb"), ("integrated care board", "icb")):
        places = rows.select(name, f"{name}_name", f"{name}_ods_code")
        build.health_geographies(str(year), ((code, kind, "England", *names) for code, *names in places))
    build.merge(table, ["code", f"sub_icb_{year}", f"icb_{year}"], rows.select("code", "sub_icb", "icb"))


def load(build: "Build") -> None:
    """Add the sub-ICB locations and integrated care boards of 2022, and those of each LSOA of 2011."""
    load_lookup(build, LOOKUP, LSOAS.name, "LSOA11CD", 2022)


PUBLICATIONS = (
    Publication(
        id="nhs_geography_2022",
        title="LSOA (2011) to Sub ICB Locations to Integrated Care Boards Lookup in England",
        publisher=ONS,
        edition="2022",
        page=OPEN_GEOGRAPHY,
        files=(LOOKUP,),
        load=load,
        fills=(LSOAS.name, HEALTH_GEOGRAPHIES.name),
        rows={LOOKUP.id: 32844},
        attribution=ATTRIBUTION,
    ),
)
