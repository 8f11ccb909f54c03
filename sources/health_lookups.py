"""Lookups to NHS regions (England) and local health boards (Wales), which the tiles of the map carry.

A mirror may be without either file: the database then says that it was not loaded, and tiles go without those names.
"""

from typing import TYPE_CHECKING

from sources.geography import AS_CSV, HEALTH_GEOGRAPHIES, LOCAL_AUTHORITIES, ONS, OPEN_GEOGRAPHY, SERVICES
from sources.publication import KnownFile, Publication, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


REGIONS_FILE = SourceFile(
    "nhs_regions_2021",
    ("ICB22_ICB24_NHSER21_EN_derived.csv",),
    None,  # derived: nobody publishes it
    optional=True,
    known=(
        KnownFile(
            ("ICB22_ICB24_NHSER21_EN_derived.csv",),
            "d99e44779eaf0786ac43374d4fa90f73efba0af2ab8ed58005f84a674a0097b3",
            4_135,
            "rebuilt",
            "A derived lookup, which nobody publishes: the region of most of a board's hospital trusts.",
        ),
    ),
)
BOARDS_FILE = SourceFile(
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

REGIONS = Table(
    "nhs_regions_2021",
    {"icb_2022": str, "icb_2024": str, "nhs_region": str, "nhs_region_name": str, "nhs_region_ods_code": str},
    primary_key="icb_2022",
    references={"icb_2022": (HEALTH_GEOGRAPHIES.name, "code"), "icb_2024": (HEALTH_GEOGRAPHIES.name, "code")},
    not_null=frozenset({"icb_2024", "nhs_region"}),
    indexes=("icb_2024",),
)
BOARDS = Table(
    "health_boards_2022",
    {"local_authority": str, "health_board": str, "health_board_name": str},
    primary_key="local_authority",
    references={"local_authority": (LOCAL_AUTHORITIES.name, "code")},
    not_null=frozenset({"health_board"}),
)


def load_regions(build: "Build") -> None:
    """Add the NHS region of each integrated care board of 2022, with the board's code of 2024."""
    wanted = ("ICB22CD", "ICB22NM", "ICB24CD", "NHSER21CD", "NHSER21NM", "NHSER21CDH")
    rows = list(build.rows(REGIONS_FILE, {name: column(str, name) for name in wanted}))
    kind, nation = "integrated care board", "England"
    build.health_geographies("2022", ((row[0], kind, nation, row[1], None) for row in rows))
    build.health_geographies("2024", ((row[2], kind, nation, None, None) for row in rows))
    build.insert(REGIONS.name, list(REGIONS.columns), ((row[0], *row[2:]) for row in rows))


def load_boards(build: "Build") -> None:
    """Add the health board of each local authority of Wales."""
    wanted = ("UA22CD", "UA22NM", "LHB22CD", "LHB22NM")
    rows = list(build.rows(BOARDS_FILE, {name: column(str, name) for name in wanted}))
    build.authorities("2022", ((row[0], row[1], "Wales") for row in rows))
    build.insert(BOARDS.name, list(BOARDS.columns), ((row[0], *row[2:]) for row in rows))


PUBLICATIONS = (
    Publication(
        id="nhs_regions_2021",
        title="NHS England regions (2021) of integrated care boards (2022, 2024), a derived lookup",
        publisher="Derived from public lookups of hospital trusts; not a publication of its own",
        edition="2021",
        page=OPEN_GEOGRAPHY,
        files=(REGIONS_FILE,),
        load=load_regions,
        tables=(REGIONS,),
        fills=(REGIONS.name, HEALTH_GEOGRAPHIES.name),
        rows={REGIONS_FILE.id: 42},
        attribution="NHS England regions of integrated care boards: derived, each board's region is that of most of its"
        " hospital trusts. Source: Office for National Statistics licensed under the Open Government Licence v.3.0.",
    ),
    Publication(
        id="health_boards_2022",
        title="Unitary Authority (2022) to Local Health Board (2022) Lookup in Wales",
        publisher=ONS,
        edition="2022",
        page=OPEN_GEOGRAPHY,
        files=(BOARDS_FILE,),
        load=load_boards,
        tables=(BOARDS,),
        fills=(BOARDS.name, LOCAL_AUTHORITIES.name),
        rows={BOARDS_FILE.id: 22},
        attribution="Source: Office for National Statistics licensed under the Open Government Licence v.3.0."
        " Contains OS data © Crown copyright and database right 2022.",
    ),
)
