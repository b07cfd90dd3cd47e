"""Nodes of the store, and how far each is with a change: who may see that, and say that one is
dead. (Tested over HTTP, by tests/admin/api/test_nodes.py and test_revisions.py.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from admin.service.base import Caller, Service, View, require_generally
from admin.service.errors import Refused
from admin.service.grants import Grants, grants
from admin.service.permissions import Right, Rights, Subject, general_standing, rights
from proxy.cluster.sightings import NodeState, NodeStatus, everywhere
from proxy.cluster.waiter import Waiter
from proxy.store.protocols import Store

BEATS: Final = 2
"""For so many, nothing must have been heard of a node before somebody can say that it is dead."""


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node, as another one sees it."""

    status: NodeStatus
    lag: int
    """How many changes it had not applied yet, as of its last beat."""
    may_forget: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the nodes are with a change."""

    revision: int
    nodes: Sequence[NodeStatus]
    named: bool
    """Whether the caller may know the names of the nodes."""
    now: int
    """In milliseconds since the epoch."""

    @property
    def everywhere(self) -> bool:
        """Whether nothing goes by what was before the change any more."""
        return everywhere(self.nodes)


class NodeService(Service):
    """Shows nodes to those who see the settings, and the progress of a change to those who may make
    one."""

    def __init__(self, store: Store, clock: Callable[[], int], waiter: Waiter) -> None:
        super().__init__(store, clock)
        self._waiter = waiter

    @property
    def shared(self) -> bool:
        """Whether several nodes may share the store."""
        return self._waiter.shared

    async def list(self, caller: Caller) -> list[View[KnownNode]]:
        """All nodes, also those that left within a day. Raises `Refused`."""
        allowed = _rights(caller)
        require_generally(allowed, Right.SEE)
        head, _ = await self._store.load_settings()
        found = await self._waiter.nodes()
        return [self._view(each, head, allowed) for each in found]

    async def get(self, caller: Caller, name: str) -> View[KnownNode]:
        """One of them. Raises `Refused`."""
        for view in await self.list(caller):
            if view.record.status.row.name == name:
                return view
        raise Refused("NotFound")

    async def forget(self, caller: Caller, name: str, *, dead: bool) -> View[KnownNode]:
        """Have nobody wait for a node any more. One whose lease may not be over yet is forgotten
        only if the caller says that it is `dead`: if it is not, keys that are revoked may work on
        it until then. Raises `Refused`."""
        view = await self.get(caller, name)
        require_generally(_rights(caller), Right.EDIT)
        status = view.record.status
        if status.state is NodeState.LEFT:
            raise Refused("ActionNotAvailable", "the node has left", field="action")
        if status.state is not NodeState.LAPSED:
            if status.still < BEATS * self._waiter.beat:
                detail = f"the node is alive: it was heard of {status.still:.1f} s ago"
                raise Refused("Conflict", detail)
            if not dead:
                detail = (
                    f"the lease of the node ends in {status.left:.0f} s: wait, or say that it is "
                    'dead with {"dead": true}'
                )
                raise Refused("Conflict", detail, field="dead")
        async with self._change(caller) as change:
            require_generally(_rights(change.caller), Right.EDIT)
            if not await change.tx.forget_node(status.row):
                raise Refused("Conflict", "the node is alive: it was heard of just now")
            before = {"state": status.state.value, "settled": status.row.settled}
            await change.note("node.forget", name, before, {"state": NodeState.LEFT.value})
        return await self.get(caller, name)

    def _view(self, status: NodeStatus, head: int, allowed: Rights) -> View[KnownNode]:
        may_forget = Right.EDIT in allowed and status.state is not NodeState.LEFT
        silent = status.state is NodeState.LAPSED or status.still >= BEATS * self._waiter.beat
        lag = max(0, head - status.row.applied)
        return View(KnownNode(status, lag, may_forget and silent), now=self._clock())

    async def progress(self, caller: Caller, revision: int | None, seconds: float = 0) -> Progress:
        """How far all nodes are with a change, by default the last one, once it holds on all of
        them or so many seconds have passed. Raises `Refused`."""
        granted = await grants(self._store, caller)
        if not may_see_revisions(granted):
            raise Refused("Forbidden")
        head, _ = await self._store.load_settings()
        if revision is not None and revision > head:
            raise Refused("NotFound", f"the last change is revision {head}")
        number = head if revision is None else revision
        found = await self._waiter.wait(number, seconds)
        named = Right.SEE in granted[Subject.SETTING]
        return Progress(number, found, named, self._clock())


def may_see_revisions(granted: Grants) -> bool:
    """Whether a caller may know how far a change is: one who may make changes, or sees all."""
    changes = granted[Subject.ACCOUNT_KEY] | granted[Subject.ENVIRONMENT_KEY]
    return Right.EDIT in changes or Right.SEE in granted[Subject.SETTING]


def _rights(caller: Caller) -> Rights:
    return rights(general_standing(caller.owner), caller.role, Subject.SETTING)
