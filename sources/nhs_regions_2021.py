"""Lookup from integrated care boards to NHS regions of England, 2021, which the tiles of the map show.

A mirror may be without it: the database then says that it was not loaded, and tiles are without those names.
"""

from typing import TYPE_CHECKING

from sources.geography import HEALTH_GEOGRAPHIES
from sources.open_geography import OPEN_GEOGRAPHY
from sources.publication import KnownFile, Publication, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LOOKUP = SourceFile(
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

REGIONS = Table(
    "nhs_regions_2021",
    {"icb_2022": str, "icb_2024": str, "nhs_region": str, "nhs_region_name": str, "nhs_region_ods_code": str},
    primary_key="icb_2022",
    references={"icb_2022": (HEALTH_GEOGRAPHIES.name, "code"), "icb_2024": (HEALTH_GEOGRAPHIES.name, "code")},
    not_null=frozenset({"icb_2024", "nhs_region"}),
    indexes=("icb_2024",),
)
COLUMNS = {
    "icb_2022": column(str, "ICB22CD"),
    "icb_name": column(str, "ICB22NM"),
    "icb_2024": column(str, "ICB24CD"),
    "nhs_region": column(str, "NHSER21CD"),
    "nhs_region_name": column(str, "NHSER21NM"),
    "nhs_region_ods_code": column(str, "NHSER21CDH"),
}


def load(build: "Build") -> None:
    """Add the NHS region of each integrated care board of 2022, with the board's code of 2024."""
    rows = build.rows(LOOKUP, COLUMNS)
    kind, nation = "integrated care board", "England"
    build.health_geographies("2022", ((row.icb_2022, kind, nation, row.icb_name, None) for row in rows))
    build.health_geographies("2024", ((row.icb_2024, kind, nation, None, None) for row in rows))
    build.insert(REGIONS.name, list(REGIONS.columns), rows.select(*REGIONS.columns))


PUBLICATIONS = (
    Publication(
        id="nhs_regions_2021",
        title="NHS England regions (2021) of integrated care boards (2022, 2024), a derived lookup",
        publisher="Derived from public lookups of hospital trusts; not a publication of its own",
        edition="2021",
        page=OPEN_GEOGRAPHY,
        files=(LOOKUP,),
        load=load,
        tables=(REGIONS,),
        fills=(REGIONS.name, HEALTH_GEOGRAPHIES.name),
        rows={LOOKUP.id: 42},
        attribution="NHS England regions of integrated care boards: derived, each board's region is that of most of its"
        " hospital trusts. Source: Office for National Statistics licensed under the Open Government Licence v.3.0.",
    ),
)
