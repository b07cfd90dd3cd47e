"""Rates: what is granted of one in any span of time is never more than the burst and what the rate
gives in that span."""

from __future__ import annotations

import asyncio
import time

import pytest

from proxy.domain.gcra import Rate
from proxy.domain.rate_grants import RateDemand, RateGrant
from proxy.store.protocols import Store

SLOW = Rate.parse("10/h", 5)
"""So slow that none comes back during a test."""


async def granted(store: Store, wanted: int, rate: Rate = SLOW) -> RateGrant:
    """What is granted to the key 1c1."""
    return (await store.grant_rates({"1c1": RateDemand(rate, wanted)}))["1c1"]


async def test_a_burst_is_granted_until_nothing_is_left(store: Store) -> None:
    """A demand for more gets what is left, and is told when there is more."""
    first = await granted(store, 3)
    assert (first.granted, first.left, first.sharing) == (3, 2, 1)
    second = await granted(store, 3)
    assert (second.granted, second.left) == (2, 0)
    third = await granted(store, 1)
    assert (third.granted, third.left) == (0, 0)
    assert 300_000_000 < third.wait <= 360_000_000


async def test_a_rate_gives_more_as_time_goes_on(store: Store) -> None:
    """By the clock of the store: in all, the burst and what the rate gives from the first question
    to the last."""
    rate, begun, total = Rate.parse("100/s", 100), time.monotonic(), 0
    while time.monotonic() < begun + 0.5:
        grant = await granted(store, 30, rate)
        total += grant.granted
        await asyncio.sleep(0.02)
    assert 100 < total <= 100 + 100 * (time.monotonic() - begun) + 1


async def test_at_least_what_comes_in_a_second_may_come_at_once(store: Store) -> None:
    """Since nodes ask ahead for as long as that."""
    rate = Rate.parse("36000/h", 1)
    assert (await granted(store, 1000, rate)).granted == 10


async def test_a_question_for_nothing_tells_what_is_left(store: Store) -> None:
    """And uses nothing up."""
    assert await granted(store, 0) == RateGrant(0, 5, 0)
    await granted(store, 2)
    for _ in range(2):
        look = await granted(store, 0)
        assert (look.granted, look.left) == (0, 3)
        assert 0 < look.wait <= 360_000_000


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (Rate.parse("10/h", 8), 4),
        (Rate.parse("10/h", 4), 0),
        (Rate.parse("20/h", 5), 1),
        (Rate.parse("1/s", 5), 1),
        (Rate.parse("5/h", 5), 1),
    ],
    ids=str,
)
async def test_an_edit_of_a_rate_counts_on_from_what_was_granted(
    store: Store, after: Rate, left: int
) -> None:
    """As many requests as were granted are used of the new rate, but no more than its burst. (At
    1/s one may have come back meanwhile.)"""
    await granted(store, 4)
    assert left <= (await granted(store, 8, after)).granted <= left + (after.count == 1)


async def test_a_burst_that_was_made_smaller_forgets_what_was_used_beyond_it(store: Store) -> None:
    """So that it is full again after the time of its own burst."""
    await granted(store, 50, Rate.parse("10/h", 50))
    small = Rate.parse("36000/h", 1)
    assert (await granted(store, 1, small)).granted == 0
    await asyncio.sleep(0.2)
    assert (await granted(store, 1, small)).granted == 1


async def test_many_holders_are_granted_their_rates_at_once(store: Store) -> None:
    """Each its own, in whatever order they are asked for at the same time."""
    demands = {f"1c{number}": RateDemand(SLOW, 1) for number in range(500)}
    backwards = dict(reversed(demands.items()))
    answers = await asyncio.gather(*(store.grant_rates(each) for each in (demands, backwards) * 3))
    for subject in demands:
        assert sum(answer[subject].granted for answer in answers) == 5
    assert await store.grant_rates({}) == {}


async def test_demands_at_the_same_time_never_get_more_together(store: Store) -> None:
    """One waits for the other."""
    grants = await asyncio.gather(*(granted(store, 2) for _ in range(8)))
    assert sum(each.granted for each in grants) == 5


async def test_the_fastest_and_the_slowest_rates_are_granted(store: Store) -> None:
    """Whatever can be written in limits."""
    fast = Rate.parse("999999999/s", 1_000_000_000)
    grant = await granted(store, 2_000_000_000, fast)
    assert grant.granted == 1_000_000_000
    slow = Rate.parse("1/h", 1_000_000_000)
    assert (await granted(store, 1, slow)).granted in (0, 1)
    grant = (await store.grant_rates({"1c2": RateDemand(slow, 10**9)}))["1c2"]
    assert (grant.granted, grant.left) == (10**9, 0)
    assert (await granted(store, 1, fast)).left >= 0
