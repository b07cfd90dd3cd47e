"""bcrypt in threads: with a bounded queue, once for all requests that present the same pair.

The rule that lives here: the time of a refusal says nothing. A refusal waits for a floor (`floor`)
above the time of the most expensive hash, whichever hash the secret was compared with.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from proxy.auth.floor import Floor
from proxy.auth.password_hash import verify
from proxy.auth.single_flight import SingleFlight
from proxy.domain.errors import Busy
from proxy.domain.histogram import Histogram

TIMEOUT: Final = 10.0
"""Seconds that a credential waits for its bcrypt."""
_LOOKED_UP: Final = 0.002
"""Seconds that are allowed for the look-up of a key, found or not. It takes 0.1 ms."""


class Verifier:
    """A queue of credentials to be verified with bcrypt, and the threads that do it."""

    def __init__(self, threads: int, most: int) -> None:
        """At most `most` credentials wait or are being verified; one more raises `Busy`."""
        self._most = most
        self._threads = ThreadPoolExecutor(threads, "bcrypt", _yield_to_the_loop)
        self._waits = ThreadPoolExecutor(1, "floor")
        """One thread does, as refusals are due in the order in which they begin to wait."""
        self._running: SingleFlight[tuple[bytes, bytes], tuple[bool, float]] = SingleFlight()
        self.durations = Histogram()
        """How long each bcrypt took, without waiting for it."""
        self._floor = Floor()
        self._trial: asyncio.Future[None] | None = None

    async def matches(
        self,
        digest: bytes,
        secret: bytes,
        stored: bytes,
        matched: Callable[[], None],
        *,
        since: float = 0.0,
    ) -> bool:
        """Whether `stored` is a hash of `secret`, which belongs to the pair with this digest.

        `matched` is called once on a match, before any other caller can run. `since` is when the
        guess arrived, in monotonic seconds: the time of a refusal must not show what was looked up
        since then. Raises `Busy`.
        """
        pair = (digest, stored)
        if len(self._running) >= self._most and pair not in self._running:
            raise Busy("too many credentials wait to be verified")

        async def verified() -> tuple[bool, float]:
            loop = asyncio.get_running_loop()
            timed = await loop.run_in_executor(self._threads, _timed, secret, stored)
            self.durations.note(timed.seconds)
            if timed.matched:
                matched()
            return timed.matched, timed.began

        try:
            async with asyncio.timeout(TIMEOUT):
                right, began = await self._running.run(pair, verified)
        except TimeoutError:
            raise Busy("a credential waited too long to be verified") from None
        if not right:
            counted = max(began, since + _LOOKED_UP)
            await self.wait_until(counted + self._floor.seconds)
        return right

    async def wait_until(self, moment: float) -> None:
        """Wait until a monotonic time, in seconds. An event loop's timer would not do. It counts
        whole milliseconds from when it is set, so it ends a fraction of one after the time, and the
        fraction shows how much time was spent before. To look up a key that exists takes longer:
        that was 27 us in row `rank` of the benchmarks."""
        if moment > time.monotonic():
            await asyncio.get_running_loop().run_in_executor(self._waits, _sleep_until, moment)

    @property
    def waiting(self) -> int:
        """How many credentials wait or are being verified."""
        return len(self._running)

    async def measure_floor(self, rounds: int) -> None:
        """Measure the floor of refusals with a hash of this bcrypt cost, if that is due."""
        if self._trial is None and self._floor.is_due(rounds):
            self._trial = asyncio.ensure_future(self._try(rounds))
        if self._trial is not None:
            await asyncio.shield(
                self._trial
            )  # callers meanwhile must not return before the floor is set

    async def _try(self, rounds: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            timed = await loop.run_in_executor(self._threads, _timed, b"a trial", dummy(rounds))
            self._floor.note(rounds, time.monotonic() - timed.began)
        finally:
            self._trial = None

    def close(self) -> None:
        """Stop the threads."""
        for threads in (self._threads, self._waits):
            threads.shutdown(wait=False, cancel_futures=True)


def dummy(rounds: int) -> bytes:
    """A hash of this cost that no secret matches, for access keys that do not exist."""
    return b"$2b$%02d$" % rounds + b"." * 53


def spare_cores() -> int:
    """The number of threads that leaves one core to the event loop."""
    return max(1, (os.cpu_count() or 1) - 1)


class _Timed(NamedTuple):
    matched: bool
    began: float
    """Monotonic seconds."""
    seconds: float


def _timed(secret: bytes, stored: bytes) -> _Timed:
    began = time.monotonic()
    return _Timed(verify(secret, stored), began, time.monotonic() - began)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _yield_to_the_loop() -> None:
    """Lowest priority for a bcrypt thread (Linux: `nice` is per thread).

    One cost-10 hash beside the loop on one core took the p99 of warm requests from 0.18 to 2.8 ms;
    at nice 19 it is 0.11 ms.
    """
    if sys.platform == "linux":
        os.nice(19)
