"""Lookup of Scotland's data zones of 2011 (Scottish Government, December 2024).

https://statistics.gov.scot/
"""

from typing import TYPE_CHECKING

from sources.geography import DATA_ZONE_LIST, HEALTH_GEOGRAPHIES, LOCAL_AUTHORITIES, SMALL_AREAS, URBAN_RURAL
from sources.publication import KnownFile, Publication, SourceFile
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = SourceFile(
    "data_zone_2011_lookup",
    ("DataZone2011lookup_2024-12-16.csv", "scottish_dz_lookup.csv"),
    "https://statistics.gov.scot/downloads/file?id=50d30936-6de2-4ae0-a131-c2105aa74647%2FDataZone2011lookup_2024-12-16.csv",
    known=(
        KnownFile(
            ("DataZone2011lookup_2024-12-16.csv", "scottish_dz_lookup.csv"),
            "0cc10817b9ae5a0fb03eefa531f798e920b449ffb196e1b5683beb561d1d061b",
            3_269_106,
        ),
    ),
)

PLACE = {
    "code": column(str, "DZ2011_Code"),
    "name": column(str, "DZ2011_Name"),
    "local_authority": column(str, "LA_Code"),
    "authority_name": column(str, "LA_Name"),
    "health_board_name": column(str, "HB_Name"),
}
OWN = {
    "intermediate_zone": column(str, "IZ2011_Code"),
    "intermediate_zone_name": column(str, "IZ2011_Name"),
    "ward": column(str, "MMWard_Code"),
    "ward_name": column(str, "MMWard_Name"),
    "health_board": column(str, "HB_Code"),
    **{name: column(type_, label) for name, (type_, label) in URBAN_RURAL.items()},
}


def load(build: "Build") -> None:
    """Add Scotland's data zones with their full names, intermediate zones, wards, health boards, urban-rural class."""
    rows = build.rows(LOOKUP, PLACE | OWN)
    build.authorities("2024", ((row.local_authority, row.authority_name, "Scotland") for row in rows))
    build.areas({"code": row.code, "kind": "data zone", "nation": "Scotland", "name": row.name} for row in rows)
    build.health_geographies(
        "2024", ((row.health_board, "health board", "Scotland", row.health_board_name, None) for row in rows)
    )
    build.merge(DATA_ZONE_LIST.name, ["code", *OWN], rows.select("code", *OWN))


PUBLICATIONS = (
    Publication(
        id="data_zone_2011_lookup",
        title="2011 Data Zone lookup",
        publisher="Scottish Government",
        edition="December 2024",
        page="https://statistics.gov.scot/",
        files=(LOOKUP,),
        load=load,
        fills=(SMALL_AREAS.name, DATA_ZONE_LIST.name, HEALTH_GEOGRAPHIES.name, LOCAL_AUTHORITIES.name),
        rows={LOOKUP.id: 6976},
        attribution="Scottish Government, 2011 Data Zone lookup, licensed under the Open Government Licence v3.0.",
    ),
)
