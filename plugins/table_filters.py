"""Choose the rows of a table; see census/web/patches/table_filters.py."""

from datasette import hookimpl
from datasette.app import Datasette
from datasette.filters import FilterArguments
from datasette.utils.asgi import Request

from census.web.patches import table_filters


@hookimpl
def filters_from_request(datasette: Datasette, request: Request, database: str, table: str) -> table_filters.Found:
    async def found() -> FilterArguments:
        db = datasette.get_database(database)
        every = [
            await table_filters.where(datasette, database, request),
            await table_filters.searched(datasette, database, table, request),
            await table_filters.through(db, table, request),
        ]
        return table_filters.together(every)

    return found
