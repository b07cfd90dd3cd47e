"""What one node sees of all: how far each is, and for how long its beats have stood still.

The rule that lives here: a node that is not heard of is gone once its lease must be over, and that
is judged by the clock of who waits: from the answer of the store that first showed the last beat
to the question whose answer still shows no later one. Neither the node's clock nor the store's is
asked.

Tested in `tests/proxy/cluster/test_sightings.py`, where a model has all orders of events, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from proxy.domain.lease import boottime, gone_after
from proxy.store.feed import NodeRow


class NodeState(StrEnum):
    """What is known of a node; with regard to one change, whether it may still go by what was
    before."""

    SETTLED = "settled"
    """It goes by the change, and so do all requests that were under way."""
    LAPSED = "lapsed"
    """Its lease is over: it permits nothing before it has applied all changes."""
    LEFT = "left"
    """It has ended, or somebody has said that it is dead."""
    PENDING = "pending"
    """It may go by what was before."""
    ACTIVE = "active"
    """With no regard to a change: it is none of the others."""


OVER: Final = frozenset({NodeState.SETTLED, NodeState.LAPSED, NodeState.LEFT})


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node, as one that waits for it sees it."""

    row: NodeRow
    state: NodeState
    still: float
    """Seconds for which its beats have stood still."""
    left: float
    """Seconds until it is taken for gone, unless it is heard of."""


class Sightings:
    """Remembers when the beats of each node last moved."""

    def __init__(self, clock: Callable[[], float] = boottime) -> None:
        """`clock` returns seconds, and never goes back."""
        self.clock = clock
        self._seen: dict[UUID, tuple[tuple[int, int], float]] = {}
        """By node: the last beat, and when it was first seen here."""
        self._rows: Sequence[NodeRow] = ()
        self._asked = clock()

    def note(self, rows: Sequence[NodeRow], asked: float) -> None:
        """Take note of what the store has just answered; it was asked at `asked`. The answer may
        have been on its way for long, and a node that was gone by now may be back."""
        now, seen = self.clock(), {}
        for row in rows:
            beat = row.incarnation, row.beat
            known = self._seen.get(row.id)
            seen[row.id] = known if known is not None and known[0] == beat else (beat, now)
        self._rows, self._seen, self._asked = rows, seen, asked

    def nodes(self, revision: int | None = None) -> list[NodeStatus]:
        """The nodes as of the last answer, by name. With `revision`, whether each may still go by
        what was before that change."""
        return [self._status(row, revision) for row in self._rows]

    def _status(self, row: NodeRow, revision: int | None) -> NodeStatus:
        still = max(0.0, self._asked - self._seen[row.id][1])
        left = max(0.0, gone_after(row.lease) - still)
        if row.left_at is not None:
            state = NodeState.LEFT
        elif revision is not None and row.settled >= revision:
            state = NodeState.SETTLED
        elif not left:
            state = NodeState.LAPSED
        else:
            state = NodeState.ACTIVE if revision is None else NodeState.PENDING
        return NodeStatus(row, state, still, left)


def everywhere(nodes: Sequence[NodeStatus]) -> bool:
    """Whether none of them may still go by what was before the change."""
    return all(each.state in OVER for each in nodes)
