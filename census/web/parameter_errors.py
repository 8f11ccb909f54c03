"""Answer 400 to a parameter that Datasette fails on: it would answer 500 and log where.

`_through=x`, `_sort=` a column that is not there, `_timelimit=soon`: the mistake is the request's; the answer says so.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from datasette.utils.asgi import NotFound, Request
from datasette.views.base import DatasetteError, DataView

Get = Callable[..., Awaitable[Any]]
MISTAKES = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)


def apply() -> None:
    """Let Datasette's views of tables, rows and queries answer so."""
    if not hasattr(DataView.get, "__wrapped__"):
        DataView.get = refuse_mistakes(DataView.get)


def refuse_mistakes(get: Get) -> Get:
    """Wrap the method `get` of Datasette's views."""

    @functools.wraps(get)
    async def wrapped(self: DataView, request: Request) -> Any:
        try:
            return await get(self, request)
        except DatasetteError as error:
            if error.status == 500:
                error.status = 400
            raise
        except NotFound:
            raise
        except MISTAKES as error:
            named = ", ".join(name for name in request.args if name.startswith("_"))
            if not named:
                raise
            text = f"One of these parameters has a value that it cannot have: {named[:200]}."
            raise DatasetteError(text, title="Bad parameter", status=400) from error

    return wrapped
