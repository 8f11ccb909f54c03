"""Geographies, the areas of each, and the domains of an index."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geography:
    """A kind of small areas that indices are on.

    name: the column of `postcodes` that leads to them. parent: the table that they are rows of. year: of the census.
    authority_then: the column of `parent` with their local authority at the time of the indices on them.
    """

    name: str
    parent: str
    year: int
    authority_then: str


GEOGRAPHIES = (
    Geography("lsoa_2011", "small_areas", 2011, "local_authority_2019"),
    Geography("lsoa_2021", "lsoas_2021", 2021, "local_authority_2024"),
)

DOMAINS = (
    "income",
    "employment",
    "education",
    "health",
    "crime",
    "barriers_to_housing_and_services",
    "access_to_services",
    "housing",
    "living_environment",
)
"""The common list of domains. A nation that has none of a kind answers null; nothing is mapped to a near relation
but Wales's community safety (crime) and physical environment (living environment)."""

SUPPLEMENTARY = ("idaci", "idaopi")

PARENTS = {geography.name: geography.parent for geography in GEOGRAPHIES}
"""Geography, as a column of `postcodes`, to the table that its areas are rows of."""
