"""Answer `/-/health` (the server answers), `/-/ready` (it has its database, and which) and `/robots.txt`.

/-/ready opens the database file anew and compares its digest with the one served. `?digest=` says which is expected: a
replica that has another one, of an older edition, is not ready. After SIGUSR1 a server goes on answering and is not
ready either, so that a proxy sends no more to it before it is stopped; with `?stopping=1`, which the proxy says for
those who ask it, that is no reason.
"""

import contextlib
import signal
import sqlite3

from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from api.asgi import Routes, WhenStarted
from sources.rows import Record

LOADED = "select publication, edition from publications where status not in ('left out', 'not loaded')"
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
def startup(datasette: Datasette) -> WhenStarted:
    async def read() -> None:
        datasette._draining = False
        with contextlib.suppress(ValueError):  # not the main thread, as in tests
            signal.signal(signal.SIGUSR1, lambda *_: setattr(datasette, "_draining", True))
        census = datasette.databases.get("census")
        if census is not None:
            datasette._census_digest = (await census.execute("select digest from edition")).first()[0]

    return read


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


def state(datasette: Datasette, expected: str, stopping: bool) -> Record:
    """Return the digest, hash and editions of the database, and the `reason` where it is not ready to answer from it.

    stopping: whether a server that is about to stop is ready.
    """
    census = datasette.databases.get("census")
    if census is None or census.path is None:
        return {"reason": "there is no census.db"}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{census.path}?mode=ro", uri=True)) as connection:
            [digest] = connection.execute("select digest from edition").fetchone()
            editions = dict(connection.execute(LOADED))
            indices = [row[0] for row in connection.execute("select id from indices order by id")]
    except sqlite3.Error as error:
        return {"reason": f"the database cannot be read: {type(error).__name__}"}
    told = {"digest": digest, "sha256": None if census.is_mutable else census.hash}
    told |= {"indices": indices, "editions": editions}
    if digest != datasette._census_digest:
        told["reason"] = "the file is no longer the database that is served: restart the server"
    elif not digest.startswith(expected):
        told["reason"] = f"the database is not the one that is expected, {expected[:64]}"
    elif datasette._draining and not stopping:
        told["reason"] = "the server is about to stop"
    return told


async def robots(datasette: Datasette) -> Response:
    """Answer what robots may read."""
    lists = "\n".join(f"Allow: {datasette.urls.path(f'/census/{name}')}$" for name in LISTS)
    return Response.text(ROBOTS.format(lists=lists), headers={"cache-control": "public, max-age=86400"})
