"""The only node of a store that it has for itself: it waits for nobody but its own requests.

Tested in `tests/proxy/cluster/test_alone.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from uuid import uuid4

from proxy.cluster.settling import Settles
from proxy.store.feed import NodeIdentity, NodeRow
from proxy.store.protocols import Changes, KeyReader


class Alone:
    """Implements `waiter.Roll`."""

    def __init__(self, name: str, settles: Settles, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self._node = NodeIdentity(uuid4(), name, 0.0)
        self._settles = settles
        self._clock = clock
        self._applied = 0
        self._beats = count()

    async def start(self, store: KeyReader) -> None:
        """Learn what the last change was. Raises `StoreUnavailable`."""
        revision, _ = await store.load_settings()
        self._applied = max(self._applied, revision)

    def listen(self, changes: Changes | None) -> None:
        """To be called at each commit, after the change was applied."""
        if changes is not None:
            self._applied = changes.revision

    async def nodes(self) -> Sequence[NodeRow]:
        """Itself, once it has looked at its requests."""
        node, settled = self._node, self._settles.settle(self._applied)
        return [
            NodeRow(
                id=node.id,
                name=node.name,
                incarnation=1,
                beat=next(self._beats),
                applied=self._applied,
                settled=settled,
                lease=node.lease,
                seen=self._clock(),
                left_at=None,
            )
        ]

    async def ask_to_settle(self) -> None:
        """Nobody is to be asked."""
