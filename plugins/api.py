"""Show the routes of the API, and those of the RCPCH Census Platform, from their OpenAPI documents."""

import re

from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.web.api.routes import NO_DATABASE, Api, rcpch_bases
from census.web.asgi import Routes
from census.web.parameters import takes


@hookimpl
def register_routes(datasette: Datasette) -> Routes:
    bases = "|".join(map(re.escape, rcpch_bases(datasette)))
    return [(r"^/api/v1/?$", page), (rf"^(?P<base>{bases})/swagger-ui/?$", rcpch_page)]


@takes()
async def page(datasette: Datasette, request: Request) -> Response:
    """Show the API's routes, from the OpenAPI document."""
    api = Api.of(datasette)
    return Response.html(await datasette.render_template("api.html", {"api": api.document}, request=request))


async def rcpch_page(datasette: Datasette, request: Request) -> Response:
    """Show the routes of the RCPCH Census Platform at a base path, from their OpenAPI document."""
    api = Api.of(datasette)
    base = api.base_url + request.url_vars["base"]
    if api.v1 is None:
        return Response.json({"detail": NO_DATABASE}, status=503)
    schema = {"api": api.rcpch_documents[base], "base": base}
    return Response.html(await datasette.render_template("rcpch_api.html", schema, request=request))
