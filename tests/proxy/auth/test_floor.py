"""The floor under refusals: it follows the load of the machine, up and down, and has a bound."""

from __future__ import annotations

import pytest

from proxy.auth.floor import MOST, Floor


class Clock:
    """Monotonic seconds, set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def floor(clock: Clock) -> Floor:
    return Floor(clock)


def test_the_floor_is_above_the_slowest_of_the_last_three_trials(floor: Floor) -> None:
    """There is none before the first trial."""
    assert floor.seconds == 0
    for seconds in (0.05, 0.2, 0.1):
        floor.note(10, seconds)
    assert floor.seconds == pytest.approx(0.3)


def test_the_floor_comes_down_when_the_load_ends(floor: Floor) -> None:
    """Three trials that are fast again are enough."""
    for seconds in (5.3, 5.3, 5.3, 0.1, 0.1):
        floor.note(10, seconds)
    assert floor.seconds == MOST
    floor.note(10, 0.1)
    assert floor.seconds == pytest.approx(0.15)


def test_the_floor_has_a_bound(floor: Floor) -> None:
    """However slow the machine is."""
    floor.note(14, 3600.0)
    assert floor.seconds == MOST == 2.0


def test_three_trials_are_due_and_then_one_every_ten_seconds(floor: Floor, clock: Clock) -> None:
    """What was guessed meanwhile makes no difference: `is_due` knows only the clock."""
    for _ in range(3):
        assert floor.is_due(10)
        floor.note(10, 0.1)
    assert not floor.is_due(10)
    clock.now += 9.9
    assert not floor.is_due(10)
    clock.now += 0.1
    assert floor.is_due(10)
    floor.note(10, 0.1)
    assert not floor.is_due(10)


@pytest.mark.parametrize("rounds", [5, 12], ids=["lower", "higher"])
def test_trials_of_another_cost_do_not_count(floor: Floor, rounds: int) -> None:
    """The highest stored cost changes with the keys."""
    for _ in range(3):
        floor.note(10, 0.2)
    assert floor.is_due(rounds)
    floor.note(rounds, 0.1)
    assert floor.seconds == pytest.approx(0.15)
