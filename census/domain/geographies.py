"""Geographies, the areas of each, and the domains of an index."""

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

PARENTS = {"lsoa_2011": "small_areas", "lsoa_2021": "lsoas_2021"}
"""Geography, as a column of `postcodes`, to the table that its areas are rows of."""
