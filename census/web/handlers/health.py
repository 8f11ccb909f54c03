"""Answer `/-/health` (the server answers), `/-/ready` (it has its database, and which) and `/robots.txt`.

/-/ready opens the database file again and compares its digest with the one served. `?digest=` names the one that is
expected: a replica of an older edition is not ready. After SIGUSR1 a server goes on answering and is not ready either,
so that a proxy sends no more to it before it is stopped; `?stopping=1`, which the proxy adds for outside callers,
leaves that out.
"""

import contextlib
import signal
import sqlite3

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from census.domain.types import Record
from census.web.middleware.same_file import is_same
from census.web.sql.process import own_rows
from census.web.state import Site

LOADED = "select publication, edition from publications where status not in ('left out', 'not loaded') order by id"
NO_STORE = {"cache-control": "no-store"}
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


async def health() -> Response:
    """Answer that the server runs."""
    return Response.json({"ok": True}, headers=NO_STORE)


async def ready(datasette: Datasette, request: Request) -> Response:
    """Answer whether the server is ready to answer from the database expected."""
    state = readiness(Site.of(datasette), request.args.get("digest") or "", request.args.get("stopping") == "1")
    is_ready = not state.get("reason")
    return Response.json({"ready": is_ready, **state}, status=200 if is_ready else 503, headers=NO_STORE)


async def robots(datasette: Datasette) -> Response:
    """Answer what robots may read."""
    lists = "\n".join(f"Allow: {datasette.urls.path(f'/census/{name}')}$" for name in LISTS)
    return Response.text(ROBOTS.format(lists=lists), headers={"cache-control": "public, max-age=86400"})


async def remember(site: Site) -> None:
    """Keep the digest of the database, and note SIGUSR1: the server is about to stop."""
    with contextlib.suppress(ValueError):  # not the main thread, as in tests
        signal.signal(signal.SIGUSR1, lambda *_: setattr(site, "stopping", True))
    census = site.datasette.databases.get("census")
    if census is not None:
        site.digest = (await own_rows(census, "select digest from edition"))[0][0]


def readiness(site: Site, expected: str, stopping: bool) -> Record:
    """Return the digest, hash and editions of the database, and the `reason` where it is not ready to answer from it.

    expected: how the digest begins. stopping: whether a server that is about to stop is ready.
    """
    census = site.datasette.databases.get("census")
    if census is None or census.path is None:
        return {"reason": "there is no census.db"}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{census.path}?mode=ro", uri=True)) as connection:
            [digest] = connection.execute("select digest from edition").fetchone()
            editions = dict(connection.execute(LOADED))
            indices = [row[0] for row in connection.execute("select id from indices order by id")]
    except sqlite3.Error as error:
        return {"reason": f"the database cannot be read: {type(error).__name__}"}
    state = {"digest": digest, "sha256": None if census.is_mutable else census.hash}
    state |= {"indices": indices, "editions": editions}
    if digest != site.digest:
        state["reason"] = "the file is no longer the database that is served: restart the server"
    elif not is_same(site):
        state["reason"] = "the file was changed since the server began: restart the server, which then checks it"
    elif not digest.startswith(expected):
        state["reason"] = f"the database is not the one that is expected, {expected[:64]}"
    elif site.stopping and not stopping:
        state["reason"] = "the server is about to stop"
    return state
