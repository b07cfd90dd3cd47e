"""Several processes of one machine ask for rates by one question at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import SECOND, Rate
from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger
from proxy.store.rate_broker import RateBroker

RATE = Rate.parse("10/s")


class Store:
    """Grants rates once it is let go on."""

    def __init__(self) -> None:
        self.asked: list[dict[str, int]] = []
        self.goes_on = asyncio.Event()
        self.fails: Exception | None = None
        self._ledger = RateLedger()

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Implements `RateGranter`."""
        self.asked.append({subject: demand.wanted for subject, demand in demands.items()})
        await self.goes_on.wait()
        if self.fails is not None:
            raise self.fails
        return self._ledger.grant(demands, SECOND, sharing=3)


async def test_what_is_wanted_meanwhile_goes_with_the_next_question() -> None:
    """Each asker gets its part of what is granted to all, and is told how many share it."""
    store = Store()
    broker = RateBroker(store, 4)

    async def ask(subject: str, wanted: int) -> RateGrant:
        return (await broker.grant_rates({subject: RateDemand(RATE, wanted)}))[subject]

    asking = [asyncio.create_task(ask("1c1", 2))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking += [asyncio.create_task(ask(*each)) for each in (("1c1", 10), ("1c1", 6), ("1c2", 1))]
    await asyncio.sleep(0)
    store.goes_on.set()
    grants = await asyncio.gather(*asking)
    assert store.asked == [{"1c1": 2}, {"1c1": 16, "1c2": 1}]
    assert [grant.granted for grant in grants] == [2, 5, 3, 1]
    assert {grant.sharing for grant in grants} == {12}


@pytest.mark.parametrize("error", [StoreUnavailable("it is away"), RuntimeError("a bug")])
async def test_where_the_store_fails_all_who_asked_are_told(error: Exception) -> None:
    """And the next question is asked all the same."""
    store = Store()
    store.goes_on.set()
    store.fails = error
    broker = RateBroker(store, 4)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await broker.grant_rates({"1c1": RateDemand(RATE, 1)})
    store.fails = None
    granted = await broker.grant_rates({"1c1": RateDemand(RATE, 1)})
    assert granted["1c1"].granted == 1


async def test_who_asked_may_be_gone(caplog: pytest.LogCaptureFixture) -> None:
    """The others are answered."""
    store = Store()
    broker = RateBroker(store, 2)
    demand = {"1c1": RateDemand(RATE, 1)}
    gone, stays = (asyncio.create_task(broker.grant_rates(demand)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    store.goes_on.set()
    assert (await stays)["1c1"].granted == 1
    assert not caplog.records
