"""List the publications in the order in which the build loads them."""

from importlib import import_module
from pathlib import Path

from sources.publication import Publication

MODULES = (
    "geography",  # first: the others add to its areas
    "england_2019",
    "england_2025",
    "green_space_2020",
    "health_lookups",
    "natural_green_space",
    "northern_ireland_2017",
    "postcode_directory",
    "scotland_2020",
    "uk_composite",
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
