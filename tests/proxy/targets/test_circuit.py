"""A circuit: closed, open, half-open."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.targets.circuit import Circuit, CircuitRules, State

RULES = CircuitRules(failures=3, time=10.0, most=60.0)


def test_as_many_failures_in_a_row_as_the_rules_say_open_it() -> None:
    """A success in between begins the row anew."""
    circuit = Circuit(RULES, 0.0)
    assert not circuit.failed("a", 1.0)
    assert not circuit.failed("b", 2.0)
    assert not circuit.worked(3.0)
    assert not circuit.failed("c", 4.0)
    assert not circuit.failed("d", 5.0)
    assert circuit.failed("e", 6.0)
    assert (circuit.state, circuit.since, circuit.until) == (State.OPEN, 6.0, 16.0)
    assert (circuit.cause, circuit.opened) == ("e", 1)


def test_a_failure_of_what_is_tried_again_opens_it_at_once_for_twice_as_long() -> None:
    """Up to the longest time; after a long time without a failure, for the first time again."""
    circuit, now, times = Circuit(RULES, 0.0), 0.0, []
    for _ in range(3):
        circuit.failed("x", now)
    for _ in range(4):
        times.append(circuit.until - now)
        now = circuit.until
        assert circuit.is_due(now)
        circuit.half_open(now)
        assert circuit.failed("x", now)
    assert times == [10, 20, 40, 60]
    now = circuit.until
    circuit.half_open(now)
    assert circuit.worked(now)
    now += 60
    for _ in range(3):
        circuit.failed("x", now)
    assert circuit.until - now == 10


def test_what_may_not_open_stays_closed_until_a_failure_after_it_may() -> None:
    """So no more than half of the targets are ejected."""
    circuit = Circuit(RULES, 0.0)
    for _ in range(5):
        assert not circuit.failed("x", 0.0, may_open=False)
    assert circuit.state is State.CLOSED
    assert circuit.failed("x", 0.0)


class Life(RuleBasedStateMachine):
    """Anything that may happen to a circuit."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.row = 0
        self.circuit = Circuit(RULES, self.now)

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @rule(may_open=st.booleans())
    def fail(self, may_open: bool) -> None:
        """A failure opens a closed circuit only at the end of a row, and a half-open one always."""
        before = self.circuit.state
        self.row += 1
        opened = self.circuit.failed("x", self.now, may_open=may_open)
        enough = before is State.CLOSED and self.row >= RULES.failures and may_open
        assert opened == (enough or before is State.HALF_OPEN)
        assert (self.circuit.state is State.OPEN) == (opened or before is State.OPEN)

    @rule()
    def work(self) -> None:
        """A success closes a half-open circuit alone."""
        before = self.circuit.state
        closed = self.circuit.worked(self.now)
        assert closed == (before is State.HALF_OPEN)
        if before is not State.OPEN:
            self.row = 0

    @precondition(lambda self: self.circuit.is_due(self.now))
    @rule()
    def try_again(self) -> None:
        """What is due is open, for as long as the rules say."""
        assert self.now - self.circuit.since >= RULES.time
        self.circuit.half_open(self.now)
        assert self.circuit.state is State.HALF_OPEN

    @invariant()
    def is_open_for_a_bounded_time(self) -> None:
        """Between the shortest and the longest."""
        if self.circuit.state is State.OPEN:
            assert RULES.time <= self.circuit.until - self.circuit.since <= RULES.most

    @invariant()
    def knows_since_when(self) -> None:
        """And never from the future."""
        assert self.circuit.since <= self.now


TestLife = Life.TestCase
