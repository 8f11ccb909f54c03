"""Serve the program that draws the map, MapLibre GL, from the installed package `maplibre`.

It is at /map/maplibre-gl.js and .css. It is not in the repository; its licence (3-Clause BSD) is named in its first
lines. Without the package `/map` has a picture and a list.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from datasette.utils.asgi import NotFound, Request, Response

FILES = {"maplibre-gl.js": "text/javascript; charset=utf-8", "maplibre-gl.css": "text/css; charset=utf-8"}


def version() -> str | None:
    """Return what tells the installed program from others; None where its package is missing."""
    files = library()
    return files["maplibre-gl.js"][1] if len(files) == len(FILES) else None


@cache
def library() -> dict[str, tuple[str, str]]:
    """Return the files of MapLibre GL by name, each with what tells it from others.

    There are fewer where its package is missing.
    """
    package = importlib.util.find_spec("maplibre")
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(package.submodule_search_locations[0]) / "srcjs"
    texts = {name: (folder / name).read_text("utf-8") for name in FILES if (folder / name).is_file()}
    version = hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:12]
    return {name: (text, version) for name, text in texts.items()}


async def script(request: Request) -> Response:
    """Send a file of MapLibre GL."""
    name = request.url_vars["file"]
    if name not in library():
        raise NotFound("The program of the map is not installed: make map does it.")
    text, version = library()[name]
    headers = {"etag": f'W/"{version}"', "cache-control": "public, max-age=86400"}
    if headers["etag"] in (request.headers.get("if-none-match") or ""):
        return Response("", status=304, headers=headers)
    return Response(text, headers=headers, content_type=FILES[name])
