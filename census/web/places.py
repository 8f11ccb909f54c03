"""Bound how many requests of a kind are worked on at once, and how many wait for their turn."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from api.asgi import Message, Send
from api.priority import give_way

Result = TypeVar("Result")

LATE_S = 10.0  # a reader who takes longer may lose its answer to one who waits


class Busy(Exception):
    """There is no place, and too many wait for one, or none came free in time."""


class Places:
    """Places for `at_once` requests, and a line of at most `waiting` that wait `wait_ms` each.

    unread: how many answers may wait for their readers. Beyond it every request waits, and the reader who has taken
    longest, at least `LATE_S`, is cut off for the next.
    """

    def __init__(self, at_once: int, waiting: int, wait_ms: float, unread: int) -> None:
        self.at_once, self.waiting, self.wait_s, self.most_unread = at_once, waiting, wait_ms / 1000, unread
        self.taken = self.unread = 0
        self.line: deque[asyncio.Future[None]] = deque()
        self.readers: dict[Send, tuple[float, Callable[[], None]]] = {}  # since when, and what cuts one off
        self.leaving: set[Send] = set()  # those who are cut off and still counted

    async def take(self) -> None:
        """Take a place. Raises Busy."""
        if self.free() and not self.line:
            self.taken += 1
            return
        if len(self.line) >= self.waiting:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line.append(turn)
        self.cut_off_late()
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
    def until_sent(
        self, send: Send, give_back: Callable[[], None] | None = None, cut_off: Callable[[], None] | None = None
    ) -> Iterator[Send]:
        """Give a `send` that gives the place back before it sends: who reads slowly keeps none. So does the end.

        cut_off: breaks the connection off.
        """
        give_back = give_back or self.give_back
        sent = ended = False
        timer: asyncio.TimerHandle | None = None

        async def sending(message: Message) -> None:
            nonlocal sent, timer
            if ended:  # cancelled, while another thread still works on it
                return
            if not sent:
                sent = True
                self.unread += 1
                if cut_off is not None:
                    self.readers[sending] = time.monotonic(), cut_off
                    timer = asyncio.get_running_loop().call_later(LATE_S + 0.1, self.cut_off_late)
                give_back()
            await send(message)

        try:
            yield sending
        finally:
            ended = True
            if timer is not None:
                timer.cancel()
            self.readers.pop(sending, None)
            self.leaving.discard(sending)
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

    def cut_off_late(self) -> None:
        """Cut off the reader who has taken longest, if it is late and one more waits because of it."""
        if len(self.line) > len(self.leaving) and self.readers and self.unread >= self.most_unread:
            longest = next(iter(self.readers))
            since, cut_off = self.readers[longest]
            if time.monotonic() - since >= LATE_S:
                del self.readers[longest]
                self.leaving.add(longest)
                cut_off()


class OneThread:
    """A thread for what takes long, one at a time; at most `waiting` wait for their turn, `wait_ms` each.

    Work that has not begun when its request is cancelled never begins.
    """

    def __init__(self, waiting: int = 64, wait_ms: float = 5000) -> None:
        self.places = Places(1, waiting, wait_ms, waiting)
        self.thread = ThreadPoolExecutor(1, initializer=give_way)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises Busy, and what `work` raises."""
        await self.places.take()
        loop = asyncio.get_running_loop()
        done = self.thread.submit(work)
        done.add_done_callback(lambda _: loop.call_soon_threadsafe(self.places.give_back))
        return await asyncio.wrap_future(done)
