"""Local authority districts of the United Kingdom, May 2024: codes and names (ONS).

https://geoportal.statistics.gov.uk/
"""

from typing import TYPE_CHECKING

from census.domain.codes import NATION_OF_CODE
from sources import geography
from sources.geography import LOCAL_AUTHORITIES
from sources.open_geography import ATTRIBUTION, ONS, OPEN_GEOGRAPHY, SERVICES
from sources.publication import KnownFile, Publication, SourceFile
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


LAD_2024 = KnownFile(
    ("LAD_MAY_2024_UK_Boundaries.geojson",),
    "1dff23a47ba563ff1e9e5f1371177fe7bf3644698bd79f8b8de4bf6b00b8cf60",
    561_067,
    "rebuilt",
    "The publisher's codes and names with generalised boundaries.",
)
AUTHORITIES = SourceFile(
    "local_authority_names",
    ("LAD_MAY_2024_UK_Boundaries.geojson", "LAD_MAY_2024_UK_names.geojson"),
    SERVICES + "Local_Authority_Districts_May_2024_Boundaries_UK_BFC/FeatureServer/0",
    page_size=100,
    served_as="LAD_MAY_2024_UK_names.geojson",  # without the boundaries
    known=(LAD_2024,),
)


def load(build: "Build") -> None:
    """Add the authorities of May 2024."""
    rows = build.rows(AUTHORITIES, {"code": column(str, "LAD24CD"), "name": column(str, "LAD24NM")})
    build.authorities("2024", ((row.code, row.name, NATION_OF_CODE[row.code[0]]) for row in rows))


PUBLICATIONS = (
    Publication(
        id="local_authority_names",
        title="Local Authority Districts, names and codes",
        publisher=ONS,
        edition="May 2024",
        page=OPEN_GEOGRAPHY,
        files=(AUTHORITIES,),
        load=load,
        tables=geography.TABLES,
        fills=(LOCAL_AUTHORITIES.name,),
        rows={AUTHORITIES.id: 361},
        attribution=ATTRIBUTION,
    ),
)
