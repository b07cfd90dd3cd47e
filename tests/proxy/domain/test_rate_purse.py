"""What a process does with what it was granted: it lets nothing else through but its courtesy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from proxy.domain.gcra import SECOND, Rate
from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger, courtesy, pooled
from proxy.domain.rate_purse import HOLD, LIFE, Purse

NOW = 1_000 * SECOND
RATE = Rate.parse("100/s")


def through(purse: Purse, now: int, times: int) -> int:
    """How many of so many requests are let through at once."""
    passed = 0
    for _ in range(times):
        if purse.left(now):
            purse.spend(now)
            passed += 1
    return passed


def test_nothing_is_let_through_before_it_is_granted() -> None:
    """While it is not known how many share the rate, nobody is courteous."""
    purse = Purse(RATE, None)
    assert purse.left(NOW) is None
    purse.add(RateGrant(3, 97, 1, sharing=1000), 3, NOW, NOW)
    assert through(purse, NOW, 5) == 3
    assert purse.left(NOW) is None


def test_a_grant_ends() -> None:
    """Counted from when it was asked for."""
    purse = Purse(RATE, None)
    purse.add(RateGrant(3, 97, 1, sharing=1000), 3, NOW, NOW + SECOND)
    assert purse.held(NOW + LIFE - 1) == 3
    assert purse.held(NOW + LIFE) == 0


def test_courtesy_is_paid_from_what_is_granted_next() -> None:
    """Five of a hundred for each of two; then there is as much of it again."""
    purse = Purse(RATE, 2)
    assert through(purse, NOW, 20) == 5
    assert purse.debt == purse.wanted(0) - 1 == 5
    purse.add(RateGrant(4, 96, 1, sharing=2), 4, NOW, NOW)
    assert (purse.debt, purse.held(NOW)) == (1, 0)
    purse.add(RateGrant(4, 92, 1, sharing=2), 4, NOW, NOW)
    assert (purse.debt, purse.held(NOW)) == (0, 3)
    assert through(purse, NOW, 20) == 8


def test_where_less_was_granted_than_wanted_it_refuses_for_a_while() -> None:
    """Also what courtesy would let through. It asks again once there can be more."""
    for left, wait, until in ((0, 3 * SECOND, 3 * SECOND), (0, 1, HOLD)):
        purse = Purse(RATE, 2)
        purse.add(RateGrant(1, left, wait, sharing=2), 2, NOW, NOW)
        assert through(purse, NOW, 3) == 1
        assert purse.left(NOW + until - 1) == 0
        assert purse.reading(NOW) == (0, until)
        assert purse.left(NOW + until) == 1


def test_it_asks_ahead_for_what_is_used_steadily() -> None:
    """Not after a single second of use; by half more than that; and not for what it has."""
    purse = Purse(RATE, None)
    purse.add(RateGrant(100, 0, 1), 100, NOW, NOW)
    through(purse, NOW, 40)
    assert purse.wanted_ahead(NOW) == 0
    through(purse, NOW, 50)
    assert purse.wanted_ahead(NOW) == 60 - 10
    assert purse.wanted_ahead(NOW) == 0
    assert purse.wanted_ahead(NOW) == 0
    assert not purse.is_idle(NOW)
    assert purse.is_idle(NOW + LIFE)


def test_it_asks_for_a_few_only_when_they_come() -> None:
    """Otherwise a small limit would be used up by what nobody uses."""
    purse = Purse(RATE, None)
    purse.add(RateGrant(9, 91, 1), 9, NOW, NOW)
    for _ in range(3):
        assert through(purse, NOW, 3) == 3
        assert purse.wanted_ahead(NOW) == 0


def test_a_debt_is_never_forgotten() -> None:
    """It is asked for until it is paid."""
    purse = Purse(RATE, 2)
    through(purse, NOW, 1)
    for second in range(5):
        assert purse.wanted_ahead(NOW + second * SECOND) == 1
    assert not purse.is_idle(NOW + 5 * SECOND)
    purse.add(RateGrant(1, 99, 1, sharing=2), 1, NOW + 5 * SECOND, NOW + 5 * SECOND)
    assert purse.is_idle(NOW + 5 * SECOND)


@dataclass
class Process:
    """One that shares the rate."""

    purse: Purse
    crashes: int = 0


class Answer(NamedTuple):
    """What the store has granted, on its way."""

    purse: Purse
    wanted: int
    sent: int
    grant: RateGrant


class Sharing(RuleBasedStateMachine):
    """Three processes that ask, are answered late or never, and crash. In every span of time they
    let through the burst and what the rate gives in it and in the life of a grant, and each its
    courtesy once; and once more for each crash."""

    @initialize(text=st.sampled_from(["3/s", "60/s", "90/min"]), burst=st.sampled_from([1, 6, 60]))
    def begin(self, text: str, burst: int) -> None:
        """Nothing was used yet."""
        self.rate, self.now, self.ledger = Rate.parse(text, burst), NOW, RateLedger()
        self.processes = [Process(Purse(self.rate, 3)) for _ in range(3)]
        self.passed: list[int] = []
        self.answers: list[Answer] = []

    @rule(which=st.integers(0, 2), times=st.integers(1, 80))
    def request(self, which: int, times: int) -> None:
        """Some requests come at once."""
        count = through(self.processes[which].purse, self.now, times)
        self.passed += [self.now] * count
        courteous = 3 + sum(each.crashes for each in self.processes)
        most = pooled(self.rate).burst + courteous * courtesy(self.rate, 3)
        for place, time in enumerate(self.passed):
            total = len(self.passed) - place
            span = self.now - time + LIFE
            assert (total - most) * self.rate.period <= self.rate.count * span

    @rule(which=st.integers(0, 2), waiting=st.integers(0, 80), late=st.booleans())
    def ask(self, which: int, waiting: int, late: bool) -> None:
        """A question is answered, at once or later."""
        purse = self.processes[which].purse
        self._ask(purse, purse.wanted(waiting))
        if not late:
            self.answer(-1)

    @rule(which=st.integers(0, 2))
    def tick(self, which: int) -> None:
        """As is asked once a second."""
        purse = self.processes[which].purse
        self._ask(purse, purse.wanted_ahead(self.now))
        self.answer(-1)

    def _ask(self, purse: Purse, wanted: int) -> None:
        demand = RateDemand(self.rate, wanted)
        grant = self.ledger.grant({"1c1": demand}, self.now, 3)["1c1"]
        self.answers.append(Answer(purse, wanted, self.now, grant))

    @precondition(lambda self: self.answers)
    @rule(place=st.sampled_from([0, -1]))
    def answer(self, place: int) -> None:
        """An answer arrives, in any order. Who asked may have crashed meanwhile."""
        answer = self.answers.pop(place)
        answer.purse.add(answer.grant, answer.wanted, answer.sent, self.now)

    @precondition(lambda self: self.answers)
    @rule()
    def lose(self) -> None:
        """An answer is lost."""
        self.answers.pop()

    @rule(gap=st.sampled_from([1, 300_000, SECOND, LIFE - 1, LIFE, 3 * LIFE]))
    def wait(self, gap: int) -> None:
        """Time goes on."""
        self.now += gap

    @precondition(lambda self: self.passed)
    @rule(which=st.integers(0, 2))
    def crash(self, which: int) -> None:
        """A process ends without a word, and another begins."""
        process = self.processes[which]
        process.purse = Purse(self.rate, 3)
        process.crashes += 1


Sharing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSharing = Sharing.TestCase
