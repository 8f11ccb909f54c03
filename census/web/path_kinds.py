"""Classify paths by what their answers cost: that decides which requests wait."""

import re
from collections.abc import Collection

from datasette.utils import tilde_decode

ONE_ROW = ("imd_by_postcode", "imd_quantile_by_postcode", "green_space_by_postcode")
FEW_ROWS = ("deprivation_by_small_area", "compare_editions")
LOOKUPS = (*ONE_ROW, *FEW_ROWS)
"""The canned queries that audits send for each patient: they wait for no other request, and no other waits for them."""

OF_DATABASE = re.compile(r"/census(?:/([^/.]+))?(\.\w+)?")
FORMATS_OF_LOOKUPS = (None, ".json", ".csv")
AT_ONCE = re.compile(r"/-/(?:health|ready|static/.*|static-plugins/.*)|/static/.*|/map/.*|/robots\.txt|/guide/.*")


def is_lookup(path: str) -> bool:
    """Return whether `path` is a canned query for one postcode or area."""
    match = OF_DATABASE.fullmatch(tilde_decode(path))
    return match is not None and match[1] in LOOKUPS and match[2] in FORMATS_OF_LOOKUPS


def is_quick(path: str) -> bool:
    """Return whether an answer at `path` takes a few milliseconds: data of a lookup, or a file."""
    match = OF_DATABASE.fullmatch(tilde_decode(path))
    if match is not None:
        return match[1] in LOOKUPS and match[2] in (".json", ".csv")
    return AT_ONCE.fullmatch(path) is not None


def is_costly(path: str, graphql: str) -> bool:
    """Return whether `path` is counted: GraphQL, and all of the database but its lookups. graphql: the path of it.

    That is SQL, tables, lists, rows, and what Datasette begins to work on before it sees that it knows no such format.
    """
    if path == graphql or path.startswith(graphql + "/"):
        return True
    decoded = tilde_decode(path)
    return re.match(r"/census(?![^/.])", decoded) is not None and not is_lookup(path) and decoded != "/census.db"


def is_page(path: str, graphql: str) -> bool:
    """Return whether `path` is none of these: a page for people, or a list of places. Whole files do not count."""
    return not (is_quick(path) or is_costly(path, graphql) or path == "/census.db" or path.startswith("/download/"))


def is_stream(path: str, names: Collection[str]) -> bool:
    """Return whether a request streams a CSV. names: those of its parameters."""
    return "_stream" in names and tilde_decode(path).endswith(".csv")


def streamed_table(path: str, large: Collection[str]) -> str | None:
    """Return the table or view of `path` where it is one of the `large` ones."""
    match = OF_DATABASE.fullmatch(tilde_decode(path))
    return match[1] if match and match[1] in large else None
