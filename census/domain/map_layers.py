"""Define the layers of the map and the properties of their areas."""

from dataclasses import dataclass

from census.domain.geographies import DOMAINS, GEOGRAPHIES

ZOOMS = range(13)

OUTLINES = "local_authority_2024"


@dataclass(frozen=True)
class BoundaryFile:
    """Of what a published file of boundaries is.

    geography: as in `Index.geography`, or OUTLINES. nations: whose areas it has, by the first letter of their codes.
    """

    geography: str
    nations: str


BOUNDARY_FILES = {
    "lsoa_2011_boundaries": BoundaryFile("lsoa_2011", "EW"),
    "lsoa_2021_boundaries": BoundaryFile("lsoa_2021", "EW"),
    "data_zone_2011_boundaries": BoundaryFile("lsoa_2011", "S"),
    "soa_boundaries": BoundaryFile("lsoa_2011", "9"),
    "local_authority_boundaries": BoundaryFile(OUTLINES, "EWSN"),
}
"""The files that the map is made of, by the id of their publication."""

VINTAGES = {**{geography.name: geography.year for geography in GEOGRAPHIES}, OUTLINES: 2024}
"""Of `boundaries`, by geography."""

DECILES = tuple(f"{name}_decile" for name in (*DOMAINS, "idaci"))

ALWAYS = ("code", "nation", "year", "imd_year", "imd_decile", *DECILES)

PROPERTIES = (*ALWAYS, "imd_rank", "of", "area_name", "la_code", "la_name")

LAYERS = {
    "uk_2011": "Index of multiple deprivation on the areas of 2011 (2001 in Northern Ireland)",
    "uk_latest": "The newest index of multiple deprivation of each nation",
    "local_authorities": "Local authorities, May 2024",
}


def boundary_files(geography: str, nation: str) -> list[str]:
    """Return the ids of the files with the boundaries of a nation's areas."""
    initial = letter(geography, nation)
    return [id_ for id_, of in BOUNDARY_FILES.items() if of.geography == geography and initial in of.nations]


def letter(geography: str, nation: str) -> str:
    """Return the first character of the codes of a nation's areas, or of its local authorities."""
    return "9" if nation == "Northern Ireland" and geography != OUTLINES else nation[0]


def fields(layer: str) -> dict[str, str]:
    """Return the properties of a layer's areas and their types, as TileJSON's `vector_layers` has them."""
    numbers = {"year", "imd_year", "imd_decile", "imd_rank", "of", *DECILES}
    names = (
        PROPERTIES if layer != "local_authorities" else ("code", "area_name", "la_code", "la_name", "nation", "year")
    )
    return {name: "Number" if name in numbers else "String" for name in names}
