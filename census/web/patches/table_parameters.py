"""Refuse what a list of rows would ignore: a filter, a sort or a parameter that there is not.

`view_parameters.py` asks here for tables and views.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from datasette.database import Database
from datasette.filters import Filters
from datasette.utils import tilde_decode, urlsafe_components
from datasette.utils.asgi import NotFound, Request
from datasette.views.table import TableView

from census.web.refusal import UNKNOWN, refused, similar

EVERYWHERE = frozenset("_shape _json _json_infinity _nl _ttl _timelimit _trace _labels _extra".split())
"""What Datasette 0.65 reads for any data (views/base.py, renderer.py), and `_extra`, which datasette-cluster-map sends
for Datasette 1.0."""
OF_CSV = frozenset("_stream _header _dl _size _nofacet _nocount".split())
OF_TABLES = (
    EVERYWHERE
    | OF_CSV
    | frozenset(
        "_col _nocol _sort _sort_desc _sort_by_desc _next _search _searchmode _where _through _label _nosuggest"
        " _facet _facet_size _facet_array _facet_date _filter_column _filter_op _filter_value".split()
    )
)
NUMBERED = re.compile(r"_filter_(?:column|op|value)_\d+|_search_.+")
INSIDE_A_SEARCH = re.compile(r".+_fts_(?:config|content|data|docsize|idx)")
OPERATORS = tuple(key for key, _, _ in Filters([]).lookups())
NUMERIC = ("gt", "gte", "lt", "lte")
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """A table or view, as its list of rows knows it. types: of its columns. key: empty for a view."""

    table: str
    types: Mapping[str, str]
    key: list[str]
    sort: str | None

    @property
    def columns(self) -> list[str]:
        """Return the columns by which rows may be chosen and sorted."""
        return [*self.types, *(["rowid"] if self.key == ["rowid"] else [])]

    def no_column(self, parameter: str, column: str) -> str:
        """Return the sentence about a column that is not there."""
        return f"{parameter}: '{column[:60]}' is not a column of {self.table}, which has {', '.join(self.columns)}."

    def check_columns(self, request: Request) -> None:
        """Refuse columns that are not there. Raises DatasetteError."""
        args = request.args
        if args.get("_sort") and args.get("_sort_desc"):
            raise refused("_sort and _sort_desc are there both: rows are sorted one way.")
        if self.sort and self.sort not in self.columns:
            raise refused(self.no_column("_sort", self.sort))
        for name in ("_json", "_label"):
            for column in args.getlist(name):
                if column not in self.columns:
                    raise refused(self.no_column(name, column))
        if args.get("_shape") == "object" and self.key in ([], ["rowid"]):
            raise refused(f"_shape=object is for tables with a key, and {self.table} has none.")

    def check_next(self, following: str) -> None:
        """Refuse a `_next` that no page of these rows gave. Raises DatasetteError."""
        if self.key:
            fits = len(urlsafe_components(following)) == len(self.key) + bool(self.sort)
        else:
            fits = re.fullmatch("[0-9]{1,18}", following) is not None
        if not fits:
            raise refused("_next is not what a page of these rows, in this order, said is next.")

    def check_filter(self, name: str, value: str) -> None:
        """Refuse a filter that is none, such as `natoin=Wales` or `rank__gt=x`. Raises DatasetteError."""
        column, _, operator = name.rpartition("__") if "__" in name else (name, "", "exact")
        if column not in self.columns:
            text = f"'{column[:60]}' is neither a column of {self.table} nor a parameter."
            raise refused(f"{text}{similar(column, self.columns)} It has {', '.join(self.columns)}.", UNKNOWN)
        if operator not in OPERATORS:
            text = f"'{name[:60]}': '{operator[:40]}' is not an operator."
            raise refused(f"{text} They are {', '.join(OPERATORS)}.", UNKNOWN)
        if operator in NUMERIC:
            self.check_number(name, column, value)
        if operator in ("in", "notin") and value.startswith("["):
            check_list(name, value)

    def check_number(self, name: str, column: str, value: str) -> None:
        """Refuse what a column of numbers cannot be compared with. Raises DatasetteError."""
        try:
            number = float(value)
        except ValueError:
            if self.types.get(column, "").upper() in ("INTEGER", "FLOAT", "REAL"):
                raise refused(f"'{name}': {column} is a number, and '{value[:40]}' is none.") from None
            return
        if not abs(number) <= LARGEST:
            raise refused(f"'{name}': '{value[:40]}' is too large a number.")


def check_list(name: str, value: str) -> None:
    """Refuse what begins like a list in JSON and is none. Raises DatasetteError."""
    try:
        listed = json.loads(value)
    except ValueError:
        listed = [[]]
    if not all(item is None or isinstance(item, str | int | float) for item in listed):
        raise refused(f'\'{name}\' is neither a list in JSON, such as ["a", "b"], nor words with commas between them.')


def check_there(table: str) -> None:
    """Say of the inside of a search index that it is no table of ours: its bytes have no order. Raises NotFound."""
    if INSIDE_A_SEARCH.fullmatch(table):
        raise NotFound("Table not found: this is the inside of a search index.")


async def rows_of(view: TableView, database: Database, request: Request) -> Rows:
    """Return the table or view of a request. Raises NotFound."""
    table, args = tilde_decode(request.url_vars["table"]), request.args
    check_there(table)
    there = await database.table_exists(table)
    if not there and not await database.get_view_definition(table):
        raise NotFound("Table not found")
    types = {column.name: column.type for column in await database.table_column_details(table)}
    metadata = view.ds.table_metadata(database.name, table)
    sort = args.get("_sort") or args.get("_sort_desc") or metadata.get("sort") or metadata.get("sort_desc")
    return Rows(table, types, (await database.primary_keys(table) or ["rowid"]) if there else [], sort)


async def check_table(view: TableView, database: Database, request: Request) -> None:
    """Refuse a list of rows that is not what its parameters ask for. Raises DatasetteError, NotFound."""
    args = request.args
    if await view.ds.get_canned_query(database.name, tilde_decode(request.url_vars["table"]), request.actor):
        return
    rows = await rows_of(view, database, request)
    for name in args:
        if not name.startswith("_") or "__" in name:
            for value in args.getlist(name):
                rows.check_filter(name, value)
        elif name not in OF_TABLES and not NUMBERED.fullmatch(name):
            raise refused(f"'{name[:60]}' is not a parameter of {rows.table}.{similar(name, OF_TABLES)}", UNKNOWN)
    rows.check_columns(request)
    if following := args.get("_next"):
        rows.check_next(following)
