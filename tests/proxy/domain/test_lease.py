"""The lease of a node: it counts from the question, and only the clock ends it.

The protocol around it is checked by itself: every interleaving of questions, answers, lost
messages, crashes and slow clocks of two nodes, for a small lease.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from proxy.domain.lease import Lease, boottime


def test_it_holds_for_its_length_from_the_question_on() -> None:
    """Not from the answer, which says nothing of how long it was on its way."""
    now = 100.0
    lease = Lease(10, lambda: now)
    assert not lease.holds()
    assert lease.remaining == 0
    now = 107.0
    lease.extend(100.0)
    assert lease.holds()
    assert lease.remaining == 3
    now = 109.999
    assert lease.holds()
    now = 110.0
    assert not lease.holds()


def test_a_late_answer_to_an_earlier_question_takes_nothing_away() -> None:
    """Answers may come in any order."""
    lease = Lease(10, lambda: 105.0)
    lease.extend(100.0)
    lease.extend(90.0)
    assert lease.remaining == 5


def test_it_can_be_ended() -> None:
    """And begins anew with the next answer."""
    lease = Lease(10, lambda: 105.0)
    lease.extend(100.0)
    lease.end()
    assert not lease.holds()
    lease.extend(104.0)
    assert lease.remaining == 9


def test_its_clock_goes_on_while_the_machine_is_suspended() -> None:
    """Where the system has such a clock."""
    assert abs(boottime() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60


# --- the model ---

LENGTH: Final = 2
"""Of the lease, in ticks of a node's clock."""
SLOW: Final = 1
"""Ticks that a slow clock may miss in the whole run, and what a waiter adds for that."""


NONE: Final = -1


class Node(NamedTuple):
    """One node: what it has applied, how many ticks of its lease are left, and its question."""

    up: bool = True
    applied: int = 0
    left: int = LENGTH
    age: int = NONE
    """Ticks since the question was sent, if there is one."""
    answer: int = NONE
    """The revision that the store has answered with, on its way."""
    misses: int = SLOW


class State(NamedTuple):
    """Everything. The store has one key, which revision 1 revokes."""

    revision: int = 0
    acknowledged: int | None = None
    """Ticks since the revocation was acknowledged."""
    waited: bool = False
    """Whether a waiter was told that the revocation holds everywhere."""
    rows: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))
    """For each node, what it has told the store that it applied, and ticks since it did."""
    nodes: tuple[Node, ...] = (Node(), Node())

    def serves(self, node: Node) -> bool:
        """Whether a node would still let the revoked key in."""
        return node.up and node.left > 0 and node.applied < 1


def steps(state: State, mutant: str) -> Iterator[State]:
    """All states that may come next. `mutant` names a rule that is left out."""
    if not state.revision:
        yield state._replace(revision=1, acknowledged=0)
    gone = LENGTH if mutant == "waits too short" else LENGTH + SLOW
    if state.revision and all(applied or seen >= gone for applied, seen in state.rows):
        yield state._replace(waited=True)
    for place, node in enumerate(state.nodes):
        if node.up:
            yield from _steps_of(state, place, node, mutant)
    yield from _ticks(state)


def _steps_of(state: State, place: int, node: Node, mutant: str) -> Iterator[State]:
    def become(new: Node, row: tuple[int, int] | None = None) -> State:
        nodes = (*state.nodes[:place], new, *state.nodes[place + 1 :])
        rows = (*state.rows[:place], row or state.rows[place], *state.rows[place + 1 :])
        return _sorted(state._replace(nodes=nodes, rows=rows))

    yield become(node._replace(up=False))
    if node.age == NONE:
        yield become(node._replace(age=0))
        return
    yield become(node._replace(age=NONE, answer=NONE))  # a message was lost
    if node.answer == NONE:
        told = state.revision if mutant == "tells before it applies" else node.applied
        row = None if mutant == "does not write beats down" else (told, 0)
        yield become(node._replace(answer=state.revision), row)
        if mutant == "asks a standby":
            yield become(node._replace(answer=0), row)
    else:
        age = 0 if mutant == "counts from the answer" else node.age
        applied = node.applied if mutant == "extends before it applies" else node.answer
        left = max(node.left, LENGTH - age)
        done = node._replace(left=left, age=NONE, answer=NONE)
        yield become(done._replace(applied=max(node.applied, applied)))


def _ticks(state: State) -> Iterator[State]:
    """Time passes: each clock ticks, or misses one."""
    choices: list[list[Node]] = []
    for node in state.nodes:
        age = NONE if node.age == NONE else min(node.age + 1, LENGTH)
        choices.append([node._replace(left=max(0, node.left - 1), age=age)])
        if node.misses and node.up:
            choices[-1].append(node._replace(misses=node.misses - 1))
    rows = tuple((applied, min(seen + 1, LENGTH + SLOW + 1)) for applied, seen in state.rows)
    past = state.acknowledged
    past = None if past is None else min(past + 1, LENGTH + SLOW)
    for first in choices[0]:
        for second in choices[1]:
            yield _sorted(state._replace(acknowledged=past, rows=rows, nodes=(first, second)))


def _sorted(state: State) -> State:
    """The same state; which of the nodes is which makes no difference."""
    (first, one), (second, other) = sorted(zip(state.nodes, state.rows, strict=True))
    return state._replace(nodes=(first, second), rows=(one, other))


def violation(state: State) -> str | None:
    """Which promise does not hold in a state."""
    for node in state.nodes:
        if state.serves(node) and state.waited:
            return "it was told that the revocation holds everywhere"
        if state.serves(node) and state.acknowledged == LENGTH + SLOW:
            return "the lease has passed since the revocation was acknowledged"
    return None


def first_violation(mutant: str = "") -> str | None:
    """The first one in any state that can be reached; None where there is none."""
    seen, waiting = {State()}, deque([State()])
    while waiting:
        state = waiting.popleft()
        found = violation(state)
        if found is not None:
            return found
        for new in steps(state, mutant):
            if new not in seen:
                seen.add(new)
                waiting.append(new)
    assert len(seen) > 10_000
    return None


def test_no_node_goes_by_what_was_revoked_for_longer_than_the_lease() -> None:
    """After the acknowledgement, and not at all once a waiter was told; in every order of
    events."""
    assert first_violation() is None


@pytest.mark.parametrize(
    "mutant",
    [
        "counts from the answer",
        "does not write beats down",
        "tells before it applies",
        "extends before it applies",
        "asks a standby",
        "waits too short",
    ],
)
def test_the_model_sees_each_rule_that_is_left_out(mutant: str) -> None:
    """So none of them can be done without."""
    assert first_violation(mutant) is not None
