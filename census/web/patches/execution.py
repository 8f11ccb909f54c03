"""Change how Datasette runs statements: their time limit, where they run, and what it asks besides."""

from functools import lru_cache

from datasette import database as datasette_database
from datasette.app import Datasette
from datasette.plugins import pm

from census.web.middleware import gate
from census.web.patches import table_order
from census.web.sql import sandbox
from census.web.sql.process import SqlProcesses
from census.web.state import Site


def interrupt_at_time_limit() -> None:
    """Let a watching thread interrupt statements, in place of a progress handler."""
    datasette_database.sqlite_timelimit = sandbox.time_limit


def run_in_processes(datasette: Datasette) -> None:
    """Let the database `census` run user-supplied SQL in processes."""
    site, census = Site.of(datasette), datasette.databases.get("census")
    if census is None or census.path is None or site.sql is not None:
        return
    queries = datasette._metadata_local["databases"]["census"].get("queries", {})
    statements = [query["sql"] for query in queries.values()]
    at_once = gate.settings_of(datasette)["at_once"]
    site.sql = SqlProcesses(census, at_once, statements, datasette.sql_time_limit_ms, table_order.complete)
    census.execute, census.execute_fn = site.sql.execute, site.sql.execute_fn


def keep_schemas(datasette: Datasette) -> None:
    """Let Datasette not list the tables again for each request, in a database that no page shows."""

    async def refresh_schemas() -> None:
        return

    datasette.refresh_schemas = refresh_schemas


def cache_permissions(datasette: Datasette) -> None:
    """Keep whether a table may be seen: metadata stays as it is unless a plugin has metadata of its own."""
    if not pm.hook.get_metadata.get_hookimpls():
        datasette._table_permission_allows = lru_cache(1000)(datasette._table_permission_allows)
