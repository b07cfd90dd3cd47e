"""What one node sees of the others: a node is gone once its beats have stood still for as long as
its lease may last, by the clock of who waits.

That nobody is told too early that a change holds is checked by a model: every interleaving of what
a node, the store and a waiter do, with lost messages, a slow clock of the node and a fast one of
the waiter. One node is enough, since each is judged by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple
from uuid import uuid4

import pytest

from proxy.cluster import sightings as module
from proxy.cluster.sightings import NodeState, Sightings, everywhere
from proxy.domain.lease import ENDING, gone_after
from proxy.store.feed import NodeRow

ROW: Final = NodeRow(uuid4(), "a", 1, 7, 5, 5, 10.0, 1_000, None)


class Clock:
    """Time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state(seen: Sightings, revision: int | None = None) -> NodeState:
    """What is known of the only node."""
    (node,) = seen.nodes(revision)
    return node.state


def test_a_node_has_settled_what_it_tells_and_nothing_later() -> None:
    """As long as it is heard of."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([ROW], clock())
    assert [state(seen, each) for each in (4, 5, 6)] == ["settled", "settled", "pending"]
    assert state(seen) is NodeState.ACTIVE
    assert not everywhere(seen.nodes(6))


def test_a_node_that_is_not_heard_of_is_gone_once_its_lease_must_be_over() -> None:
    """Counted from the answer that first showed its last beat, not from the time in it."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([ROW], clock())
    clock.now += gone_after(10.0) - 0.001
    seen.note([replace(ROW, seen=99)], clock())
    assert state(seen, 6) is NodeState.PENDING
    assert 0 < seen.nodes(6)[0].left < 0.01
    clock.now += 0.001
    seen.note([ROW], clock())
    assert state(seen, 6) is NodeState.LAPSED
    assert state(seen) is NodeState.LAPSED
    assert everywhere(seen.nodes(6))
    assert gone_after(10.0) > 10.0 + ENDING


def test_an_answer_that_was_long_on_its_way_says_nothing_of_the_time_since_its_question() -> None:
    """The node may have come back to life meanwhile, and let requests go on that it had begun."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([ROW], clock())
    asked = clock()
    clock.now += 60.0
    seen.note([ROW], asked)
    assert state(seen, 6) is NodeState.PENDING


@pytest.mark.parametrize("moved", [replace(ROW, beat=8), replace(ROW, incarnation=2)])
def test_a_beat_begins_the_lease_anew(moved: NodeRow) -> None:
    """Also one of the process that comes after."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([ROW], clock())
    clock.now += 13.0
    seen.note([moved], clock())
    clock.now += 13.0
    seen.note([moved], clock())
    assert state(seen, 6) is NodeState.PENDING
    assert seen.nodes(6)[0].still == 13.0


def test_a_node_that_has_left_is_waited_for_no_longer() -> None:
    """Or one of which somebody has said that it is dead."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([replace(ROW, left_at=2_000)], clock())
    assert state(seen, 6) is NodeState.LEFT
    assert everywhere(seen.nodes(6))


def test_a_node_that_is_no_more_is_forgotten() -> None:
    """If it comes back, it is seen for the first time."""
    clock = Clock()
    seen = Sightings(clock)
    seen.note([ROW], clock())
    seen.note([], clock())
    assert seen.nodes() == []
    clock.now += 60.0
    seen.note([ROW], clock())
    assert state(seen, 6) is NodeState.PENDING


# --- the model ---

LENGTH: Final = 2
"""Of the lease, in ticks of the node's clock."""
GRACE: Final = 1
"""Ticks after the lease in which what is under way is ended."""
SLOW: Final = 1
"""Ticks that the node's clock may miss in the whole run."""
FAST: Final = 1
"""Ticks that the waiter's clock may be ahead in the whole run."""
GONE: Final = LENGTH + GRACE + SLOW + FAST
NONE: Final = -1


class Node(NamedTuple):
    """The node. Revision 1 revokes the only key."""

    up: bool = True
    applied: int = 0
    looked: bool = False
    """Whether it has looked at what is under way since it applied the revocation."""
    running: bool = False
    """Whether a request is under way that was permitted before."""
    left: int = LENGTH
    over: int = 0
    """Ticks since the lease was over."""
    age: int = NONE
    """Ticks since the beat was sent, if there is one."""
    told: int = 0
    """What the beat says is settled."""
    answer: int = NONE
    misses: int = SLOW

    @property
    def serves(self) -> bool:
        """Whether anything goes by what was before the revocation."""
        return self.up and (self.running or (self.left > 0 and self.applied < 1))


class Row(NamedTuple):
    """The node's row in the store."""

    moved: bool = False
    """Whether it has beaten since the waiter read it."""
    settled: int = 0


class Read(NamedTuple):
    """An answer on its way to the waiter."""

    revision: int
    row: Row | None
    known: int
    """What `State.known` was when it was asked for."""


class State(NamedTuple):
    """Everything."""

    node: Node | None = Node()
    """None: it has not joined yet."""
    row: Row | None = Row()
    revision: int = 0
    read: Read | None = None
    known: int = 0
    """Ticks, by the waiter's clock, since it saw the last beat; `NONE`: it has seen none."""
    ahead: int = FAST
    waited: str = ""
    """By what the waiter was told that the revocation holds."""


def steps(state: State, mutant: str) -> Iterator[State]:
    """All states that may come next. `mutant` names a rule that is left out."""
    if not state.revision:
        yield state._replace(revision=1)
    if state.read is None:
        kept = None if state.row is None else state.row._replace(moved=False)
        yield state._replace(read=Read(state.revision, state.row, state.known), row=kept)
    else:
        yield _judged(state, state.read, mutant)
    if state.node is None:
        yield state._replace(node=Node(left=0, over=GRACE), row=Row(moved=True))
    elif state.node.up:
        yield from _of_node(state, state.node, mutant)
    yield from _ticks(state)


def _judged(state: State, read: Read, mutant: str) -> State:
    """The waiter has an answer. It judges by it once there is something to wait for."""
    known, states = _sighted(read, state.known, mutant)
    begun = state.revision if mutant == "goes by an answer from before" else read.revision
    waited = (states[0] if states else "absent") if begun and "pending" not in states else ""
    return state._replace(read=None, known=known, waited=waited)


@cache
def _sighted(read: Read, known: int, mutant: str) -> tuple[int, tuple[str, ...]]:
    """The new `known`, and what `Sightings` says of the node."""
    clock = Clock()
    seen, row, asked = Sightings(clock), read.row, clock()
    if row is None:
        seen.note([], asked)
        return NONE, ()
    before = replace(ROW, beat=1, settled=row.settled, lease=float(GONE))
    if known != NONE:
        seen.note([before], clock())
        clock.now += known
        asked += known if mutant == "judges by the time of the answer" else read.known
    moved = row.moved and mutant != "does not look at the beats"
    after = replace(before, beat=2) if moved else before
    seen.note([after], asked)
    if mutant == "leaves out the grace":
        clock.now += GRACE
        seen.note([after], asked + GRACE)
    return 0 if moved else max(known, 0), tuple(each.state for each in seen.nodes(1))


def _of_node(state: State, node: Node, mutant: str) -> Iterator[State]:
    def become(row: Row | None = state.row, **changes: object) -> State:
        return state._replace(node=node._replace(**changes), row=row)  # type: ignore[arg-type]

    yield become(up=False, running=False)
    if node.left > 0 and node.applied < 1:
        yield become(running=True)
    if node.applied:
        yield become(running=False, looked=True)
    if node.age == NONE:
        told = node.applied if mutant == "tells what it has applied" else int(node.looked)
        yield become(age=0, told=told)
        return
    yield become(age=NONE, answer=NONE)  # a message was lost
    row = state.row
    if node.answer == NONE and row is not None:
        moved = mutant != "does not write beats down"
        yield become(row=Row(row.moved or moved, node.told), answer=state.revision)
    elif node.answer != NONE:
        age = 0 if mutant == "counts from the answer" else node.age
        left = max(node.left, LENGTH - age)
        over = 0 if left else node.over
        applied = max(node.applied, node.answer)
        yield become(left=left, over=over, applied=applied, age=NONE, answer=NONE)


def _ticks(state: State) -> Iterator[State]:
    """Time passes: the node's clock may miss a tick, and the waiter's be one ahead."""
    nodes = [state.node]
    if state.node is not None:
        nodes = [_ticked(state.node)]
        if state.node.misses and state.node.up:
            nodes.append(state.node._replace(misses=state.node.misses - 1))
    for node in nodes:
        for more in range(state.ahead + 1):
            known = state.known if state.known == NONE else min(state.known + 1 + more, GONE)
            yield state._replace(node=node, known=known, ahead=state.ahead - more)


def _ticked(node: Node) -> Node:
    """What is under way ends a little after the lease."""
    over = 0 if node.left else min(node.over + 1, GRACE)
    running = node.running and over < GRACE
    age = NONE if node.age == NONE else min(node.age + 1, LENGTH)
    return node._replace(left=max(0, node.left - 1), over=over, running=running, age=age)


def reached(begin: State, mutant: str = "") -> set[State]:
    """All states that can be reached."""
    seen, waiting = {begin}, deque([begin])
    while waiting:
        for new in steps(waiting.popleft(), mutant):
            if new not in seen:
                seen.add(new)
                if not new.waited:
                    waiting.append(new)
    return seen


def told_too_early(states: set[State], mutant: str = "") -> bool:
    """Whether anything goes by what was before at a node, or does later on, once a waiter was told
    that nothing does."""

    def alone(state: State) -> State:
        return state._replace(read=None, known=0, waited="", ahead=0)

    seen = {alone(state) for state in states if state.waited}
    waiting = deque(seen)
    while waiting:
        state = waiting.popleft()
        if state.node is not None and state.node.serves:
            return True
        for new in map(alone, steps(state, mutant)):
            if new not in seen:
                seen.add(new)
                waiting.append(new)
    return False


@pytest.fixture
def in_ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The lease of a row says when its node is gone."""
    monkeypatch.setattr(module, "gone_after", lambda lease: lease)
    yield
    _sighted.cache_clear()


LATE: Final = State(None, None, known=NONE)
"""The node has not joined yet."""


@pytest.mark.usefixtures("in_ticks")
def test_nobody_is_told_too_early_that_a_revocation_holds() -> None:
    """Neither of new requests nor of those under way; and each way to be told so is reached."""
    states = reached(State()) | reached(LATE)
    assert len(states) > 10_000
    assert {state.waited for state in states} == {"", "settled", "lapsed", "absent"}
    assert not told_too_early(states)


@pytest.mark.usefixtures("in_ticks")
@pytest.mark.parametrize(
    "mutant",
    [
        "tells what it has applied",
        "does not write beats down",
        "does not look at the beats",
        "counts from the answer",
        "judges by the time of the answer",
        "leaves out the grace",
        "goes by an answer from before",
    ],
)
def test_the_model_sees_each_rule_that_is_left_out(mutant: str) -> None:
    """So none of them can be done without."""
    assert told_too_early(reached(State(), mutant) | reached(LATE, mutant), mutant)
