"""Serve the program that draws the map, from the installed package `maplibre`.

It is at /map/maplibre-gl.js and .css. It is not in the repository; its licence (3-Clause BSD) is named in its first
lines. Without the package `/map` has a picture and a list.
"""

from datasette import hookimpl
from datasette.utils.asgi import NotFound, Request, Response

from census.web.asgi import Routes
from census.web.handlers.map_program import FILES, library


@hookimpl
def register_routes() -> Routes:
    return [(r"^/map/(?P<file>maplibre-gl\.(?:js|css))$", script)]


async def script(request: Request) -> Response:
    """Send a file of MapLibre GL."""
    if request.url_vars["file"] not in library():
        raise NotFound("The program of the map is not installed: make map does it.")
    text, version = library()[request.url_vars["file"]]
    headers = {"etag": f'W/"{version}"', "cache-control": "public, max-age=86400"}
    if headers["etag"] in (request.headers.get("if-none-match") or ""):
        return Response("", status=304, headers=headers)
    return Response(text, headers=headers, content_type=FILES[request.url_vars["file"]])
