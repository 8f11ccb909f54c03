"""Refuse a parameter that a canned query does not declare.

Datasette ignores it: a client that sent `?postcode=SW1A+1AA&year=2019` got the newest edition
and 200. Here that is 400, and the error names those that there are.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from datasette.utils.asgi import Request
from datasette.views.base import DatasetteError
from datasette.views.database import QueryView

from api.web import undeclared

OF_DATASETTE = frozenset(
    "_shape _json _json_infinity _nl _stream _size _header _dl _ttl _timelimit _trace _labels _nofacet _nocount"
    " _hide_sql _show_sql _extra".split()
)
"""What Datasette 0.65 reads of the request for any query (views/database.py, views/base.py, renderer.py), and `_extra`,
which datasette-cluster-map sends for Datasette 1.0."""

Data = Callable[..., Awaitable[Any]]


def apply() -> None:
    """Let Datasette's view of queries refuse them."""
    if not hasattr(QueryView.data, "__wrapped__"):
        QueryView.data = refuse_undeclared(QueryView.data)


def refuse_undeclared(data: Data) -> Data:
    """Wrap the method `data` of Datasette's view of queries."""

    @functools.wraps(data)
    async def wrapped(self: QueryView, request: Request, sql: str, *arguments: Any, **options: Any) -> Any:
        name = options.get("canned_query")
        given = {key: request.args[key] for key in request.args if key not in OF_DATASETTE}
        if name and (problem := undeclared(given, name, options.get("named_parameters") or ())):
            raise DatasetteError(problem, title="Unknown parameter", status=400)
        return await data(self, request, sql, *arguments, **options)

    return wrapped
