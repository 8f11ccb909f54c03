"""Answer from no other census.db than the one that was verified when the server began.

SQLite opens a database by its name, and the server opens it more than once: for each thread, and for each process that
runs SQL. A file that was put in its place meanwhile, or written into, is another database, which nobody verified, and
its figures would go out under the old entity tag. So nothing is answered from then on but 503, until a restart.
"""

import json
import os
import re

from census.web.asgi import App, Message, Receive, Scope, Send, Wrapper
from census.web.state import FileId, Site

WITHOUT_FIGURES = re.compile(r"/-/(?:health|ready)|/(?:-/)?static(?:-plugins)?/.*|/robots\.txt|/guide(?:/.*)?")
REPLACED = "census.db was replaced or changed since this server began, and was not verified: restart the server."


def remember(site: Site) -> None:
    """Keep which file census.db is, before it is verified."""
    census = site.datasette.databases.get("census")
    site.file = None if census is None or census.path is None else file_of(census.path)


def file_of(path: str) -> FileId:
    """Return what tells a file from another, and from itself when something was written into it. Raises OSError."""
    about = os.stat(path)
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def is_same(site: Site) -> bool:
    """Return whether census.db is the file that was verified. So is one that is gone: connections have it open."""
    try:
        return site.file is None or file_of(site.datasette.databases["census"].path) == site.file
    except OSError:
        return True


def same_file(site: Site) -> Wrapper:
    """Return the middleware. It looks before a request is worked on, and again before it is answered."""

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or WITHOUT_FIGURES.fullmatch(scope["path"]):
                return await app(scope, receive, send)
            if not is_same(site):
                return await refuse(send)
            refused = False

            async def sending(message: Message) -> None:
                nonlocal refused
                if message["type"] == "http.response.start" and not is_same(site):
                    refused = True
                    await refuse(send)
                if not refused:
                    await send(message)

            return await app(scope, receive, sending)

        return wrapped

    return wrap


async def refuse(send: Send) -> None:
    """Answer 503, which no cache keeps."""
    body = json.dumps({"ok": False, "error": REPLACED, "status": 503}).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
