"""Read tables for GraphQL: every filter holds, every page follows from the one before.

datasette-graphql joins the values of `in` with commas, so that `Bristol, City of` becomes two; lets the last of two
filters of a column win; reads `isnull: false` as true; has whole numbers alone for columns with decimals; and gives
edges cursors that know nothing of the sort. Here too a query becomes a request to Datasette's view of tables,
and the answer says what that refuses.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import graphene
from datasette.app import Datasette
from datasette.utils import tilde_encode
from graphql import GraphQLError

from census.domain.types import Record

OPPOSITE = {"isnull": "notnull", "notnull": "isnull", "isblank": "notblank", "notblank": "isblank"}
LISTED = 10  # rows, where a query does not say how many

Resolver = Callable[..., Any]


class FloatOperations(graphene.InputObjectType):  # type: ignore[misc]
    """What a column with decimals can be compared with."""

    exact = graphene.Float(name="eq", description="Exact match")
    not_ = graphene.Float(name="not", description="Not exact match")
    gt = graphene.Float(description="is greater than")
    gte = graphene.Float(description="is greater than or equal to")
    lt = graphene.Float(description="is less than")
    lte = graphene.Float(description="is less than or equal to")
    in_ = graphene.List(graphene.Float, name="in", description="in this list")
    notin = graphene.List(graphene.Float, description="not in this list")
    isnull = graphene.Boolean(description="Value is null")
    notnull = graphene.Boolean(description="Value is not null")
    isblank = graphene.Boolean(description="Value is null or blank")
    notblank = graphene.Boolean(description="Value is not null or blank")


def apply() -> None:
    """Let datasette-graphql read tables so. Before it makes its schema."""
    from datasette_graphql import (
        utils,
    )  # not above: it must not be imported before Datasette, which makes a plugin of it

    if utils.types_to_operations[float] is FloatOperations:
        return
    utils.types_to_operations[float] = FloatOperations
    utils.make_table_resolver = resolver
    made = utils.make_table_collection_class

    def with_cursors(table: str, table_class: type, meta: Any) -> type:
        collection: type = made(table, table_class, meta)
        collection.resolve_edges = staticmethod(edges)  # type: ignore[attr-defined]
        return collection

    utils.make_table_collection_class = with_cursors


def edges(page: Record, _info: object) -> list[Record]:
    """Return the rows of a page, each with the cursor of what follows it."""
    return [{"cursor": cursor, "node": row} for cursor, row in zip(page["cursors"], page["rows"], strict=True)]


def cursors(page: Record, sort: str | None, after: str | None) -> list[str]:
    """Return what `_next` would be after each of the rows of a page."""
    if page["is_view"]:
        return [str(int(after or 0) + n) for n in range(1, len(page["rows"]) + 1)]
    key = page["primary_keys"] or ["rowid"]
    cursors = []
    for row in page["rows"]:
        parts = [tilde_encode(str(row[column])) for column in key]
        if sort:
            parts.insert(0, "$null" if row[sort] is None else tilde_encode(str(row[sort])))
        cursors.append(",".join(parts))
    return cursors


def conditions(filters: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return filters as parameters of Datasette's view. columns: name in GraphQL to name. Raises GraphQLError."""
    params = []
    for column, operations in (item for one in filters for item in one.items()):
        for operation, value in (operations or {}).items():
            name = operation.rstrip("_")
            if value is None:
                raise GraphQLError(f"{column}: {name} of null is no filter: isnull is.")
            if value is False and name in OPPOSITE:
                name = OPPOSITE[name]
            text = json.dumps(value) if isinstance(value, list) else str(value)
            params.append((f"{columns[column]}__{name}", text))
    return params


def resolver(  # noqa: PLR0913, PLR0917, its caller is datasette-graphql
    datasette: Datasette,
    database_name: str,
    table_name: str,
    table_classes: Mapping[str, Any],
    table_metadata: Mapping[str, Any],
    related_fk: Any = None,
    pk_args: Iterable[str] | None = None,
    return_first_row: bool = False,
) -> Resolver:
    """Return what resolves a field of a table, as datasette_graphql.utils.make_table_resolver does."""
    meta = table_metadata[table_name]
    columns = {label: name for name, label in meta.graphql_columns.items()}

    async def resolve(root: Any, info: Any, **given: Any) -> Any:
        count(info.context, table_name)
        params = [("_nofacet", "1"), *conditions(given.get("filter") or (), columns)]
        params += [(name, str(given[name])) for name in pk_args or () if given.get(name) is not None]
        if related_fk:
            other = table_metadata[related_fk.other_table].graphql_columns
            params.append((related_fk.column, str(getattr(root, other[related_fk.other_column]))))
        sort = columns[given["sort"].value] if given.get("sort") else None
        sort_desc = columns[given["sort_desc"].value] if given.get("sort_desc") else None
        size = 1 if return_first_row else given.get("first")
        more = {
            "_size": LISTED if size is None else size,
            "_next": given.get("after"),
            "_search": given.get("search"),
            "_where": given.get("where"),
            "_sort": sort,
            "_sort_desc": sort_desc,
        }
        params += [(name, str(value)) for name, value in more.items() if value is not None and value != ""]
        answer = await datasette.client.get(f"/{database_name}/{table_name}.json?{urlencode(params)}")
        page: Record = answer.json()
        if answer.status_code != 200:
            raise GraphQLError(f"{table_name}: {page.get('error')}")
        page["rows"] = [dict(zip(page["columns"], row, strict=True)) for row in page["rows"]]
        metadata = datasette.table_metadata(database_name, table_name)
        sorted_by = sort or sort_desc or metadata.get("sort") or metadata.get("sort_desc")
        page["cursors"] = cursors(page, sorted_by, given.get("after"))
        page["rows"] = [table_classes[table_name].from_row(row) for row in page["rows"]]
        if return_first_row:
            return page["rows"][0] if page["rows"] else None
        return page

    return resolve


def count(context: Record | None, table: str) -> None:
    """Count a query of a table. Raises GraphQLError where there have been too many, or it takes too long."""
    if not context or "time_started" not in context:
        return
    context["num_queries_executed"] += 1
    if (time.monotonic() - context["time_started"]) * 1000 > (context["time_limit_ms"] or float("inf")):
        raise GraphQLError(f"The query took longer than {context['time_limit_ms']} ms; ask for less.")
    if context["num_queries_executed"] > (context["num_queries_limit"] or float("inf")):
        raise GraphQLError(f"The query reads more than {context['num_queries_limit']} tables: ask for less ({table}).")
