"""An error is an error as CSV too.

Datasette answers SQL that fails with 200 and an empty CSV, which a spreadsheet would take for "nothing found"; here it
is 400 with the reason, as in JSON.
"""

import functools

from datasette import hookimpl
from datasette.database import QueryInterrupted
from datasette.views.base import DatasetteError, DataView


@hookimpl
def startup():
    if not hasattr(DataView.as_csv, "__wrapped__"):
        DataView.as_csv = honest(DataView.as_csv)


def honest(as_csv):
    """The method `as_csv` of Datasette's views, with failures as DatasetteError."""

    @functools.wraps(as_csv)
    async def wrapped(self, request, *arguments):
        data = self.data

        async def checked(*given, **named):
            told = await data(*given, **named)
            if isinstance(told, tuple) and len(told) == 4 and (told[3] or 200) >= 400:
                raise DatasetteError(str(told[0].get("error")), title="Invalid SQL", status=told[3])
            return told

        self.data = checked  # of this request's view
        try:
            return await as_csv(self, request, *arguments)
        except QueryInterrupted:
            text = f"The SQL took longer than {self.ds.setting('sql_time_limit_ms')} ms."
            raise DatasetteError(text, title="SQL Interrupted", status=400) from None

    return wrapped
