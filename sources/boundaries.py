"""List the boundaries of areas and authorities that ONS, the Scottish Government and NISRA publish."""

from dataclasses import dataclass

from census.domain.map_layers import BOUNDARY_FILES
from sources.local_authorities_2024 import LAD_2024
from sources.open_geography import OPEN_GEOGRAPHY, SERVICES
from sources.publication import KnownFile, SourceFile


@dataclass(frozen=True)
class Boundaries:
    """A publication of boundaries. code: the property of a feature that has the area's code."""

    file: SourceFile
    code: str
    title: str
    publisher: str
    edition: str
    page: str
    attribution: str

    @property
    def geography(self) -> str:
        """The geography, as in `Index.geography`, or OUTLINES."""
        return BOUNDARY_FILES[self.file.id].geography

    @property
    def nations(self) -> str:
        """Whose areas it has, by the first letter of their codes."""
        return BOUNDARY_FILES[self.file.id].nations


def _ons(file: SourceFile, code: str, title: str, edition: str) -> Boundaries:
    source = "Source: Office for National Statistics licensed under the Open Government Licence v.3.0."
    owner = f"Contains OS data © Crown copyright and database right {edition[-4:]}."
    return Boundaries(
        file, code, title, "Office for National Statistics", edition, OPEN_GEOGRAPHY,
        f"{source} {owner}",
    )  # fmt: skip


def _copy(name: str, sha256: str, size: int) -> KnownFile:
    """Return the known copy of a feature layer, which itself has no checksum, as its pages differ by request."""
    return KnownFile((name,), sha256, size, "rebuilt", "The publisher's codes and names with generalised boundaries.")


def _layer(id_: str, service: str, known: KnownFile, page_size: int) -> SourceFile:
    """Return the feature layer `service`, accepted as a file of its name or with the name of its `known` copy."""
    names = (f"{service.split('/', maxsplit=1)[0]}.geojson", *known.names)
    return SourceFile(id_, names, SERVICES + service, page_size=page_size, geometry=True, known=(known,))


PUBLISHED = (
    _ons(
        _layer(
            "lsoa_2011_boundaries",
            "LSOA_Dec_2011_Boundaries_Super_Generalised_Clipped_BSC_EW_V3_2022/FeatureServer/0",
            _copy(
                "LSOA_Dec_2011_Boundaries_Super_Generalised_Clipped_BSC_EW_V3.geojson",
                "9e2de5966dd008b1ffa8777d4d25ea6b612e4e287d5641fdce44b74ea601f56c",
                13_359_622,
            ),
            1000,
        ),
        "LSOA11CD",
        "Lower layer Super Output Areas, super generalised boundaries (BSC) V3",
        "December 2011",
    ),
    _ons(
        _layer(
            "lsoa_2021_boundaries",
            "Lower_layer_Super_Output_Areas_December_2021_Boundaries_EW_BSC_V4/FeatureServer/0",
            _copy(
                "LSOA_Dec_2021_Boundaries_Super_Generalised_Clipped_BSC_EW.geojson",
                "dfedf34410bbc83ff732c93e283e6661dd01b915bb99149226aaae301b6acd9b",
                12_267_646,
            ),
            1000,
        ),
        "LSOA21CD",
        "Lower layer Super Output Areas, super generalised boundaries (BSC) V4",
        "December 2021",
    ),
    Boundaries(
        SourceFile(
            "data_zone_2011_boundaries",
            ("SG_DataZone_Bdry_2011.geojson",),
            "https://maps.gov.scot/server/rest/services/ScotGov/StatisticalUnits/MapServer/2",
            page_size=500,
            geometry=True,
            known=(
                _copy(
                    "SG_DataZone_Bdry_2011.geojson",
                    "9d8ff088d9999703b1f4c88b2e7b8dcd35b0c76145089ec96c6caefc96643a9f",
                    5_731_672,
                ),
            ),
        ),
        *("DataZone", "Data Zone boundaries", "Scottish Government", "2011"),
        "https://www.data.gov.uk/dataset/ab9f1f20-3b7f-4efa-9bd2-239acf63b540/data-zone-boundaries-2011",
        "Copyright Scottish Government, contains Ordnance Survey data © Crown copyright and database right 2021,"
        " licensed under the Open Government Licence v3.0.",
    ),
    Boundaries(
        SourceFile(
            "soa_boundaries",
            ("SOA2011_Northern_Ireland.geojson",),
            "https://services3.arcgis.com/APHjSHuFMGWVZFgQ/arcgis/rest/services/SOA2011/FeatureServer/0",
            page_size=500,
            geometry=True,
            known=(
                _copy(
                    "SOA2011_Northern_Ireland.geojson",
                    "fc04181252870d1b0bcea0b67de4222dabaa32937a5d3d7b27d617e279e1833b",
                    2_517_383,
                ),
            ),
        ),
        *("SOA_CODE", "Super Output Areas of Northern Ireland", "NISRA", "2011"),
        "https://www.nisra.gov.uk/support/geography/super-output-areas-census-2001-and-census-2011",
        "Contains NISRA data © Crown copyright, licensed under the Open Government Licence v3.0.",
    ),
    _ons(
        _layer(
            "local_authority_boundaries",
            "Local_Authority_Districts_May_2024_Boundaries_UK_BUC/FeatureServer/0",
            LAD_2024,
            100,
        ),
        "LAD24CD",
        "Local Authority Districts, generalised boundaries",
        "May 2024",
    ),
)
