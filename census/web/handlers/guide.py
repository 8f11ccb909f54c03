"""Serve the guide at `/guide/` where no Caddy does.

It is the folder that `make docs` makes, `site/` or what GUIDE names.
"""

import mimetypes
import os
from pathlib import Path
from urllib.parse import unquote

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

ROOT = Path(__file__).resolve().parents[3]
MISSING = "The guide has no such page."
NOT_MADE = "The guide is not made here: make docs makes it, and make serve does too."


async def redirect(datasette: Datasette) -> Response:
    """Redirect to the guide's first page."""
    return Response.redirect(datasette.urls.path("/guide/"), status=301)


async def page(datasette: Datasette, request: Request) -> Response:
    """Return a file of the guide; a folder's index.html for the folder."""
    folder = Path(os.environ.get("GUIDE") or ROOT / "site").resolve()
    try:
        file = (folder / unquote(request.url_vars["path"])).resolve()
        within = file.is_relative_to(folder)
        if within and file.is_dir():
            if not request.path.endswith("/"):
                return Response.redirect(request.path + "/")
            file = file / "index.html"
        there = within and file.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a null
        there = False
    if not there:
        message = MISSING if (folder / "index.html").is_file() else NOT_MADE
        shown = {"message": message, "heading": "There is no such page here"}
        html = await datasette.render_template("no_place.html", shown, request=request)
        return Response.html(html, status=404)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/json":
        kind += "; charset=utf-8"
    return Response(file.read_bytes(), content_type=kind, headers={"cache-control": "public, max-age=3600"})
