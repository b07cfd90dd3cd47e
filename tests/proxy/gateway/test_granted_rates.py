"""A node that shares rates: what it asks for, when it waits for the answer, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import SECOND, Rate
from proxy.domain.limiting import Metered
from proxy.domain.model import Reason
from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger
from proxy.gateway.limiter import PENDING, Limiter, Taken

RATE = Rate.parse("100/s")
KEY = (Metered("key-rate", "1c1", RATE, Reason.RATE),)


class Store:
    """Grants rates to two nodes, unless it is told to fail."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND
        self.fails: Exception | None = None
        self.asked: list[dict[str, int]] = []
        self.ledger = RateLedger()

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Implements `RateGranter`."""
        self.asked.append({subject: demand.wanted for subject, demand in demands.items()})
        await asyncio.sleep(0)
        if self.fails is not None:
            raise self.fails
        return self.ledger.grant(demands, self.now, 2)

    def limiter(self) -> Limiter:
        """That of a node."""
        store: Any = self
        return Limiter(store, lambda: self.now, rates=self)


async def settled() -> None:
    """Wait until all questions are answered."""
    for _ in range(10):
        await asyncio.sleep(0)


async def passed(limiter: Limiter, metered: tuple[Metered, ...] = KEY) -> Taken:
    """What becomes of a request that waits where it has to."""
    while (taken := limiter.take(metered)).pending:
        metered = tuple(await limiter.fetch(metered))
    return taken


async def test_the_first_request_waits_and_the_next_ones_have_a_courtesy() -> None:
    """Once it is known how many share the rates: five of a hundred for each of two."""
    store = Store()
    limiter = store.limiter()
    assert limiter.take(KEY) is PENDING
    assert not (await passed(limiter)).refused
    assert store.asked == [{"1c1": 1}]
    other = (Metered("account-rate", "1a2", RATE, Reason.RATE),)
    for metered in (KEY, other):
        assert [limiter.take(metered).pending for _ in range(6)] == [False] * 5 + [True]
    await settled()
    assert store.asked[1:] == [{"1c1": 5 + 1, "1a2": 5 + 1}]


async def test_what_all_nodes_have_used_up_is_refused_and_clients_are_told_when_to_come() -> None:
    """Another node has taken all of it. Its own rate would let requests through still."""
    store = Store()
    limiter = store.limiter()
    slow = (Metered("key-rate", "1c1", Rate.parse("1/min", 3), Reason.RATE),)
    store.ledger.grant({"1c1": RateDemand(slow[0].limit, 3)}, store.now)  # type: ignore[arg-type]
    taken = await passed(limiter, slow)
    assert taken.refused == list(slow)
    lines = limiter.refusal_lines(slow, taken.refused)
    assert lines.startswith(b"Retry-After: 60\r\n")
    assert b'RateLimit: "key-rate";r=0;t=60' in lines
    store.now += 60 * SECOND
    assert not (await passed(limiter, slow)).refused


async def test_the_fields_tell_the_less_of_what_this_node_and_all_of_them_have_left() -> None:
    """As of what the node knows."""
    store = Store()
    limiter = store.limiter()
    store.ledger.grant({"1c1": RateDemand(RATE, 30)}, store.now)
    await passed(limiter)
    assert b'"key-rate";r=69;' in limiter.lines(KEY)
    (reading,) = await limiter.look(KEY)
    assert reading.left == 69
    (reading,) = await store.limiter().look(KEY)
    assert reading.left == 69


async def test_a_limit_on_trial_refuses_nothing_for_want_of_an_answer() -> None:
    """A limit that holds gets 503 where nothing was ever answered, as a quota does."""
    store = Store()
    store.fails = StoreUnavailable("it is away")
    limiter = store.limiter()
    (metered,) = KEY
    assert await limiter.fetch([metered._replace(enforced=False)]) == []
    with pytest.raises(StoreUnavailable):
        await limiter.fetch(KEY)
    store.fails = None
    assert not (await passed(limiter)).refused


async def test_without_the_store_a_node_goes_by_its_share_until_it_is_back() -> None:
    """Half of the rate. It asks once a second whether it is back."""
    store = Store()
    limiter = store.limiter()
    await passed(limiter)
    store.fails = StoreUnavailable("it is away")
    store.now += 3 * SECOND
    limiter.tick()
    answers = [bool((await passed(limiter)).refused) for _ in range(80)]
    assert answers.index(True) in range(50, 56)
    assert limiter.grants["alone"]
    asked = len(store.asked)
    limiter.tick()
    await settled()
    assert store.asked[asked:] == [{}]
    store.fails = None
    limiter.tick()
    await settled()
    store.now += SECOND
    answers = [bool((await passed(limiter)).refused) for _ in range(120)]
    assert 90 < answers.count(False) <= 105


async def test_a_failure_that_nobody_expects_answers_all_who_wait() -> None:
    """By 503. The next question is asked all the same."""
    store = Store()
    limiter = store.limiter()
    store.fails = RuntimeError("a bug")
    with pytest.raises(StoreUnavailable):
        await limiter.fetch(KEY)
    store.fails = None
    assert not (await passed(limiter)).refused


async def test_an_edit_counts_on_from_what_was_granted() -> None:
    """What is in hand of the rate before is not used any more."""
    store = Store()
    limiter = store.limiter()
    for _ in range(20):
        await passed(limiter)
    small = (Metered("key-rate", "1c1", Rate.parse("25/s"), Reason.RATE),)
    answers = [bool((await passed(limiter, small)).refused) for _ in range(10)]
    assert 1 <= answers.count(False) <= 5


async def test_a_store_that_comes_and_goes_gives_nobody_a_burst_each_time() -> None:
    """What a process has granted to itself counts on while it can ask again: else each failure
    would let its share of a burst through anew."""
    store = Store()
    limiter = store.limiter()
    rate = Rate.parse("1/min", 100)
    large = (Metered("key-rate", "1c1", rate, Reason.RATE),)
    await passed(limiter, large)
    store.ledger.grant({"1c1": RateDemand(rate, 100)}, store.now)
    alone = 0
    for _ in range(5):
        store.fails = StoreUnavailable("it is away")
        store.now += 60 * SECOND  # for so long it was told that there is no more
        alone += [bool((await passed(limiter, large)).refused) for _ in range(60)].count(False)
        store.fails = None
        limiter.tick()
        await settled()
    assert 50 <= alone <= 60  # with what comes in the time, and a courtesy
    await limiter.close()


async def test_nothing_is_kept_of_who_is_not_in_use() -> None:
    """Nor of an edit, nor of a debt once it is paid."""
    store = Store()
    limiter = store.limiter()
    for _ in range(10):
        await passed(limiter)
    assert limiter._granted is not None
    for _ in range(6):
        store.now += SECOND
        limiter.tick()
        await settled()
    assert len(limiter._granted) == 0
    await limiter.close()
