"""A machine that is stopped together with its clocks, as a virtual machine is: only the time of day
shows afterwards that it was."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from proxy.cluster.follower import Follower
from proxy.store.feed import NodeIdentity


class Machine:
    """Clocks, and a store that answers each beat."""

    applied = 0

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.stops = 0.0
        """For how long the machine is stopped before the next answer is read."""

    async def join(self, _node: NodeIdentity) -> bool:
        """Become a node."""
        return True

    async def leases(self) -> set[float]:
        """Of the nodes."""
        return {30.0}

    async def nodes(self) -> list[Any]:
        """Of the nodes."""
        return []

    def settle(self, revision: int) -> int:
        """Of the requests."""
        return revision

    async def beat(self, _settled: int) -> bool:
        """Answer a beat."""
        self.wall, self.stops = self.wall + self.stops, 0.0
        return True


async def test_an_answer_that_waited_while_the_clocks_stood_still_extends_no_lease() -> None:
    """It is as old as the machine was stopped for; the next one counts."""
    machine: Any = Machine()
    node = NodeIdentity(uuid4(), "a", 30.0)
    follower: Any = Follower(
        machine, node, 3.0, machine, clock=lambda: 5.0, wall=lambda: machine.wall
    )
    await follower.start()
    assert follower.lease.holds()
    machine.stops = 600.0
    await follower._beat()
    assert not follower.lease.holds()
    await follower._beat()
    assert follower.lease.holds()
