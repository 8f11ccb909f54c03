"""Start the site, wrap Datasette and fill its menu: the hooks whose order matters, each once.

Datasette calls the hooks of several plugins in an order that differs by machine.
"""

from datasette import database as datasette_database
from datasette import hookimpl
from datasette.app import Datasette
from jinja2 import Environment

from census.pages import charts
from census.web import connections, parameters, tiles
from census.web.api.routes import Api
from census.web.asgi import Links, WhenStarted, Wrapper
from census.web.graphql import limits as graphql_limits
from census.web.graphql import tables as graphql_tables
from census.web.handlers import readiness
from census.web.middleware import entity_tags, gate, same_file
from census.web.middleware import stack as middleware
from census.web.patches import accessible_templates as accessible
from census.web.patches import csv_errors as whole_csv
from census.web.patches import private_logs, private_paths, table_filters, table_order
from census.web.sql import sandbox
from census.web.sql.process import SqlProcesses
from census.web.startup import database_guard, site_metadata, version_guard

private_paths.apply()  # here, as Datasette makes its routes before it starts

MENU = (
    ("/guide/", "Guide"),
    ("/api/v1", "API"),
    ("/download", "Downloads"),
    ("/map", "Map"),
    ("/spreadsheet", "Add figures to a spreadsheet"),
)


@hookimpl
def startup(datasette: Datasette) -> WhenStarted:
    private_logs.silence()
    datasette_database.sqlite_timelimit = sandbox.time_limit
    whole_csv.apply()
    parameters.apply()
    table_filters.apply()
    table_order.apply()
    graphql_tables.apply()
    graphql_limits.switch_off(datasette)
    same_file.begin(datasette)
    connections.apply(datasette)
    database_guard.ignore_other_counts(datasette)
    SqlProcesses.take_over(datasette, gate.settings_of(datasette)["at_once"])

    async def nothing() -> None:
        """Do nothing: what Datasette would refresh is shown nowhere, and its lock is of one event loop alone."""

    datasette.refresh_schemas = nothing

    async def start() -> None:
        await version_guard.check(datasette)
        await database_guard.check(datasette)
        await site_metadata.describe(datasette)
        await readiness.begin(datasette)
        tiles.open_map(datasette)
        await entity_tags.read_tag(datasette)
        await gate.count_rows(datasette)
        Api.of(datasette).open()

    return start


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Wrapper:
    return lambda app: middleware.wrap(datasette, app)


@hookimpl
def menu_links(datasette: Datasette) -> Links:
    return [{"href": datasette.urls.path(path), "label": label} for path, label in MENU]


@hookimpl
def prepare_jinja2_environment(env: Environment) -> None:
    env.filters["number"] = charts.number
    env.filters["percent"] = charts.percent
    accessible.apply(env)
