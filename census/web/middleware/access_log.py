"""Keep no access log: its lines would hold postcodes."""

import logging

from census.web.asgi import App, Receive, Scope, Send


def without_access_log(app: App) -> App:
    """Return middleware that takes the handlers off uvicorn's access log as the server starts: it makes no line."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            access = logging.getLogger("uvicorn.access")
            access.handlers.clear()
            access.propagate = False
        await app(scope, receive, send)

    return wrapped
