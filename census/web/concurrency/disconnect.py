"""Stop working for a client that has gone."""

import asyncio
import contextlib
import warnings
from collections.abc import Coroutine
from typing import Any

from census.web.asgi import Message, Receive

DROPPED = r"coroutine '(Database\.table_exists|TableView\.|\w*Facet\.)"


def ignore_dropped_coroutines() -> None:
    """Silence warnings of coroutines that Datasette makes for a table before it needs them.

    It awaits them one after the other, so those after the one that is cancelled are never begun.
    """
    warnings.filterwarnings("ignore", f"{DROPPED}.*was never awaited", RuntimeWarning)


async def until_gone(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do `work`, or cancel it when the client hangs up. The request has been read; `receive` gives nothing more."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        working.cancel()
        gone.cancel()


async def disconnected(receive: Receive) -> None:
    """Return when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def read_already(body: bytes) -> Receive:
    """Return a `receive` for a request that has been read: its body, then nothing, for ever."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
