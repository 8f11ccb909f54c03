"""Answer what takes long in a thread of its own, with an event loop of its own, so that lookups need not wait for it.

Datasette renders a page of a thousand rows in 0.4 s, GraphQL checks a query for as long, and neither lets another
request go on meanwhile. Here they do: Python switches to the thread of the lookups some thousand times a second.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from census.web.asgi import App, Message, Receive, Scope, Send, Wrapper
from census.web.concurrency.thread_priority import lower_thread_priority

Result = TypeVar("Result")
SWITCH_S = 0.0002  # Python's own is 0.005: a lookup needs the interpreter at each step of its statements


class SideLoop:
    """The thread and its loop, made when they are needed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop: asyncio.AbstractEventLoop | None = None

    def started(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which runs."""
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            sys.setswitchinterval(SWITCH_S)
            threading.Thread(target=self.run, args=(self.loop,), name=self.name, daemon=True).start()
        return self.loop

    @staticmethod
    def run(loop: asyncio.AbstractEventLoop) -> None:
        """Run the loop as long as the process runs."""
        lower_thread_priority()
        loop.run_forever()

    def wrap(self, app: App, takes_long: Callable[[str], bool]) -> App:
        """Return the ASGI application `app`; requests whose path `takes_long` are answered in the thread."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not takes_long(scope["path"]):
                return await app(scope, receive, send)
            here, there = asyncio.get_running_loop(), self.started()

            async def receive_here() -> Message:
                return await in_loop(receive(), here)

            async def send_here(message: Message) -> None:
                await in_loop(send(message), here)

            return await in_loop(app(scope, receive_here, send_here), there)

        return wrapped


async def in_loop(work: Awaitable[Result], loop: asyncio.AbstractEventLoop) -> Result:
    """Return the result of `work`, done in another thread's loop, with this request's context (its budget)."""

    async def done() -> Result:
        return await work

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(done(), loop))


def answer_in_side_loop(takes_long: Callable[[str], bool]) -> Wrapper:
    """Return the middleware. takes_long: whether a path takes long."""
    side = SideLoop("pages")
    return lambda app: side.wrap(app, takes_long)
