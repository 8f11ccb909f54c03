"""Tell whether a server is ready to answer from the database that it began with."""

import contextlib
import signal
import sqlite3

from datasette.app import Datasette

from census.domain.types import Record
from census.web.middleware.same_file import is_same
from census.web.sql.process import own_rows

LOADED = "select publication, edition from publications where status not in ('left out', 'not loaded') order by id"


async def begin(datasette: Datasette) -> None:
    """Keep the digest of the database, and note SIGUSR1: the server is about to stop."""
    datasette._draining = False
    with contextlib.suppress(ValueError):  # not the main thread, as in tests
        signal.signal(signal.SIGUSR1, lambda *_: setattr(datasette, "_draining", True))
    census = datasette.databases.get("census")
    if census is not None:
        datasette._census_digest = (await own_rows(census, "select digest from edition"))[0][0]


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
    elif not is_same(datasette):
        told["reason"] = "the file was changed since the server began: restart the server, which then checks it"
    elif not digest.startswith(expected):
        told["reason"] = f"the database is not the one that is expected, {expected[:64]}"
    elif datasette._draining and not stopping:
        told["reason"] = "the server is about to stop"
    return told
