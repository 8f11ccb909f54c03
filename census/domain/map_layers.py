"""The layers of the map, and what each area carries."""

from census.domain.geographies import DOMAINS, GEOGRAPHIES

ZOOMS = range(13)

OUTLINES = "local_authority_2024"

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


def letter(geography: str, nation: str) -> str:
    """Return that with which the codes of a nation's areas begin, or those of its local authorities."""
    return "9" if nation == "Northern Ireland" and geography != OUTLINES else nation[0]


def fields(layer: str) -> dict[str, str]:
    """Return the properties of a layer's areas and their types, as TileJSON's `vector_layers` has them."""
    numbers = {"year", "imd_year", "imd_decile", "imd_rank", "of", *DECILES}
    names = (
        PROPERTIES if layer != "local_authorities" else ("code", "area_name", "la_code", "la_name", "nation", "year")
    )
    return {name: "Number" if name in numbers else "String" for name in names}
