"""Answer CSV that is complete, or says that it is not.

Datasette answers SQL that fails with 200 and an empty CSV, which a spreadsheet would take for "nothing found"; here it
is 400 with the reason, as in JSON. Where a later page of a streamed table fails, Datasette ends the CSV with the reason
as its last line, after a 200; here it is 503, for which `content_length.py` leaves the time. The links of a table's
page lead to all of its rows, not to the first thousand; a page of rows as CSV has the next one in its Link header.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.utils import path_with_format
from datasette.utils.asgi import AsgiStream, AsgiWriter, Request
from datasette.views.base import DatasetteError, DataView

AsCsv = Callable[..., Awaitable[Any]]
StreamFn = Callable[[AsgiWriter], Awaitable[None]]


def apply() -> None:
    """Let Datasette's views answer so."""
    if not hasattr(DataView.as_csv, "__wrapped__"):
        DataView.as_csv = raise_csv_errors(DataView.as_csv)


def raise_csv_errors(as_csv: AsCsv) -> AsCsv:
    """Return the method `as_csv` of Datasette's views, with failures as DatasetteError."""

    @functools.wraps(as_csv)
    async def wrapped(self: DataView, request: Request, *arguments: object) -> Any:
        data = self.data
        failures: list[Exception] = []
        following: list[str | None] = []

        async def checked(*given: object, **named: object) -> object:
            try:
                answer = await data(*given, **named)
            except Exception as error:
                failures.append(error)
                raise
            if isinstance(answer, tuple) and len(answer) == 4 and (answer[3] or 200) >= 400:
                raise DatasetteError(str(answer[0].get("error")), title="Invalid SQL", status=answer[3])
            if isinstance(answer, tuple):
                following.append(answer[0].get("next_url"))
            return answer

        self.data = checked  # of this request's view
        try:
            response = await as_csv(self, request, *arguments)
        except QueryInterrupted:
            text = f"The SQL took longer than {self.ds.setting('sql_time_limit_ms')} ms."
            raise DatasetteError(text, title="SQL Interrupted", status=400) from None
        if isinstance(response, AsgiStream):
            response.stream_fn = drain(response.stream_fn, failures)
            if following and following[0] and not request.args.get("_stream"):
                response.headers["link"] = f'<{following[0]}>; rel="next"'
        return response

    return wrapped


def drain(stream_fn: StreamFn, failures: list[Exception]) -> StreamFn:
    """Return the writing of a CSV, with what failed meanwhile as DatasetteError."""

    async def wrapped(writer: AsgiWriter) -> None:
        await stream_fn(writer)
        if failures:
            text = "The table could not be read to its end just now; it is whole at /download."
            raise DatasetteError(text, title="Not the whole table", status=503) from failures[0]

    return wrapped


def links(datasette: Datasette, request: Request) -> dict[str, Any]:
    """Return what a table's page has of CSV, as template variables: all of its rows, streamed."""
    given = parse_qsl(request.query_string, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name not in ("_next", "_size", "_stream", "_labels")]
    hidden = [*kept, ("_stream", "on")]
    path = datasette.urls.path(path_with_format(request=request, format="csv").partition("?")[0])
    return {"url_csv": f"{path}?{urlencode(hidden)}", "url_csv_path": path, "url_csv_hidden_args": hidden}
