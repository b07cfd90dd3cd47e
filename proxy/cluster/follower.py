"""A node that follows the changes of a shared store.

The rule that lives here: the lease is extended by a beat alone, from the moment before it was sent,
and only once all that it told has been applied. A hint makes the node ask at once, but extends
nothing. A failure only makes it ask again: what ends the lease is the clock.

Tested in `tests/proxy/cluster/test_follower.py` and `tests/proxy/cluster/test_two_nodes.py`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.cluster.settling import Settles
from proxy.cluster.sightings import Sightings
from proxy.domain.errors import StoreUnavailable
from proxy.domain.lease import Lease, boottime, gone_after
from proxy.store.feed import Feed, NodeIdentity
from proxy.store.protocols import StoreError

log = logging.getLogger("wardgate")

FIRST_RETRY: Final = 0.05
LAST_RETRY: Final = 1.0
"""Seconds after a failure: they double from the first to the last."""
JUMP: Final = 1.0
"""Seconds by which the time of day may jump: after more, the machine may have been stopped together
with its clocks, as a virtual machine is."""
FIRST_LOOK: Final = 0.002
LAST_LOOK: Final = 1.0
"""Seconds after which requests are looked at again that could not be decided at once, while
somebody waits for that: they double from the first to the last."""
_RETRY_JOIN: Final = 0.5
"""Seconds after which a name is tried again that another node has."""


class Follower:
    """Keeps the lease of a node, and has what others changed applied."""

    def __init__(
        self,
        feed: Feed,
        node: NodeIdentity,
        period: float,
        settles: Settles,
        *,
        clock: Callable[[], float] = boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`period`: seconds between two beats."""
        self.lease = Lease(node.lease, clock)
        self.sightings = Sightings(clock)
        self.settled = 0
        """The last change by which all requests go that are under way, as it was told last."""
        self._settles = settles
        self._owed: int | None = None
        """The change for which somebody waits until requests are looked at."""
        self._pause = FIRST_LOOK
        self._feed = feed
        self._node = node
        self._period = period
        self._clock = clock
        self._wall = wall
        self._due = clock()
        self._offset = wall() - clock()
        self._failing = self._ended = False
        self.beats = {"answered": 0, "failed": 0}
        """How many there were so far."""

    @property
    def revision(self) -> int:
        """The last change of the store that this node goes by."""
        return self._feed.applied

    async def start(self) -> None:
        """Become a node of the store. Where another one has the name and may be alive, wait until
        it cannot be. Raises `StoreError`."""
        try:
            if not await self._feed.join(self._node):
                await self._await_name()
            await self._beat()
            others = await self._feed.leases() - {self._node.lease}
        except StoreUnavailable as error:
            raise StoreError(str(error)) from None
        if others:
            text = "other nodes have leases of %s s: set cluster.lease to the same on all nodes"
            log.warning(text, ", ".join(f"{each:g}" for each in sorted(others)))

    async def _await_name(self) -> None:
        """Whoever has the name has a lease, too, which is over once its beats have stood still for
        as long by our clock, however much the two differ in rate."""
        name = self._node.name
        seen, lease = await self._feed.last_beat(name) or (None, 0.0)
        wait = gone_after(lease)
        until = self._clock() + wait
        log.warning("a node named %s may still be alive: waiting for up to %.0f s", name, wait)
        while self._clock() < until:
            await asyncio.sleep(_RETRY_JOIN)
            if await self._feed.join(self._node):
                return
            if await self._feed.last_beat(name) != (seen, lease):
                raise StoreError(f"another node is named {name}: set cluster.name")
        if not await self._feed.join(self._node, after=seen):
            raise StoreError(f"another node is named {name}: set cluster.name")

    async def run(self) -> None:
        """Follow until it is cancelled."""
        retry = FIRST_RETRY
        while True:
            try:
                await self._step()
                retry = FIRST_RETRY
            except Exception as error:  # whatever it is, it ends the lease alone
                self.beats["failed"] += 1
                self._say(error)
                await asyncio.sleep(retry * random.uniform(0.5, 1))  # noqa: S311 - no secret
                retry = min(2 * retry, LAST_RETRY)

    def _say(self, error: Exception) -> None:
        """Log the first failure, and the one at which the lease has ended: its cause may be another
        one, and administrators get no other answer than 503 from then on."""
        known, ended = isinstance(error, StoreUnavailable), not self.lease.holds()
        if ended and not self._ended:
            text = "%s; the lease has ended: nothing is permitted until the store is followed again"
            log.error(text, error, exc_info=not known)
        elif not self._failing:
            text = "%s; keys work until the lease ends, in %.0f s"
            log.warning(text, error, self.lease.remaining, exc_info=not known)
        self._failing, self._ended = True, ended

    async def _step(self) -> None:
        """Wait for a hint or the time of the next beat, and ask."""
        feed = self._feed
        wait = max(0.0, self._due - self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(wait if self._owed is None else min(wait, self._pause)):
                await feed.hints.wait()
        if self._clock() >= self._due:
            await self._beat()
            return
        if feed.hints.is_set():
            feed.hints.clear()
            asked = feed.asked.is_set()
            feed.asked.clear()
            await feed.pull()
            if asked:
                self._owed, self._pause = feed.applied, FIRST_LOOK
        if self._owed is not None:
            await self._settle(min(self._owed, feed.applied))

    async def _settle(self, owed: int) -> None:
        """Look at requests, and beat once all have been: somebody waits for that."""
        if self._settles.settle(self._feed.applied) >= owed:
            self._owed = None
            await self._beat()
        else:
            self._pause = min(2 * self._pause, LAST_LOOK)

    async def _beat(self) -> None:
        self._look_at_the_time()
        sent, settled = self._clock(), self._settles.settle(self._feed.applied)
        if await self._feed.beat(settled):
            self.settled = settled
            if self._look_at_the_time():
                return  # the answer may have waited as long: ask again at once
            self.lease.extend(sent)
            self.beats["answered"] += 1
            if self._failing:
                log.warning("the store is followed again")
            self._failing = self._ended = False
        elif not await self._feed.join(self._node):
            raise StoreUnavailable(f"the store has another node named {self._node.name}")
        self._due = sent + self._period * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        asked = self._clock()
        self.sightings.note(await self._feed.nodes(), asked)

    def _look_at_the_time(self) -> bool:
        """End the lease where the time of day has jumped against the clock of the lease. Returns
        whether it has."""
        offset = self._wall() - self._clock()
        jump, self._offset = offset - self._offset, offset
        if abs(jump) <= JUMP:
            return False
        log.warning("the time of day has jumped by %.1f s", jump)
        self.lease.end()
        return True

    async def stop(self) -> None:
        """Leave the store's nodes."""
        self.lease.end()
        await self._feed.leave()
