"""How a node follows the changes that other nodes make, as an interface of a shared store.

The rule that lives here: a notification is only a hint, and what counts is what the store answers.
A *beat* is a question that the store writes down, so that only the one that takes writes can answer
it; a *pull* only reads.

There is nothing to test: these are protocols, which mypy checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """A node, as the store knows it."""

    id: UUID
    """Of the node on its machine: it stays the same when the process is started again."""
    name: str
    """Unique among the nodes of a store."""
    lease: float
    """Seconds for which it goes by what it knows."""
    workers: int = 1
    """The processes in which it serves."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What the store knows of a node."""

    id: UUID
    name: str
    incarnation: int
    """How often it has begun."""
    beat: int
    """Grows as long as it is alive."""
    applied: int
    settled: int
    """No request goes on there that was permitted by an older revision."""
    lease: float
    """In seconds."""
    seen: int
    """The time of its last beat, by the clock of the store, in milliseconds since the epoch."""
    left_at: int | None
    """When it left the nodes of the store, by the same clock."""


class Feed(Protocol):
    """The changes of a store, which its listeners are told of, whoever made them."""

    hints: asyncio.Event
    """Set where it is worth to ask: something was changed, or the connection ended."""
    asked: asyncio.Event
    """Set, with `hints`, where somebody waits for what this node tells of itself."""

    @property
    def applied(self) -> int:
        """The revision up to which listeners were told of all changes."""
        ...

    @property
    def chosen(self) -> bool:
        """Whether this node is the one that does what one node does for all."""
        ...

    async def join(self, node: NodeIdentity, *, after: int | None = None) -> bool:
        """Become a node of the store. False: a node that may be alive has the name. One whose last
        beat was the one with the number `after` is known to be dead. Raises `StoreUnavailable`."""
        ...

    async def last_beat(self, name: str) -> tuple[int, float] | None:
        """The number of the last beat of the node with this name, and its lease in seconds. Raises
        `StoreUnavailable`."""
        ...

    async def leases(self) -> set[float]:
        """The leases of the nodes that have not left, in seconds. Raises `StoreUnavailable`."""
        ...

    async def nodes(self) -> Sequence[NodeRow]:
        """All nodes, by name; those that have left for a day. Raises `StoreUnavailable`."""
        ...

    async def ask_to_settle(self) -> None:
        """Set `asked` on all nodes. It may get lost. Raises `StoreUnavailable`."""
        ...

    async def beat(self, settled: int) -> bool:
        """Tell the store that this node is alive, and listeners what has changed. `settled`: no
        request goes on by an older revision. False: it is no node of the store any more, or it is
        not sure that the store has kept it. Raises `StoreUnavailable`."""
        ...

    async def pull(self) -> None:
        """Tell listeners what has changed. Raises `StoreUnavailable`."""
        ...

    async def prune(self) -> None:
        """Delete what every node that is alive has followed long ago, and the nodes that have left
        long ago. Raises `StoreUnavailable`."""
        ...

    async def leave(self) -> None:
        """Tell the store that this node is no more, where that can be told."""
        ...


class ClusterWriter(Protocol):
    """A change of a store, as far as it is about the nodes that follow it."""

    @property
    def revision(self) -> int | None:
        """The revision that the change made, once it is committed. None: no record changed."""
        ...

    async def forget_node(self, node: NodeRow) -> bool:
        """Have a node that is dead count as one that has left. False: it has beaten since, or is no
        node any more. Raises `StoreUnavailable`."""
        ...
