"""Waits until a change holds on all nodes, including for the requests that were under way.

Tested in `tests/proxy/cluster/test_waiter.py` and `tests/test_acknowledge.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from proxy.auth.single_flight import SingleFlight
from proxy.cluster.sightings import NodeStatus, Sightings, everywhere
from proxy.domain.errors import StoreUnavailable
from proxy.store.feed import NodeRow

FIRST_LOOK: Final = 0.003
LAST_LOOK: Final = 0.25
"""Seconds between two looks: they double from the first to the last."""
ASK_AGAIN: Final = 1.0
"""Seconds after which all nodes are asked again for the same change, or an earlier one: a
notification may get lost. Each time, all of them look at their requests and write a beat."""
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
        self._turn = asyncio.Lock()
        self._questions: SingleFlight[int, None] = SingleFlight()
        self._begun = 0
        """How many questions to the roll were begun."""
        self._asked_for, self._asked_at = -1, 0.0
        """The last change for which all nodes were asked, and when."""

    async def nodes(self) -> list[NodeStatus]:
        """All nodes. Raises `StoreUnavailable`."""
        await self._read()
        return self._sightings.nodes()

    async def wait(self, revision: int, seconds: float) -> list[NodeStatus]:
        """How far each node is with a change that is committed, once it holds everywhere or so many
        seconds have passed. Raises `StoreUnavailable` where the store does not answer then."""
        if seconds <= 0 or self._waiting >= MOST_WAITING:
            return await self._look(revision)
        self._waiting += 1
        try:
            return await self._until_everywhere(revision, seconds)
        finally:
            self._waiting -= 1

    async def _until_everywhere(self, revision: int, seconds: float) -> list[NodeStatus]:
        time, pause = asyncio.get_running_loop().time, FIRST_LOOK
        until = time() + seconds
        while True:
            over = self._ended.is_set() or time() >= until
            try:
                found = await self._look(revision)
                if over or everywhere(found):
                    return found
            except StoreUnavailable:  # for a moment: a wait is worth another attempt
                if over:
                    raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), max(0.0, min(pause, until - time())))
            pause = min(2 * pause, LAST_LOOK)

    async def _ask(self, revision: int) -> None:
        now = asyncio.get_running_loop().time()
        if revision > self._asked_for or now - self._asked_at >= ASK_AGAIN:
            self._asked_for, self._asked_at = max(revision, self._asked_for), now
            await self._roll.ask_to_settle()

    async def _look(self, revision: int) -> list[NodeStatus]:
        # Read after the wait has begun: a node that is not among them, or has a later beat, began
        # or went on with what was committed before.
        await self._read()
        found = self._sightings.nodes(revision)
        if not everywhere(found):
            await self._ask(revision)
        return found

    async def _read(self) -> None:
        """Read the roll. All who come while one question is under way share the next one: the
        node's beats are answered in turn with these, and would else wait for each of them."""
        await self._questions.run(self._begun + 1, self._read_in_turn)

    async def _read_in_turn(self) -> None:
        async with self._turn:
            self._begun += 1  # who comes from now on is not answered by this
            asked = self._sightings.clock()
            self._sightings.note(await self._roll.nodes(), asked)

    def end(self) -> None:
        """Let nobody wait any longer: the node stops."""
        self._ended.set()
