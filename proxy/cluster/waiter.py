"""Waits until a change holds on all nodes, including for the requests that were under way.

Tested in `tests/proxy/cluster/test_waiter.py` and `tests/proxy/cluster/test_acknowledged.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from proxy.cluster.sightings import NodeStatus, Sightings, everywhere
from proxy.store.feed import NodeRow

FIRST_LOOK: Final = 0.003
LAST_LOOK: Final = 0.25
"""Seconds between two looks: they double from the first to the last."""
ASK_AGAIN: Final = 0.25
"""Seconds after which all nodes are asked again for the same change, or an earlier one: each time,
all of them look at their requests and write a beat."""
MOST_WAITING: Final = 64
"""Who wait at the same time. Others are told at once how far the nodes are."""


class Roll(Protocol):
    """Where all nodes are written down."""

    async def nodes(self) -> Sequence[NodeRow]:
        """All nodes, by name. Raises `StoreUnavailable`."""
        ...

    async def ask_to_settle(self) -> None:
        """Have all nodes look at once how far they are, and tell. It may get lost. Raises
        `StoreUnavailable`."""
        ...


class Waiter:
    """Of one node, which others ask how far all are."""

    def __init__(
        self, roll: Roll, sightings: Sightings, beat: float, *, shared: bool = True
    ) -> None:
        """`beat`: seconds between two beats of a node. `shared`: whether there may be others."""
        self.beat = beat
        self.shared = shared
        self._roll = roll
        self._sightings = sightings
        self._ended = asyncio.Event()
        self._waiting = 0
        self._asked_for, self._asked_at = -1, 0.0
        """The last change for which all nodes were asked, and when."""

    async def nodes(self) -> list[NodeStatus]:
        """All nodes. Raises `StoreUnavailable`."""
        await self._read()
        return self._sightings.nodes()

    async def wait(self, revision: int, seconds: float) -> list[NodeStatus]:
        """How far each node is with a change that is committed, once it holds everywhere or so many
        seconds have passed. Raises `StoreUnavailable`."""
        found = await self._look(revision)
        if everywhere(found):
            return found
        await self._ask(revision)
        if seconds <= 0 or self._waiting >= MOST_WAITING:
            return found
        self._waiting += 1
        try:
            return await self._until_everywhere(revision, seconds)
        finally:
            self._waiting -= 1

    async def _until_everywhere(self, revision: int, seconds: float) -> list[NodeStatus]:
        found, pause = await self._look(revision), FIRST_LOOK
        time = asyncio.get_running_loop().time
        until = time() + seconds
        while not (everywhere(found) or self._ended.is_set()) and (left := until - time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), min(pause, left))
            pause = min(2 * pause, LAST_LOOK)
            found = await self._look(revision)
        return found

    async def _ask(self, revision: int) -> None:
        now = asyncio.get_running_loop().time()
        if revision > self._asked_for or now - self._asked_at >= ASK_AGAIN:
            self._asked_for, self._asked_at = max(revision, self._asked_for), now
            await self._roll.ask_to_settle()

    async def _look(self, revision: int) -> list[NodeStatus]:
        # Read after the wait has begun: a node that is not among them, or has a later beat, began
        # or went on with what was committed before.
        await self._read()
        return self._sightings.nodes(revision)

    async def _read(self) -> None:
        asked = self._sightings.clock()
        self._sightings.note(await self._roll.nodes(), asked)

    def end(self) -> None:
        """Let nobody wait any longer: the node stops."""
        self._ended.set()
