"""bcrypt, away from the event loop: in a bounded queue, once for all who ask for the same.

The rule that lives here: how long a refusal takes says nothing. What does not match leaves at a
floor above the time of the dearest hash, whichever hash it was held against.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from proxy.auth.password_hash import verify
from proxy.auth.single_flight import SingleFlight
from proxy.domain.model import Busy

TIMEOUT: Final = 10.0
"""Seconds that a credential waits for its bcrypt."""
_LOOKED_UP: Final = 0.002
"""Seconds in which the store has told of a key, whether there is one or not: it takes 0.1 ms."""
_MARGIN: Final = 1.5
"""Of the floor over the slowest of three trials: machines are noisy."""


class Verifier:
    """A queue of credentials that wait for their bcrypt, and the threads that do it."""

    def __init__(self, threads: int, most: int) -> None:
        """`most` credentials wait or are under way; another one is `Busy`."""
        self._most = most
        self._threads = ThreadPoolExecutor(threads, "bcrypt", _yield_to_the_loop)
        self._running: SingleFlight[tuple[bytes, bytes], tuple[bool, float]] = SingleFlight()
        self._floor = 0.0
        self._trial: asyncio.Future[None] | None = None
        self._dearest = 0

    async def matches(
        self,
        digest: bytes,
        secret: bytes,
        stored: bytes,
        matched: Callable[[], None],
        *,
        since: float = 0.0,
    ) -> bool:
        """Whether `secret`, of the pair with this digest, is the one behind `stored`.

        `matched` is called once, before anybody could ask again. `since` is when the guess came, in
        monotonic seconds: what was looked up since shall not be told by the time. Raises `Busy`.
        """
        pair = (digest, stored)
        if len(self._running) >= self._most and pair not in self._running:
            raise Busy("too many credentials wait to be verified")

        async def verified() -> tuple[bool, float]:
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(self._threads, _timed, secret, stored)
            if outcome[0]:
                matched()
            return outcome

        try:
            async with asyncio.timeout(TIMEOUT):
                right, began = await self._running.run(pair, verified)
        except TimeoutError:
            raise Busy("a credential waited too long to be verified") from None
        if not right:
            counted = max(began, since + _LOOKED_UP)
            await until(counted + self._floor)
        return right

    async def set_floor(self, rounds: int) -> None:
        """Have refusals leave no sooner than one against a hash of this bcrypt cost would."""
        if rounds > self._dearest:
            self._dearest = rounds
            self._trial = asyncio.ensure_future(self._try(rounds))
        if self._trial is not None:
            await asyncio.shield(self._trial)  # whoever comes meanwhile must not leave before it

    async def _try(self, rounds: int) -> None:
        loop, stored = asyncio.get_running_loop(), dummy(rounds)
        try:
            for _ in range(3):
                _, began = await loop.run_in_executor(self._threads, _timed, b"a trial", stored)
                self._floor = max(self._floor, _MARGIN * (time.monotonic() - began))
        finally:
            self._trial = None

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def until(moment: float) -> None:
    """Wait for the first whole millisecond behind a monotonic time. The loop counts in those, and
    rounds what it is told to wait from where it is: that would tell what was done before."""
    whole = math.ceil(moment * 1000) / 1000
    await asyncio.sleep(whole - asyncio.get_running_loop().time())


def dummy(rounds: int) -> bytes:
    """A hash of this cost that no secret is behind, for names that nobody has."""
    return b"$2b$%02d$" % rounds + b"." * 53


def spare_cores() -> int:
    """Threads that leave the event loop a core."""
    return max(1, (os.cpu_count() or 1) - 1)


def _timed(secret: bytes, stored: bytes) -> tuple[bool, float]:
    began = time.monotonic()
    return verify(secret, stored), began


def _yield_to_the_loop() -> None:
    """Lowest priority for a bcrypt thread (Linux: `nice` is per thread).

    One cost-10 hash beside the loop on one core took the p99 of warm requests from 0.18 to 2.8 ms;
    at nice 19 it is 0.11 ms.
    """
    if sys.platform == "linux":
        os.nice(19)
