"""Give each list of rows a total order, so that its pages and its stream have every row once.

Datasette orders the first page of a sorted table by the column alone, and later pages by column and key: rows that are
alike in the column are lost or come twice. Pages of a view are counted off rows that have no order at all. Here every
page is ordered by the column and the key.
"""

import functools
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from datasette.utils import CustomRow, escape_sqlite, tilde_decode
from datasette.utils.asgi import Request
from datasette.views import table as datasette_table
from datasette.views.table import TableView

from census.schema.views import KEYS

Data = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list of rows. order: as Datasette writes it, empty for none. key: columns that make it total."""

    order: str
    key: str

    def complete(self, sql: str) -> str:
        """Return a statement with this order in the place of the one that Datasette gave it."""
        head, limit, tail = sql.rpartition(" limit ")
        if not limit or not self.key or not re.fullmatch(r"\d+( offset \d+)?", tail):  # the limit of a condition's own
            return sql
        if self.order:
            return f"{head}, {self.key} limit {tail}" if head.endswith(f"order by {self.order}") else sql
        return f"{head.rstrip()} order by {self.key} limit {tail}" if head.startswith("select ") else sql


ORDER: ContextVar[Order | None] = ContextVar("table_order", default=None)


def complete(sql: str) -> str:
    """Return `sql` with the total order of the list that is being answered; other statements as they are."""
    order = ORDER.get()
    return order.complete(sql) if order else sql


def apply() -> None:
    """Let Datasette's lists of rows have a total order."""
    if not hasattr(TableView._data_traced, "__wrapped__"):
        TableView._data_traced = in_order(TableView._data_traced)


def apply_to_labelled_rows() -> None:
    """Let rows with labels lack a column as rows without them do."""
    datasette_table.CustomRow = LabelledRow


class LabelledRow(CustomRow):  # type: ignore[misc]
    """A row with labels, which lacks a column as one without labels does: Datasette then reads its sort column."""

    def __getitem__(self, key: object) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError as error:
            raise IndexError(key) from error


def in_order(data: Data) -> Data:
    """Wrap the method of Datasette's view of tables that reads a page."""

    @functools.wraps(data)
    async def wrapped(self: TableView, request: Request, *arguments: Any) -> Any:
        order = await order_of(self, request)
        before = ORDER.set(order)
        try:
            answer = await data(self, request, *arguments)
        finally:
            ORDER.reset(before)
        if order is not None and isinstance(answer, tuple):
            query = answer[0]["query"]
            query["sql"] = order.complete(query["sql"])  # what the page shows is what was run
        return answer

    return wrapped


async def order_of(view: TableView, request: Request) -> Order | None:
    """Return the order of the list of rows of a request, None for what is no table or view."""
    name = tilde_decode(request.url_vars["table"])
    database = view.ds.get_database(route=tilde_decode(request.url_vars["database"]))
    is_table = await database.table_exists(name)
    if not is_table and not await database.get_view_definition(name):
        return None
    metadata = view.ds.table_metadata(database.name, name)
    sort, descending = request.args.get("_sort"), request.args.get("_sort_desc")
    if not sort and not descending:
        sort, descending = metadata.get("sort"), metadata.get("sort_desc")
    order = f"{escape_sqlite(descending)} desc" if descending else escape_sqlite(sort) if sort else ""
    if is_table:
        if not order:
            return None  # by its key already
        key = await database.primary_keys(name) or ["rowid"]
    else:
        key = KEYS.get(name) or await database.table_columns(name)
    return Order(order, ", ".join(map(escape_sqlite, key)))
