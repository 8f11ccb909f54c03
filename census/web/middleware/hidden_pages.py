"""Hide the pages that are for whoever develops Datasette."""

from census.web.asgi import App, Receive, Scope, Send
from census.web.responses import problem, send_answer

HIDDEN = tuple(f"/-/{name}" for name in "threads messages allow-debug permissions patterns auth-token".split())
"""Pages of Datasette's that show its internals or take what is typed into them."""


def hide(app: App) -> App:
    """Return middleware that answers 404 to HIDDEN."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(HIDDEN):
            return await send_answer(scope, send, problem(404, "not_found", "There is no such page."), b"")
        return await app(scope, receive, send)

    return wrapped
