"""/map/maplibre-gl.js and .css: the program that draws the map, from the installed package `maplibre`.

It is not in the repository; its licence (3-Clause BSD) is named in its first lines. Without the package `/map` has a
picture and a list.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from datasette import hookimpl
from datasette.utils.asgi import NotFound, Response

FILES = {"maplibre-gl.js": "text/javascript; charset=utf-8", "maplibre-gl.css": "text/css; charset=utf-8"}


@hookimpl
def startup(datasette):
    datasette._census_map_program = len(library()) == len(FILES)


@hookimpl
def register_routes():
    return [(r"^/map/(?P<file>maplibre-gl\.(?:js|css))$", script)]


@cache
def library() -> dict[str, bytes]:
    """The files of MapLibre GL by name; fewer where its package is not installed."""
    package = importlib.util.find_spec("maplibre")
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(package.submodule_search_locations[0]) / "srcjs"
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


async def script(request):
    name = request.url_vars["file"]
    if name not in library():
        raise NotFound("The program of the map is not installed: make map does it.")
    etag = f'W/"{hashlib.sha256(library()[name]).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "public, max-age=86400"}
    if etag in (request.headers.get("if-none-match") or ""):
        return Response("", status=304, headers=headers)
    return Response(library()[name].decode(), headers=headers, content_type=FILES[name])
