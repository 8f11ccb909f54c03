"""List the publications in the order in which the build loads them."""

from importlib import import_module
from pathlib import Path

from sources.publication import Publication

MODULES = (
    "local_authorities_2024",  # first, with the other lookups: the indices add to their areas
    "lsoa_wards_2019",
    "lsoa_changes_2021",
    "nhs_geography_2022",
    "nhs_geography_2024",
    "data_zones_2011",
    "england_2019",
    "england_2025",
    "green_space_2020",
    "nhs_regions_2021",
    "health_boards_2022",
    "natural_green_space",
    "northern_ireland_2017",
    "postcode_directory",
    "scotland_2020",
    "uk_composite_3_4",
    "wales_2019",
    "wales_2025",
)
"""The modules of this package that hold publications.

One that is not listed and names `PUBLICATIONS` is loaded after these, by name: a new edition is a module and its
description in metadata.yml, and no other line.
"""


def publications() -> list[Publication]:
    """Return every publication of every module, in the order in which they are loaded."""
    others = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {*MODULES, "__init__", "registry"})
    modules = [import_module(f"sources.{name}") for name in (*MODULES, *others)]
    return [publication for module in modules for publication in getattr(module, "PUBLICATIONS", ())]
