"""What is sent again, and how much of it."""

from __future__ import annotations

from itertools import product

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.targets.retries import WINDOW, Attempt, RetryBudget, RetryRules, is_safe

METHODS = frozenset({b"GET", b"PUT"})


def test_what_may_have_reached_a_target_is_sent_again_only_where_it_cannot_act_twice() -> None:
    """What cannot have reached one may be, whatever it is."""
    for unsent, unheard, method, whole in product(
        (True, False), (True, False), (b"GET", b"POST", b"PUT"), (True, False)
    ):
        repeated = is_safe(Attempt(unsent, unheard), method, METHODS, whole=whole)
        assert repeated == (unsent or (unheard and whole and method in METHODS))


RULES = RetryRules(2, METHODS, budget=0.25, least=1)


class Budget(RuleBasedStateMachine):
    """Requests and retries over some seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget(RULES)
        self.seconds = [[0, 0]]

    @property
    def left(self) -> float:
        """What the last seconds leave: a share of their requests, and what is always allowed."""
        requests, retries = map(sum, zip(*self.seconds[-WINDOW:], strict=True))
        return requests * RULES.budget + RULES.least * WINDOW - retries

    @rule(count=st.integers(0, 100))
    def come(self, count: int) -> None:
        """Requests come."""
        self.budget.requests += count
        self.seconds[-1][0] += count

    @rule(count=st.integers(1, 50))
    def repeat(self, count: int) -> None:
        """Some are sent again, where that leaves no less than nothing."""
        for _ in range(count):
            taken = self.budget.take()
            assert taken == (self.left >= 1)
            self.seconds[-1][1] += taken

    @rule(count=st.integers(1, 15))
    def tick(self, count: int) -> None:
        """Time passes."""
        for _ in range(count):
            self.budget.tick()
            self.seconds.append([0, 0])

    @invariant()
    def counts_the_last_seconds(self) -> None:
        """And no others."""
        assert self.budget.left == self.left


TestBudget = Budget.TestCase
