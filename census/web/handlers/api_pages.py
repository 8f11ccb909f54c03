"""Show the routes of the API, and those of the RCPCH Census Platform, from their OpenAPI documents."""

import re

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.web.api.routes import NO_DATABASE, rcpch_bases
from census.web.parameters import takes
from census.web.state import Site


def rcpch_pattern(datasette: Datasette) -> str:
    """Return a regular expression of the base paths of the RCPCH Census Platform's routes."""
    return "|".join(map(re.escape, rcpch_bases(datasette)))


@takes()
async def v1(datasette: Datasette, request: Request) -> Response:
    """Show the API's routes."""
    context = {"api": Site.of(datasette).api.document}
    return Response.html(await datasette.render_template("api.html", context, request=request))


async def rcpch(datasette: Datasette, request: Request) -> Response:
    """Show the routes of the RCPCH Census Platform at a base path."""
    api = Site.of(datasette).api
    base = api.base_url + request.url_vars["base"]
    if api.v1 is None:
        return Response.json({"detail": NO_DATABASE}, status=503)
    context = {"api": api.rcpch_documents[base], "base": base}
    return Response.html(await datasette.render_template("rcpch_api.html", context, request=request))
