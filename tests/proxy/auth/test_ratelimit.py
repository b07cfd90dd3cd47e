"""Budgets of wrong guesses: a source that fails often waits, and no other does."""

from __future__ import annotations

import pytest

from proxy.auth.ratelimit import SLOTS, Budget, GuessLimiter, source_of


class Clock:
    """Monotonic seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name has a slot of its own. Python keys its hash anew for each process, and by that two
    of a few dozen names share a slot in one of some thousand runs."""
    slots: dict[str, int] = {}

    def own(name: str) -> int:
        return slots.setdefault(name, len(slots))

    monkeypatch.setattr("proxy.auth.ratelimit.hash", own, raising=False)


def test_a_budget_is_a_burst_and_then_one_failure_an_interval(clock: Clock) -> None:
    """When all intervals have passed, the whole burst is there again."""
    budget = Budget(3, 2.0, clock)
    for _ in range(3):
        assert not budget.is_spent("a")
        budget.charge("a")
    assert budget.is_spent("a")
    clock.now += 2.1
    assert not budget.is_spent("a")
    budget.charge("a")
    assert budget.is_spent("a")
    clock.now += 6.1
    assert budget.is_untouched("a")


def test_a_refund_takes_a_failure_back(clock: Clock) -> None:
    """A guess that turned out right costs nothing."""
    budget = Budget(1, 1.0, clock)
    budget.charge("a")
    budget.refund("a")
    assert budget.is_untouched("a")


def test_other_names_never_restore_a_spent_budget(clock: Clock) -> None:
    """A spent budget stays spent however many other names fail, in memory that does not grow."""
    budget = Budget(1, 3600.0, clock)
    budget.charge("victim")
    for number in range(3 * SLOTS):
        budget.charge(f"other {number}")
    assert budget.is_spent("victim")
    assert len(budget._paid_until) == SLOTS


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_the_source_of_an_address_is_itself_or_its_ipv6_network(address: str, source: str) -> None:
    """A client of IPv6 has a whole /64."""
    assert source_of(address) == source


@pytest.mark.usefixtures("apart")
def test_a_source_that_fails_waits_whatever_key_it_guesses_at(clock: Clock) -> None:
    """Another source does not wait."""
    guesses = GuessLimiter(clock)
    admitted = [guesses.admit("192.0.2.1", f"key {number}") for number in range(30)]
    assert admitted == [1] * 20 + [0] * 10
    assert guesses.admit("192.0.2.2", "key 1")


@pytest.mark.usefixtures("apart")
def test_a_key_that_many_guess_at_is_not_locked(clock: Clock) -> None:
    """A source that has not failed gets one try a second; the owner, who is right, loses
    nothing."""
    guesses = GuessLimiter(clock)
    for number in range(20):
        assert guesses.admit(f"192.0.2.{number}", "owner")
    assert guesses.admit("198.51.100.1", "owner")
    assert not guesses.admit("198.51.100.2", "owner")
    clock.now += 1.01
    cost = guesses.admit("198.51.100.2", "owner")
    guesses.forgive("198.51.100.2", "owner", cost)
    assert guesses.admit("198.51.100.2", "other")


@pytest.mark.usefixtures("apart")
def test_two_sources_do_not_keep_an_owner_out(clock: Clock) -> None:
    """One spends the budget of the key, the other takes every second chance that it gets."""
    guesses, admitted = GuessLimiter(clock), 0
    for _ in range(200):
        for _ in range(5):
            guesses.admit("192.0.2.1", "owner")
            for _ in range(10):
                guesses.admit("192.0.2.2", "owner")
            clock.now += 0.2
        cost = guesses.admit("198.51.100.1", "owner")
        if cost:
            guesses.forgive("198.51.100.1", "owner", cost)
            admitted += 1
    assert admitted > 100
