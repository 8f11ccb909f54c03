"""Give templates the notices, the edition and the publishers' attributions of the figures.

Notices are that the database is an extract and, on a table's page, that its publication was left out.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from datasette.app import Datasette
from datasette.database import Database
from datasette.utils.asgi import Request

from census.domain.types import Record
from census.schema import manifest
from census.schema.tables import ATTRIBUTIONS
from census.web.patches import csv_errors
from census.web.sql.process import own_rows
from census.web.state import Site

RANKED = ("rank", "decile", "quintile", "quantile")

Variables = Callable[[], Awaitable[Record]]


async def variables(
    datasette: Datasette, request: Request, table: str | None, columns: list[str] | None, view_name: str | None
) -> Record:
    """Return the template variables of a page of Datasette's, as its hook `extra_template_vars` names its parts."""
    site, census = Site.of(datasette), datasette.databases.get("census")
    if census is None:
        return {"notices": ["There is no census.db yet: build one with build_db.py."]}
    if table not in site.notices or census.is_mutable:
        site.notices[table] = await of_table(census, table)
    context: Record = site.notices[table] | {"ranked": any(column.endswith(RANKED) for column in columns or ())}
    if view_name == "database":
        context["hidden_count"] = 0  # tables inside search indexes are not ours
    if view_name == "table" and table is not None and table not in site.too_large:
        context |= csv_errors.links(datasette, request)
        context["settings"] = {**datasette.settings_dict(), "allow_csv_stream": False}
    return context


async def of_table(census: Database, table: str | None) -> Record:
    """Return the variables of the pages of `table`, None for other pages. Those of an immutable database are fixed."""
    [[edition, digest]] = await own_rows(
        census, "select edition_notes.edition, edition.digest from edition_notes, edition"
    )
    return {
        "notices": await notices_of(census, table),
        "edition": edition,
        "attributions": await attributions_of(census, table),
        "downloadable": table is not None and table in manifest.listed(Path(census.path), digest),
    }


async def notices_of(census: Database, table: str | None) -> list[str]:
    """Return the notices for a page, a sentence each; `table` is the page's table, None elsewhere."""
    notices = []
    for scope, authorities, directory in await own_rows(census, "select scope, authorities, directory from edition"):
        if scope == "extract":
            notices.append(f"This is a demonstration extract: postcodes and small areas of {authorities} only.")
        if directory is None:
            notices.append("This database was built without the ONS Postcode Directory: no postcode can be looked up.")
    without = await own_rows(
        census,
        "select title, status, group_concat(', ' || tables) from publications"
        " where status in ('left out', 'not loaded') group by publication order by publication",
    )
    for title, status, tables in without:
        if f", {table}," in f"{tables}," or (table is None and status == "left out"):
            why = "left out of this database" if status == "left out" else "not loaded: its file was not at hand"
            notices.append(f"{title} was {why}.")
    return notices


async def attributions_of(census: Database, table: str | None) -> list[str]:
    """Return the attributions and conditions of the publications that feed `table`; none elsewhere."""
    if table is None:
        return []
    of = "postcodes" if table.startswith("postcode_") else table
    return [row[0] for row in await own_rows(census, ATTRIBUTIONS, {"table": of})]
