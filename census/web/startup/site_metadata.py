"""Complete metadata.yml for this site: hosted data sets as their YAML describes them, links below the prefix."""

import copy
import sys
from typing import Any

from datasette.app import Datasette

from census.schema import hosted
from sources.publication import SourceError


def with_prefix(metadata: Any, prefix: str) -> Any:
    """Return metadata whose links (licence, source, about) to addresses of this site have `prefix` before them."""
    if not isinstance(metadata, dict):
        return metadata
    return {
        name: prefix + value
        if name.endswith("_url") and isinstance(value, str) and value.startswith("/")
        else with_prefix(value, prefix)
        for name, value in metadata.items()
    }


async def describe(datasette: Datasette) -> None:
    """Add the descriptions to the metadata of `datasette`."""
    database = datasette.databases.get("census")
    if database is None:
        return
    if prefix := datasette.setting("base_url").rstrip("/"):
        datasette._metadata_local = with_prefix(datasette._metadata_local, prefix)
    there = await database.table_names()
    try:
        described = hosted.describe(copy.deepcopy(datasette._metadata_local))
    except SourceError as error:
        print(f"{error} Hosted data sets are not described.", file=sys.stderr)
        return
    # What the database's page puts there when it is first seen: /-/metadata.json is the same before and after.
    datasette.update_with_inherited_metadata(datasette._metadata_local["databases"]["census"])
    for name, query in datasette._metadata_local["databases"]["census"].get("queries", {}).items():
        query["name"] = name
    tables = datasette._metadata_local["databases"]["census"]["tables"]
    hosted_tables = described["databases"]["census"]["tables"]
    tables.update(
        {name: description for name, description in hosted_tables.items() if name in there and name not in tables}
    )
