"""Bound how many requests of a kind are processed at once, and how many wait."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from census.web.asgi import Message, Send
from census.web.concurrency.thread_priority import lower_thread_priority

Result = TypeVar("Result")

LATE_S = 3.0  # a reader who takes longer may lose its answer to one who waits
LOOKS = 3  # how often it is looked at in that time, after the first time
SLOW = 64_000  # bytes a second: a faster one loses it only where all have taken long


class Reader(Protocol):
    """The connection of a client that reads an answer."""

    def read_bytes(self) -> int:
        """Return how many bytes it has read."""

    def is_waited_for(self) -> bool:
        """Return whether there is something that it has not read."""

    def abort(self) -> None:
        """Break it off."""


class Reading:
    """An answer that is read: how much of it by when, at the last looks."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.looked = 0
        self.looks: deque[tuple[float, int]] = deque(maxlen=LOOKS)

    def look(self) -> None:
        """Keep how much was read by now."""
        self.looked += 1
        self.looks.append((time.monotonic(), self.reader.read_bytes()))

    def is_late(self) -> bool:
        """Return whether it has taken long, and still has something to read."""
        return self.looked > LOOKS and self.reader.is_waited_for()

    def rate(self) -> float:
        """Return how many bytes a second a late one has read lately: what the system took at first says little."""
        then, before = self.looks[0]
        return (self.reader.read_bytes() - before) / (time.monotonic() - then)


class Busy(Exception):
    """There is no slot, and too many requests wait for one, or none came free in time."""


class Slots:
    """Slots for `at_once` requests, and a queue of at most `waiting` that wait `wait_ms` each.

    unread: how many answers may wait for their readers. Beyond it every request waits, and of the readers who have
    taken at least `LATE_S` the one who has read least lately is cut off for the next. One who reads more than `SLOW` is
    so only where all have taken long, or the next has waited long.
    """

    def __init__(self, at_once: int, waiting: int, wait_ms: float, unread: int) -> None:
        self.at_once, self.waiting, self.wait_s, self.most_unread = at_once, waiting, wait_ms / 1000, unread
        self.taken = self.unread = 0
        self.line: deque[tuple[asyncio.Future[None], float]] = deque()  # and since when each waits
        self.readers: dict[Send, Reading] = {}
        self.leaving: set[Send] = set()  # those who are cut off and still counted

    async def take(self) -> None:
        """Take a slot. Raises Busy."""
        if self.free() and not self.line:
            self.taken += 1
            return
        if len(self.line) >= self.waiting:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = turn, time.monotonic()
        self.line.append(waiting)
        try:
            self.cut_off_late()
            await asyncio.wait_for(asyncio.shield(turn), self.wait_s)
        except BaseException as error:
            if turn.done():
                self.give_back()  # it came just now
            else:
                self.line.remove(waiting)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    @contextmanager
    def until_sent(
        self, send: Send, give_back: Callable[[], None] | None = None, reader: Reader | None = None
    ) -> Iterator[Send]:
        """Give a `send` that releases the slot before it sends, so that a slow reader keeps none. So does the end."""
        give_back = give_back or self.give_back
        sent = ended = False
        timer: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal timer
            timer = asyncio.get_running_loop().call_later(LATE_S / LOOKS, look)
            if sending in self.readers:
                self.readers[sending].look()
                self.cut_off_late()

        async def sending(message: Message) -> None:
            nonlocal sent
            if ended:  # cancelled, while another thread still works on it
                return
            if not sent:
                sent = True
                self.unread += 1
                give_back()
                if reader is not None:
                    self.readers[sending] = Reading(reader)
                    look()
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
        """Release a slot."""
        self.taken -= 1
        self.call_next()
        self.cut_off_late()

    def free(self) -> bool:
        """Return whether there is a slot."""
        return self.taken < self.at_once and self.unread < self.most_unread

    def call_next(self) -> None:
        """Give free slots to the first in the queue."""
        while self.line and self.free():
            self.taken += 1
            turn, _ = self.line.popleft()
            turn.set_result(None)

    def cut_off_late(self) -> None:
        """Cut off the slowest of the readers who are late, if one more waits because of them."""
        needed = min(len(self.line), self.at_once - self.taken)
        if self.unread < self.most_unread or needed <= len(self.leaving):
            return
        late = {send: reading for send, reading in self.readers.items() if reading.is_late()}
        if not late:
            return
        slowest = min(late, key=lambda send: late[send].rate())
        _, since = self.line[0]
        if late[slowest].rate() >= SLOW and len(late) < len(self.readers) and time.monotonic() - since < LATE_S:
            return  # those who came since may read less
        del self.readers[slowest]
        self.leaving.add(slowest)
        late[slowest].reader.abort()


class OneThread:
    """A thread for what takes long, one at a time; at most `waiting` wait for their turn, `wait_ms` each.

    Work that has not begun when its request is cancelled never begins.
    """

    def __init__(self, waiting: int = 64, wait_ms: float = 5000) -> None:
        self.slots = Slots(1, waiting, wait_ms, waiting)
        self.thread = ThreadPoolExecutor(1, initializer=lower_thread_priority)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises Busy, and what `work` raises."""
        await self.slots.take()
        loop = asyncio.get_running_loop()
        done = self.thread.submit(work)
        done.add_done_callback(lambda _: loop.call_soon_threadsafe(self.slots.give_back))
        return await asyncio.wrap_future(done)

    def until_sent(self, send: Send, reader: Reader | None) -> AbstractContextManager[Send]:
        """Give a `send` for what was worked on: at most `waiting` answers wait for their readers."""
        return self.slots.until_sent(send, lambda: None, reader)
