"""Tell nobody where on the machine a file lies, and show no page that is for whoever develops Datasette."""

import functools
from pathlib import Path
from typing import Any

from datasette.app import Datasette

from census.web.asgi import App, Receive, Scope, Send
from census.web.responses import problem, send_answer

HIDDEN = ("threads", "messages", "allow-debug", "permissions", "patterns", "auth-token")
"""Datasette's own pages below /-/ that show its inside or take what is typed into them."""


def apply() -> None:
    """Let /-/databases.json name files without their folders. Before Datasette makes its routes."""
    listed = Datasette._connected_databases
    if hasattr(listed, "__wrapped__"):
        return

    @functools.wraps(listed)
    def without_folders(self: Datasette) -> list[dict[str, Any]]:
        databases: list[dict[str, Any]] = listed(self)
        return [one | {"path": one["path"] and Path(one["path"]).name} for one in databases]

    Datasette._connected_databases = without_folders


def hide(app: App) -> App:
    """Return middleware that answers 404 to HIDDEN."""
    hidden = tuple(f"/-/{name}" for name in HIDDEN)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(hidden):
            return await send_answer(scope, send, problem(404, "not_found", "There is no such page."), b"")
        return await app(scope, receive, send)

    return wrapped
