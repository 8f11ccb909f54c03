"""Choose the rows of a table by search, SQL and other tables: `_search`, `_where` and `_through`.

In the place of Datasette's own. There `Camd*` finds nothing and a blank search is a syntax error; `_where=a or b` is
not kept together, so that later pages lose rows; and the value of `_through` takes the place of that of a filter.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable

from datasette import filters as datasette_filters
from datasette.app import Datasette
from datasette.database import Database
from datasette.filters import FilterArguments
from datasette.plugins import pm
from datasette.utils import escape_sqlite
from datasette.utils.asgi import Request
from datasette.views.base import DatasetteError

from census.web.refusal import refused

TOKEN = re.compile(r'"[^"]*"\*?|[^\s"]+')
Filter = Callable[[], Awaitable[FilterArguments]]


def apply() -> None:
    """Take Datasette's own filters out of its hooks."""
    if pm.is_registered(datasette_filters):
        pm.unregister(datasette_filters)


def fts_query(text: str) -> str:
    """Return what is typed into a search as a query of FTS5: all of its words, those with * as beginnings.

    Words in double quotes are a phrase. Empty where there is no word.
    """
    if text.count('"') % 2:
        text += '"'
    tokens = []
    for token in TOKEN.findall(text):
        word = token.rstrip("*").strip('"')
        if word:
            tokens.append(f'"{word}"{"*" if token.endswith("*") else ""}')
    return " ".join(tokens)


async def searched(datasette: Datasette, database: str, table: str, request: Request) -> FilterArguments:
    """Return the conditions of `_search` and of `_search_COLUMN`. Raises DatasetteError."""
    metadata = datasette.table_metadata(database, table)
    db = datasette.get_database(database)
    fts, key = metadata.get("fts_table") or await db.fts_table(table), metadata.get("fts_pk") or "rowid"
    searches = {name: request.args[name] for name in request.args if name == "_search" or name.startswith("_search_")}
    searches = {name: text for name, text in searches.items() if text.strip()}
    filters = FilterArguments([], extra_context={"supports_search": bool(fts)})
    if not searches:
        return filters
    if not fts:
        raise refused(f"{table} has no search; a filter such as name__contains=… finds text in a column.")
    raw = {"raw": True, "escaped": False}.get(request.args.get("_searchmode"), metadata.get("searchmode") == "raw")
    columns = await db.table_columns(fts)
    for i, (name, text) in enumerate(searches.items()):
        column = name.removeprefix("_search").removeprefix("_")
        if column and column not in columns:
            raise refused(f"'{name[:60]}': {table} has no search by that column, only by {', '.join(columns)}.")
        query = text if raw else fts_query(text)
        if not query:
            continue
        filters.where_clauses.append(
            f"{escape_sqlite(key)} in (select rowid from {escape_sqlite(fts)}"
            f" where {escape_sqlite(column or fts)} match :search_{i})"
        )
        filters.params[f"search_{i}"] = query
        filters.extra_context["search"] = text
        of = f'search column "{column}"' if column else "search"
        filters.human_descriptions.append(f'{of} matches "{text}"')
    return filters


async def where(datasette: Datasette, database: str, request: Request) -> FilterArguments:
    """Return the conditions of `_where`, each kept together."""
    texts = [text for text in request.args.getlist("_where") if text.strip()]
    if texts and not await datasette.permission_allowed(request.actor, "execute-sql", resource=database, default=True):
        raise DatasetteError("_where= is not allowed", status=403)
    shown = [
        {"text": text, "remove_url": datasette_filters.path_with_removed_args(request, {"_where": text})}
        for text in texts
    ]
    return FilterArguments([f"({text}\n)" for text in texts], extra_context={"extra_wheres_for_ui": shown})


async def through(db: Database, table: str, request: Request) -> FilterArguments:
    """Return the conditions of `_through`: rows that a row of another table leads to. Raises DatasetteError."""
    filters = FilterArguments([])
    for i, text in enumerate(request.args.getlist("_through")):
        try:
            given = json.loads(text)
            other, column, value = (given[name] for name in ("table", "column", "value"))
        except (ValueError, KeyError, TypeError):
            raise refused('_through must be JSON: {"table": …, "column": …, "value": …}.') from None
        if not isinstance(value, str | int | float) or other not in await db.table_names():
            raise refused("_through: its table is none, or its value is neither text nor number.")
        keys = [key for key in await db.foreign_keys_for_table(other) if key["other_table"] == table]
        if not keys or column not in await db.table_columns(other):
            raise refused(f"_through: {other} does not lead to {table}, or has no such column.")
        filters.where_clauses.append(
            f"{escape_sqlite(keys[0]['other_column'])} in (select {escape_sqlite(keys[0]['column'])}"
            f" from {escape_sqlite(other)} where {escape_sqlite(column)} = :through_{i})"
        )
        filters.params[f"through_{i}"] = value
        filters.human_descriptions.append(f'{other}.{column} = "{value}"')
    return filters


def together(every: Iterable[FilterArguments]) -> FilterArguments:
    """Return conditions as one: Datasette takes one from a plugin."""
    filters = FilterArguments([])
    for one in every:
        filters.where_clauses += one.where_clauses
        filters.params |= one.params
        filters.human_descriptions += one.human_descriptions
        filters.extra_context |= one.extra_context
    return filters


async def conditions(datasette: Datasette, request: Request, database: str, table: str) -> FilterArguments:
    """Return all of these conditions of a list of rows as one. Raises DatasetteError."""
    db = datasette.get_database(database)
    every = [
        await where(datasette, database, request),
        await searched(datasette, database, table, request),
        await through(db, table, request),
    ]
    return together(every)
