"""The canned queries of metadata.yml as SQL, and what they answer over a Lookup's connection."""

from functools import cache
from pathlib import Path

import yaml

from census.domain.types import Record
from census.lookup.database import Lookup

METADATA = Path(__file__).resolve().parent.parent / "metadata.yml"


@cache
def canned_sql() -> dict[str, str]:
    """The SQL of the canned queries, by name."""
    queries = yaml.load(METADATA.read_bytes(), yaml.CSafeLoader)["databases"]["census"]["queries"]
    return {name: query["sql"] for name, query in queries.items()}


def canned(lookup: Lookup, query: str, **parameters: object) -> list[Record]:
    """The rows of a canned query."""
    return lookup.rows(canned_sql()[query], parameters)
