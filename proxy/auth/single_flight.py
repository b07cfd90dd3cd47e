"""One run for all callers that need the same thing at the same time.

The rule that lives here: a run is forgotten by its own task, in the step in which it ends. Were it
forgotten by a done-callback, a caller between the two would find a run that is over. To await that
does not yield to the event loop, so a caller that tries again in a loop would stop the event loop
for ever, and the callback with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """The runs under way, by key."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._running

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, key: K, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the run for `key`, which is started with `start` where none is under way.

        A caller that is cancelled does not stop the run, since others may wait for it. Raises what
        the run raises, for each caller.
        """
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._run(key, start))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _run(self, key: K, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await start()
        finally:
            del self._running[key]


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark an exception as retrieved: asyncio would report it where no caller waits any more."""
    if not task.cancelled():
        task.exception()
