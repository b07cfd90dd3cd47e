"""The choice among targets: by weight, by load, in turn, or by key."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.targets.choice import POLICIES, ConsistentHash, LeastRequests, RoundRobin


@dataclass(frozen=True)
class Fake:
    """A target."""

    name: str
    share: float = 1.0
    load: int = 0


def fakes(*shares: float) -> list[Fake]:
    """Idle targets with these weights."""
    return [Fake(f"http://target-{number}", share) for number, share in enumerate(shares)]


loads = st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 50)), min_size=1, max_size=8).map(
    lambda each: [Fake(f"t{number}", share, load) for number, (share, load) in enumerate(each)]
)


@pytest.mark.parametrize("name", POLICIES)
@given(candidates=loads, key=st.binary(max_size=100))
def test_a_policy_chooses_one_of_the_targets_in_use(
    name: str, candidates: list[Fake], key: bytes
) -> None:
    """Also after others were in use."""
    policy = POLICIES[name]()
    policy.use(fakes(1, 2, 3))
    policy.choose(key)
    policy.use(candidates)
    for _ in range(3):
        assert policy.choose(key) in candidates


@given(candidates=loads, seed=st.integers())
def test_the_target_with_the_most_requests_for_its_weight_is_never_chosen(
    candidates: list[Fake], seed: int
) -> None:
    """Of two that are compared, one has less, unless all have the same."""
    policy = LeastRequests[Fake](random.Random(seed).random)
    policy.use(candidates)
    chosen = policy.choose(b"")
    most = max(each.load / each.share for each in candidates)
    others = [each for each in candidates if each is not chosen]
    if others and chosen.load / chosen.share == most:
        assert any(each.load / each.share == pytest.approx(most) for each in others)


def test_idle_targets_get_requests_by_weight() -> None:
    """A quarter and three quarters, within what chance allows with this seed."""
    policy = LeastRequests[Fake](random.Random(1).random)
    light, heavy = fakes(1, 3)
    policy.use([light, heavy])
    chosen = Counter(policy.choose(b"").name for _ in range(4000))
    assert 900 < chosen[light.name] < 1100


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 3))
def test_in_turn_each_target_gets_as_many_requests_as_its_weight(
    weights: list[int], rounds: int
) -> None:
    """In each round of as many requests as all weights together."""
    candidates = fakes(*weights)
    policy = RoundRobin[Fake]()
    policy.use(candidates)
    for _ in range(rounds):
        chosen = Counter(policy.choose(b"").name for _ in range(sum(weights)))
        assert [chosen[each.name] for each in candidates] == weights


def test_requests_in_turn_are_spread_evenly() -> None:
    """The example of nginx: weights 5, 1 and 1."""
    policy = RoundRobin[Fake]()
    a, b, c = fakes(5, 1, 1)
    policy.use([a, b, c])
    assert [policy.choose(b"") for _ in range(7)] == [a, a, b, a, c, a, a]


@given(
    names=st.sets(st.text(min_size=1, max_size=20), min_size=2, max_size=8),
    keys=st.sets(st.binary(max_size=80), min_size=1, max_size=40),
)
def test_only_the_keys_of_a_target_that_goes_get_another_one(
    names: set[str], keys: set[bytes]
) -> None:
    """And a key keeps its target as long as that is there, whatever the order and the loads."""
    policy = ConsistentHash[Fake]()
    targets = [Fake(name) for name in sorted(names)]
    policy.use(targets)
    before = {key: policy.choose(key).name for key in keys}
    gone, *left = targets
    policy.use([Fake(each.name, each.share, 7) for each in reversed(left)])
    for key in keys:
        now = policy.choose(key).name
        assert now == before[key] or before[key] == gone.name


def test_keys_are_shared_out_by_weight() -> None:
    """A fifth and four fifths of many keys: always the same keys."""
    policy = ConsistentHash[Fake]()
    light, heavy = fakes(1, 4)
    policy.use([light, heavy])
    chosen = Counter(policy.choose(b"key %d" % number).name for number in range(4000))
    assert 700 < chosen[light.name] < 900
