"""Lookup from local authorities of Wales to local health boards, 2022, which the tiles of the map show (ONS).

A mirror may be without it: the database then says that it was not loaded, and tiles are without those names.
"""

from typing import TYPE_CHECKING

from sources.geography import LOCAL_AUTHORITIES
from sources.open_geography import AS_CSV, ONS, OPEN_GEOGRAPHY, SERVICES
from sources.publication import KnownFile, Publication, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = SourceFile(
    "health_boards_2022",
    ("UA22_LHB22_WA_LU.csv", "UA22_LHB22_WA_LU.geojson"),
    SERVICES + "UA22_LHB22_WA_LU/FeatureServer/0",
    page_size=1000,
    served_as="UA22_LHB22_WA_LU.geojson",
    optional=True,
    known=(
        KnownFile(
            ("UA22_LHB22_WA_LU.csv",),
            "5d870aaaeeaef1eac40139e1d600255bd87d85bca32994309eecf0a523cacf17",
            1_569,
            "rebuilt",
            AS_CSV,
        ),
    ),
)

BOARDS = Table(
    "health_boards_2022",
    {"local_authority": str, "health_board": str, "health_board_name": str},
    primary_key="local_authority",
    references={"local_authority": (LOCAL_AUTHORITIES.name, "code")},
    not_null=frozenset({"health_board"}),
)
COLUMNS = {
    "local_authority": column(str, "UA22CD"),
    "authority_name": column(str, "UA22NM"),
    "health_board": column(str, "LHB22CD"),
    "health_board_name": column(str, "LHB22NM"),
}


def load(build: "Build") -> None:
    """Add the health board of each local authority of Wales."""
    rows = build.rows(LOOKUP, COLUMNS)
    build.authorities("2022", ((row.local_authority, row.authority_name, "Wales") for row in rows))
    build.insert(BOARDS.name, list(BOARDS.columns), rows.select(*BOARDS.columns))


PUBLICATIONS = (
    Publication(
        id="health_boards_2022",
        title="Unitary Authority (2022) to Local Health Board (2022) Lookup in Wales",
        publisher=ONS,
        edition="2022",
        page=OPEN_GEOGRAPHY,
        files=(LOOKUP,),
        load=load,
        tables=(BOARDS,),
        fills=(BOARDS.name, LOCAL_AUTHORITIES.name),
        rows={LOOKUP.id: 22},
        attribution="Source: Office for National Statistics licensed under the Open Government Licence v.3.0."
        " Contains OS data © Crown copyright and database right 2022.",
    ),
)
