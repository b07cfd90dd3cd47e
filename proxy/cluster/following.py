"""A node of a shared store, from its start to its end: its identity, and the task that follows.

Tested in `tests/proxy/cluster/test_two_nodes.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from proxy.cluster.follower import Follower
from proxy.cluster.identity import HeldIdentity
from proxy.cluster.settling import Settles
from proxy.config.cluster import Cluster
from proxy.domain.lease import Lease
from proxy.store.feed import Feed


class Following:
    """Follows until it is stopped."""

    def __init__(self, identity: HeldIdentity, follower: Follower) -> None:
        self.lease: Lease = follower.lease
        self._identity = identity
        self.follower = follower
        self._task = asyncio.create_task(follower.run())

    @classmethod
    async def begin(
        cls,
        feed: Feed,
        settings: Cluster,
        settles: Settles,
        told: Callable[[float], None] | None = None,
        workers: int = 1,
    ) -> Following:
        """Become a node of the store. `told` is as in `Lease`. Raises `StoreError`."""
        folder, name = Path(settings.run_directory), settings.node_name
        identity = HeldIdentity(folder, name, settings.lease, workers)
        follower = Follower(feed, identity.node, settings.beat, settles)
        if told is not None:
            follower.lease.told = told
        try:
            await follower.start()
        except BaseException:
            identity.release()
            raise
        return cls(identity, follower)

    async def stop(self) -> None:
        """Leave the nodes of the store."""
        await self._stop_following()
        await self.follower.stop()
        self._identity.release()

    async def hand_over(self) -> None:
        """Stop following, for a process that goes on as the same node. Its workers serve meanwhile,
        by the lease that is left."""
        await self._stop_following()
        self._identity.release()

    async def _stop_following(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
