"""Answer `/-/health` (the server answers), `/-/ready` (it has its database, and which) and `/robots.txt`.

/-/ready opens the database file anew and compares its digest with the one served. `?digest=` says which is expected: a
replica that has another one, of an older edition, is not ready. After SIGUSR1 a server goes on answering and is not
ready either, so that a proxy sends no more to it before it is stopped; with `?stopping=1`, which the proxy says for
those who ask it, that is no reason.
"""

from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.web.asgi import Routes
from census.web.handlers.readiness import state

NOT_KEPT = {"cache-control": "no-store"}
ROBOTS = """User-agent: *
Allow: /$
Allow: /guide
Allow: /download$
Allow: /api/v1$
Allow: /census$
Allow: /spreadsheet$
Allow: /map$
Allow: /local-authority/
Allow: /health-geography/
{lists}
Disallow: /
"""
LISTS = "lsoas_2011 lsoas_2021 data_zones_2011 soas_2001 local_authorities green_space indices publications".split()


@hookimpl
def register_routes() -> Routes:
    return [(r"^/-/health$", health), (r"^/-/ready$", ready), (r"^/robots\.txt$", robots)]


async def health() -> Response:
    """Answer that the server runs."""
    return Response.json({"ok": True}, headers=NOT_KEPT)


async def ready(datasette: Datasette, request: Request) -> Response:
    """Answer whether the server is ready to answer from the database expected."""
    status, told = 200, state(datasette, request.args.get("digest") or "", request.args.get("stopping") == "1")
    if told.get("reason"):
        status = 503
    return Response.json({"ready": status == 200, **told}, status=status, headers=NOT_KEPT)


async def robots(datasette: Datasette) -> Response:
    """Answer what robots may read."""
    lists = "\n".join(f"Allow: {datasette.urls.path(f'/census/{name}')}$" for name in LISTS)
    return Response.text(ROBOTS.format(lists=lists), headers={"cache-control": "public, max-age=86400"})
