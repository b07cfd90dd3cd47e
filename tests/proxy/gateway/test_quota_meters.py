"""Quotas are spent from blocks: asked for in time, shared by who waits, given back in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.quota import Period, Quota
from proxy.gateway.quota_meters import QuotaMeters
from proxy.store.protocols import QuotaDemand, QuotaGrant, QuotaRefund

NOW = 1_000 * 86_400_000
"""The beginning of a day."""


@dataclass
class Granter:
    """Grants the quotas of one day, when it is let."""

    used: int = 0
    available: bool = True
    let: asyncio.Event = field(default_factory=asyncio.Event)
    demands: list[int] = field(default_factory=list)
    """What was wanted, demand by demand."""
    refunds: list[int] = field(default_factory=list)
    now: int = NOW

    def __post_init__(self) -> None:
        self.let.set()

    async def grant_quotas(
        self, demands: Mapping[str, QuotaDemand], refunds: Sequence[QuotaRefund], now: int
    ) -> dict[str, QuotaGrant]:
        """As the store does."""
        await self.let.wait()
        if not self.available:
            raise StoreUnavailable("away")
        self.refunds += [each.unspent for each in refunds]
        self.used -= sum(each.unspent for each in refunds)
        self.demands += [each.wanted for each in demands.values()]
        return {subject: self._granted(each, now) for subject, each in demands.items()}

    def _granted(self, demand: QuotaDemand, now: int) -> QuotaGrant:
        granted = max(0, min(demand.wanted, demand.quota.count - self.used))
        self.used += granted
        return QuotaGrant(granted, demand.quota.count - self.used, Period.DAY.ends(now))


def meters(granter: Granter) -> QuotaMeters:
    return QuotaMeters(granter, lambda: granter.now)


async def spend(meters: QuotaMeters, quota: Quota) -> bool:
    """Whether a request fits; it waits for a grant where it has to."""
    now = meters._clock()
    while (left := meters.left("1c1", quota, now)) is None:
        await meters.fetch("1c1", quota, now)
    if left:
        meters.spend("1c1")
    return left > 0


async def test_the_next_block_is_asked_for_before_the_last_is_used_up() -> None:
    """So only the first request waits."""
    granter, quota = Granter(), Quota.parse("2000/day")
    spender = meters(granter)
    waits = 0
    for _ in range(100):
        waits += spender.left("1c1", quota, NOW) is None
        assert await spend(spender, quota)
        await asyncio.sleep(0)
    assert waits == 1
    assert set(granter.demands) == {10}
    assert granter.used - 100 <= 15


async def test_who_waits_at_the_same_time_is_granted_in_one_demand() -> None:
    """It is as large as they need, and no two of them spend the same request."""
    granter, quota = Granter(), Quota.parse("100/day")
    granter.let.clear()
    spender = meters(granter)
    tasks = [asyncio.create_task(spend(spender, quota)) for _ in range(150)]
    await asyncio.sleep(0)
    granter.let.set()
    assert sorted(await asyncio.gather(*tasks)) == [False] * 50 + [True] * 100
    assert len(granter.demands) <= 3
    assert granter.used == 100


async def test_a_quota_that_is_used_up_is_refused_from_memory() -> None:
    """Until its day ends: a flood does not reach the store."""
    granter, quota = Granter(used=99), Quota.parse("100/day")
    spender = meters(granter)
    assert await spend(spender, quota)
    assert not await spend(spender, quota)
    asked = len(granter.demands)
    for _ in range(50):
        assert not await spend(spender, quota)
    assert len(granter.demands) == asked
    granter.used, granter.now = 0, NOW + 86_400_000
    assert await spend(spender, quota)


async def test_what_was_not_spent_is_given_back() -> None:
    """At a clean stop; then exactly what was let through is used."""
    granter, quota = Granter(), Quota.parse("2000/day")
    spender = meters(granter)
    for _ in range(3):
        await spend(spender, quota)
    await spender.close()
    assert granter.used == 3
    assert len(spender) == 0


async def test_a_block_that_is_asked_for_in_the_end_is_given_back_too() -> None:
    """Of a small quota, the next block is asked for with the last request."""
    granter, quota = Granter(), Quota.parse("3/day")
    spender = meters(granter)
    await spend(spender, quota)
    await spender.close()
    assert granter.used == 1


async def test_an_idle_quota_is_given_back_and_takes_no_memory() -> None:
    """One that is used meanwhile is kept."""
    granter, quota = Granter(), Quota.parse("2000/day")
    spender = meters(granter)
    await spend(spender, quota)
    spender.age()
    await spend(spender, quota)
    spender.age()
    assert len(spender) == 1
    spender.age()
    await asyncio.sleep(0)
    assert len(spender) == 0
    assert granter.used == 2


async def test_an_edit_gives_back_what_was_granted_by_the_old_quota() -> None:
    """A smaller quota counts at once, although more was granted ahead."""
    granter = Granter()
    spender = meters(granter)
    for _ in range(60):
        await spend(spender, Quota.parse("2000/day"))
    assert not await spend(spender, Quota.parse("60/day"))
    assert granter.used == 60
    assert await spend(spender, Quota.parse("61/day"))
    assert not await spend(spender, Quota.parse("61/day"))


async def test_without_the_store_what_was_granted_is_spent_and_no_more() -> None:
    """Then requests fail until it is back. Who waits is told, and nobody else."""
    granter, quota = Granter(), Quota.parse("2000/day")
    spender = meters(granter)
    await spend(spender, quota)
    granter.available = False
    for _ in range(9):
        assert await spend(spender, quota)
        await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await spend(spender, quota)
    granter.available = True
    assert await spend(spender, quota)


async def test_a_refund_that_fails_is_not_sent_again() -> None:
    """The store may have taken it back in spite of the error: a quota would be exceeded."""
    granter, quota = Granter(), Quota.parse("2000/day")
    spender = meters(granter)
    await spend(spender, quota)
    granter.available = False
    await spender.close()
    granter.available = True
    await spender.close()
    assert granter.refunds == []


async def test_a_request_that_gives_up_waiting_takes_nothing_from_the_others() -> None:
    """The demand goes on for them."""
    granter, quota = Granter(), Quota.parse("100/day")
    granter.let.clear()
    spender = meters(granter)
    first, second = (asyncio.create_task(spend(spender, quota)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    granter.let.set()
    assert await second
    assert first.cancelled()
