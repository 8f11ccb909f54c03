"""Register everything but routes and SQL functions: start, middleware, menu, templates, connections and filters.

Datasette calls the hooks of several plugins in an order that differs by machine, so each of these is here, once.
"""

import sqlite3
from functools import partial

from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Request
from jinja2 import Environment

from census.pages import charts
from census.web.asgi import Links, WhenStarted, Wrapper
from census.web.handlers import notices
from census.web.middleware import stack
from census.web.patches import order, table_filters
from census.web.sql import sandbox
from census.web.startup.start import start

MENU = (
    ("/guide/", "Guide"),
    ("/api/v1", "API"),
    ("/download", "Downloads"),
    ("/map", "Map"),
    ("/spreadsheet", "Add figures to a spreadsheet"),
)

order.apply()  # as Datasette loads this file: it makes its routes before it starts


@hookimpl
def startup(datasette: Datasette) -> WhenStarted:
    return partial(start, datasette)


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Wrapper:
    return partial(stack.wrap, datasette)


@hookimpl
def menu_links(datasette: Datasette) -> Links:
    return [{"href": datasette.urls.path(path), "label": label} for path, label in MENU]


@hookimpl
def prepare_jinja2_environment(env: Environment) -> None:
    env.filters.update(number=charts.number, percent=charts.percent)


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str | None) -> None:
    sandbox.prepare_server_connection(conn, database)


@hookimpl
def filters_from_request(datasette: Datasette, request: Request, database: str, table: str) -> table_filters.Filter:
    return partial(table_filters.conditions, datasette, request, database, table)


@hookimpl
def extra_template_vars(
    datasette: Datasette, table: str | None, columns: list[str] | None, view_name: str | None, request: Request
) -> notices.Variables:
    return partial(notices.variables, datasette, request, table, columns, view_name)
