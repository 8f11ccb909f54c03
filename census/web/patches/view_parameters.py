"""Refuse a parameter that would be ignored, or that Datasette fails on: 400, with a sentence that names it.

Datasette ignores an operator or parameter that it does not know, so that a slip of the pen gives other rows than were
meant, with 200; and it answers 500 to many a value that cannot be. The views of tables, rows and queries ask here
first. What is left, a value that they fail on all the same, is a 400 too.
"""

import functools
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from urllib.parse import parse_qsl, urlencode

from datasette.app import Datasette
from datasette.database import Database
from datasette.utils import derive_named_parameters, tilde_decode, urlsafe_components
from datasette.utils.asgi import NotFound, Request, Response
from datasette.views.base import DatasetteError, DataView
from datasette.views.database import DatabaseView, QueryView
from datasette.views.row import RowView
from datasette.views.table import TableView

from census.web.patches.table_parameters import EVERYWHERE, OF_CSV, check_table, check_there
from census.web.refusal import UNKNOWN, refused, similar
from census.web.responses import undeclared

OF_QUERIES = EVERYWHERE | OF_CSV | frozenset("_hide_sql _show_sql".split())
OF_ROWS = EVERYWHERE | {"_extras", "_blob_column"}
OF_DATABASE = EVERYWHERE | {"sql"}
MANY = frozenset("_extra _json _col _nocol _where _through _label _facet _facet_array _facet_date".split())
"""Those that may be given several times."""

SHAPES = ("arrays", "arrayfirst", "objects", "object", "array")
MISTAKES = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, OverflowError)

TRUNCATED = (
    "There are more than {:,} rows, the most that a query answers with. Ask for fewer (limit, offset, where);"
    " whole tables are at /download, and all of them in /census.db."
)

Method = Callable[..., Awaitable[Any]]
Page = Callable[[Datasette, Request], Awaitable[Response]]


def apply() -> None:
    """Let Datasette's views of tables, rows and queries ask here first."""
    if not hasattr(DataView.get, "__wrapped__"):
        DataView.get = checked(DataView.get)
        QueryView.data = declared(QueryView.data)


def checked(get: Method) -> Method:
    """Wrap the method `get` of Datasette's views."""

    @functools.wraps(get)
    async def wrapped(self: DataView, request: Request) -> Any:
        await check(self, request)
        try:
            return await get(self, request)
        except DatasetteError as error:
            if error.status == 500:
                error.status = 400
            raise
        except NotFound:
            raise
        except MISTAKES as error:
            named = ", ".join(request.args)
            if not named:
                raise
            raise refused(f"One of these parameters has a value that it cannot have: {named[:200]}.") from error

    return wrapped


def declared(data: Method) -> Method:
    """Wrap the method `data` of Datasette's view of queries, which it calls with the statement."""

    @functools.wraps(data)
    async def wrapped(self: QueryView, request: Request, sql: str, *arguments: Any, **options: Any) -> Any:
        name = options.get("canned_query")
        known = OF_QUERIES if name else OF_QUERIES | OF_DATABASE
        given = {key: request.args[key] for key in request.args if key not in known}
        if name:
            problem = undeclared(given, name, options.get("named_parameters") or ())
        elif given:
            names = await derive_named_parameters(database_of(self.ds, request), sql)
            if request.url_vars["format"] is None and (unused := [key for key in given if key not in names]):
                return without(request, unused)  # of a form whose SQL has been changed
            problem = undeclared(given, "this SQL", names)
        else:
            problem = None
        if problem:
            raise refused(problem, UNKNOWN)
        if request.args.get("_size", "max") != "max":
            raise refused("_size is for tables: SQL has its limit.")
        if request.args.get("_shape") == "object":
            raise refused("_shape=object is for tables with a key.")
        answer = await data(self, request, sql, *arguments, **options)
        if isinstance(answer, tuple) and answer[0]["truncated"] and not says_truncated(request):
            raise refused(TRUNCATED.format(self.ds.max_returned_rows), "Too many rows")
        return answer

    return wrapped


def says_truncated(request: Request) -> bool:
    """Return whether the form in which a request is answered says that there are more rows."""
    form = request.url_vars["format"]
    return form is None or (form == "json" and request.args.get("_shape", "arrays") in ("arrays", "objects"))


def database_of(datasette: Datasette, request: Request) -> Database:
    """Return the database of a request. Raises NotFound."""
    try:
        return datasette.get_database(route=tilde_decode(request.url_vars["database"]))
    except KeyError:
        raise NotFound("Database not found") from None


def without(request: Request, names: Collection[str]) -> Response:
    """Return a redirect to the address of a request without some of its parameters."""
    given = parse_qsl(request.query_string, keep_blank_values=True)
    return Response.redirect("?" + urlencode([(name, value) for name, value in given if name not in names]))


async def check(view: DataView, request: Request) -> None:
    """Refuse what a request must not have. Raises DatasetteError, NotFound."""
    database = database_of(view.ds, request)
    if request.url_vars["format"] not in (None, "csv", "jsono", *view.ds.renderers):
        raise NotFound("There is no such format: json and csv are.")
    if isinstance(view, TableView):
        await check_table(view, database, request)
    elif isinstance(view, RowView):
        await check_row(database, request)
    elif isinstance(view, DatabaseView) and not request.args.get("sql"):
        check_known(request, OF_DATABASE - {"_shape"}, "the list of tables")
        if request.url_vars["format"] == "csv":
            raise NotFound(
                "The list of tables is JSON: /census.json. As CSV there are tables, and SQL (/census.csv?sql=…)."
            )
    check_values(request)


def check_known(request: Request, known: Collection[str], what: str) -> None:
    """Refuse a parameter that is not among `known`. Raises DatasetteError."""
    for name in request.args:
        if name not in known:
            raise refused(f"'{name[:60]}' is not a parameter of {what}.{similar(name, known)}", UNKNOWN)


def check_values(request: Request) -> None:
    """Refuse values that Datasette ignores or fails on. Raises DatasetteError."""
    args = request.args
    for name in args:
        if name.startswith("_") and "__" not in name and name not in MANY and len({*args.getlist(name)}) > 1:
            raise refused(f"Duplicate parameter '{name[:60]}', with two values.")
    if (shape := args.get("_shape", "array")) not in SHAPES:
        raise refused(f"'{shape[:40]}' is not a shape: _shape is one of {', '.join(SHAPES)}.")
    for name, pattern, values in (
        ("_labels", "(?i)on|off|true|false|1|0", "on or off"),
        ("_json_infinity", "(?i)on|off|true|false|1|0", "on or off"),
        ("_searchmode", "raw|escaped", "raw or escaped"),
        ("_header", "on|off", "on or off"),
        ("_timelimit", "[0-9]{1,9}", "a number of milliseconds"),
    ):
        if name in args and not re.fullmatch(pattern, args[name]):
            raise refused(f"{name} is {values}, not '{args[name][:40]}'.")


async def check_row(database: Database, request: Request) -> None:
    """Refuse the address of a row that is none. Raises DatasetteError, NotFound."""
    table = tilde_decode(request.url_vars["table"])
    check_there(table)
    if not await database.table_exists(table):
        raise NotFound("Table not found")
    check_known(request, OF_ROWS | OF_CSV, "a row")
    key = await database.primary_keys(table) or ["rowid"]
    if len(urlsafe_components(request.url_vars["pks"])) != len(key):
        raise NotFound(
            f"A row of {table} has the address /census/{table}/{','.join(key)}, with commas between its keys."
        )
    if request.args.get("_shape", "array") == "object" and key == ["rowid"]:
        raise refused("_shape=object is for tables with a key.")
