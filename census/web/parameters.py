"""Refuse parameters that a page does not take."""

import functools
from collections.abc import Awaitable, Callable

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.web.responses import undeclared

Page = Callable[[Datasette, Request], Awaitable[Response]]


def takes(*names: str) -> Callable[[Page], Page]:
    """Return a decorator for what makes a page: it answers 400 to a parameter that is none of `names`."""

    def decorated(page: Page) -> Page:
        @functools.wraps(page)
        async def wrapped(datasette: Datasette, request: Request) -> Response:
            problem = undeclared({name: request.args[name] for name in request.args}, "this page", names)
            if problem is None and (twice := [name for name in names if len(request.args.getlist(name)) > 1]):
                problem = f"Duplicate parameter '{twice[0]}'."
            if problem is None:
                return await page(datasette, request)
            if request.path.endswith(".json"):
                return Response.json({"error": problem}, status=400)
            shown = {
                "message": problem,
                "heading": "The address has a parameter too many",
                "without": datasette.urls.path(request.path),
            }
            return Response.html(await datasette.render_template("no_place.html", shown, request=request), status=400)

        return wrapped

    return decorated
