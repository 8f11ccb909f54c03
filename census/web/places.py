"""Bound how many requests of a kind are worked on at once, and how many wait for their turn."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from api.asgi import Message, Send


class Busy(Exception):
    """There is no place, and too many wait for one, or none came free in time."""


class Places:
    """Places for `at_once` requests, and a line of at most `waiting` that wait `wait_ms` each.

    unread: how many answers may wait for their readers; beyond it every request waits.
    """

    def __init__(self, at_once: int, waiting: int, wait_ms: float, unread: int) -> None:
        self.at_once, self.waiting, self.wait_s, self.most_unread = at_once, waiting, wait_ms / 1000, unread
        self.taken = self.unread = 0
        self.line: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Take a place. Raises Busy."""
        if self.free() and not self.line:
            self.taken += 1
            return
        if len(self.line) >= self.waiting:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line.append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self.wait_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done():
                self.give_back()  # it came just now
            else:
                self.line.remove(turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    @contextmanager
    def until_sent(self, send: Send, give_back: Callable[[], None] | None = None) -> Iterator[Send]:
        """Give a `send` that gives the place back before it sends: who reads slowly keeps none. So does the end."""
        give_back = give_back or self.give_back
        sent = ended = False

        async def sending(message: Message) -> None:
            nonlocal sent
            if ended:  # cancelled, while another thread still works on it
                return
            if not sent:
                sent = True
                self.unread += 1
                give_back()
            await send(message)

        try:
            yield sending
        finally:
            ended = True
            if sent:
                self.unread -= 1
                self.call_next()
            else:
                give_back()

    def give_back(self) -> None:
        """Give a place back."""
        self.taken -= 1
        self.call_next()

    def free(self) -> bool:
        """Return whether there is a place."""
        return self.taken < self.at_once and self.unread < self.most_unread

    def call_next(self) -> None:
        """Give free places to the first in the line."""
        while self.line and self.free():
            self.taken += 1
            self.line.popleft().set_result(None)
