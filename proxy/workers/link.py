"""A worker's connection to the keeper, which is made again whenever it ends.

The rule that lives here: the worker permits nothing while the keeper has announced something that
it has not applied. What was missed while there was no connection is not known, so that everything
is read anew after it.

Tested in `tests/proxy/workers/test_link.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from proxy.domain.errors import StoreUnavailable, Unreadable
from proxy.domain.lease import boottime
from proxy.processes.shared import ANNOUNCED, FRESH_UNTIL, SharedState
from proxy.store.protocols import Listener
from proxy.workers.channel import Channel, Message
from proxy.workers.codec import CALLS, bytes_of, to_changes

log = logging.getLogger("wardgate")

CONNECT: Final = 3.0
"""Seconds for which a call waits for the keeper, as one that is started again takes less."""
ANSWER: Final = 15.0
"""Seconds for which it waits for the answer: longer than the keeper waits for the store."""
RETRY: Final = 0.02
"""Seconds between two attempts to connect."""


class KeeperEnded(StoreUnavailable):
    """The process with the store has ended, whether or not it had done what it was asked for."""

    def __init__(self) -> None:
        super().__init__("the process with the store has ended")


class SharedLease:
    """Whether a worker may go by its records: it has applied all that the keeper has announced, and
    the keeper has its lease."""

    patience = CONNECT  # the keeper may have been killed before it told what it had announced
    __slots__ = ("_numbers", "_times", "applied")

    def __init__(self, state: SharedState) -> None:
        self._numbers = state.numbers
        self._times = state.times
        self.applied = -1
        """The number of the last message of the keeper that was applied."""

    def holds(self) -> bool:
        """Implements `Leasing`. It is asked at each request, and reads the cells themselves."""
        return self.applied == self._numbers[ANNOUNCED] and boottime() < self._times[FRESH_UNTIL]


class Link:
    """Asks the keeper, and applies what it tells."""

    def __init__(self, path: str, slot: int, state: SharedState) -> None:
        """`path` is that of the keeper's socket, and `slot` the one of this worker."""
        self.lease = SharedLease(state)
        self.listener: Listener = _ignore
        """Told of all changes, as a listener of the store is."""
        self.asked: Callable[[], None] = _ignore
        """Called where somebody waits until the requests under way have been looked at."""
        self.report: Callable[[], Any] = dict
        """What to tell the keeper when it asks how this worker does."""
        self.matched: Callable[[bytes, int, bytes], None] = _ignore
        """Called with what another worker has found to match (`matches`)."""
        self.seal_key = b""
        self._path = path
        self._slot = slot
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._channel: Channel | None = None
        self._welcome = asyncio.Event()
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises `StoreUnavailable`."""
        self._task = asyncio.create_task(self._stay_connected())
        await self._connected()

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._channel is not None:
            self._channel.close()

    @property
    def is_connected(self) -> bool:
        """Whether the keeper can be asked now."""
        return self._welcome.is_set()

    async def call(self, method: str, *arguments: Any) -> Any:
        """The answer to one of `codec.CALLS`. Raises `StoreUnavailable`, also where it is not known
        whether the keeper has done what it was asked for. Where a keeper ends that was to read
        something, the next one is asked."""
        call = CALLS[method]
        given = call.arguments.dump_python(arguments, mode="json")
        try:
            return call.decode(await self.ask(method, given))
        except KeeperEnded:
            if not call.reads:
                raise
        return call.decode(await self.ask(method, given))

    async def ask(self, method: str, given: Any) -> Any:
        """The same, of arguments and an answer in JSON."""
        channel = await self._connected()
        number = next(self._numbers)
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            channel.send("call", number, method, given)
            async with asyncio.timeout(ANSWER):
                return await answer
        except TimeoutError:
            raise StoreUnavailable("the process with the store does not answer") from None
        finally:
            del self._pending[number]

    def tell(self, *message: Any) -> None:
        """Tell the keeper something that has no answer; it is lost where there is no connection."""
        if self._channel is not None:
            self._channel.send(*message)

    # --- connection ---

    async def _connected(self) -> Channel:
        try:
            async with asyncio.timeout(CONNECT):
                await self._welcome.wait()
        except TimeoutError:
            raise StoreUnavailable("the process with the store cannot be reached") from None
        if self._channel is None:  # it has just ended
            raise KeeperEnded
        return self._channel

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._ended.clear()
            with suppress(OSError):
                await loop.create_unix_connection(
                    lambda: Channel(self._receive, self._opened, self._closed), self._path
                )
                await self._ended.wait()
            await asyncio.sleep(RETRY)

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.send("hello", self._slot, os.getpid())

    def _closed(self, _channel: Channel) -> None:
        self._channel = None
        self._welcome.clear()
        self._ended.set()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(KeeperEnded())

    # --- messages ---

    def _receive(self, channel: Channel, message: Message) -> None:
        match message:
            case ["answer", number, value]:
                self._answer(number, lambda answer: answer.set_result(value))
            case ["failed" | "unreadable" as how, number, text]:
                error = Unreadable(text) if how == "unreadable" else StoreUnavailable(text)
                self._answer(number, lambda answer: answer.set_exception(error))
            case ["changes", number, changes]:
                self._apply(number, lambda: self.listener(to_changes(changes)))
            case ["drop", number]:
                self._apply(number, lambda: self.listener(None))
            case ["matched", digest, key_id, stored]:
                self.matched(bytes_of(digest), key_id, bytes_of(stored))
            case ["settle"]:
                self.asked()
            case ["report", number]:
                channel.send("reported", number, self.report())
            case ["welcome", number, seal_key]:
                self.seal_key = bytes_of(seal_key)
                known = self.lease.applied >= 0
                self._apply(number, lambda: self.listener(None) if known else None)
                self._welcome.set()
            case _:
                raise ValueError(f"unknown message {message[:1]}")

    def _answer(self, number: int, give: Callable[[asyncio.Future[Any]], None]) -> None:
        answer = self._pending.get(number)
        if answer is not None and not answer.done():
            give(answer)

    def _apply(self, number: int, apply: Callable[[], None]) -> None:
        apply()
        self.lease.applied = number


def _ignore(*_: Any) -> None:
    """What nobody listens to."""
