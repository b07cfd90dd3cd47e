"""How callers are divided among upstreams."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.split import Split

NAMES = ("stable", "canary", "next")
weights = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any)
callers = st.lists(st.text(max_size=8), min_size=1, max_size=30)
KEYS = [f"1c{number}" for number in range(20_000)]


def split(*weights: int) -> Split:
    """Weights of the upstreams, in the order of their names."""
    return Split(tuple(zip(NAMES, weights, strict=False)))


def test_each_upstream_gets_its_part_of_the_keys() -> None:
    """Of 20,000 keys, within one in a hundred: the same keys on each run."""
    for given_weights in ((95, 5), (50, 50), (1, 1, 2), (999, 1)):
        parts = Counter(map(split(*given_weights).choose, KEYS))
        for name, weight in zip(NAMES, given_weights, strict=False):
            expected = weight / sum(given_weights)
            assert abs(parts[name] / len(KEYS) - expected) < 0.01


@given(weights=weights, who=st.text(max_size=8))
def test_a_caller_always_gets_the_same_upstream(weights: list[int], who: str) -> None:
    """Whatever the order of the names, and by their proportions alone. One with weight 0 gets
    nobody."""
    chosen = split(*weights).choose(who)
    assert split(*weights).choose(who) == chosen
    assert Split(tuple(reversed(split(*weights).weights))).choose(who) == chosen
    assert weights[NAMES.index(chosen)] > 0


@given(weights=weights, place=st.integers(0, 2), change=st.integers(1, 100), callers=callers)
def test_a_change_of_one_weight_moves_callers_to_or_from_that_upstream_alone(
    weights: list[int], place: int, change: int, callers: list[str]
) -> None:
    """And where the weight grows, only to it: whoever has seen the canary goes on seeing it."""
    grown = [weight + change * (number == place) for number, weight in enumerate(weights)]
    for who in callers:
        before, after = split(*weights).choose(who), split(*grown).choose(who)
        assert after == before or after == NAMES[place]


def test_the_choice_is_that_of_every_version() -> None:
    """Otherwise an update of the gateway would move callers."""
    chosen = [split(50, 50).choose(f"1c{number}") for number in range(1, 9)]
    assert [name[0] for name in chosen] == ["c", "s", "s", "s", "c", "s", "s", "c"]


def test_the_main_upstream_is_the_one_with_the_most() -> None:
    """The first of several with as much."""
    assert split(5, 95).main == "canary"
    assert split(50, 50).main == "stable"
