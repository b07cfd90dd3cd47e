"""Quotas: what is granted of one in a period is never more than the quota."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.errors import StoreUnavailable
from proxy.domain.quota import Quota
from proxy.store.open import open_store
from proxy.store.protocols import Changes, QuotaDemand, QuotaGrant, QuotaRefund, Store


def moment(text: str) -> int:
    """A time in UTC in milliseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON, MIDNIGHT = moment("2026-11-27T12:00:00"), moment("2026-11-28")
DECEMBER = moment("2026-12-01")
DAILY, MONTHLY = Quota.parse("10/day"), Quota.parse("15/month")


async def granted(
    store: Store, wanted: int, now: int = NOON, quota: Quota = DAILY, *refunds: QuotaRefund
) -> QuotaGrant:
    """What is granted to the key 1c1."""
    return (await store.grant_quotas({"1c1": QuotaDemand(quota, wanted)}, refunds, now))["1c1"]


async def test_a_quota_is_granted_until_nothing_is_left(store: Store) -> None:
    """A demand for more gets what is left; the next period begins anew."""
    assert await granted(store, 4) == QuotaGrant(4, 6, MIDNIGHT)
    assert await granted(store, 9) == QuotaGrant(6, 0, MIDNIGHT)
    assert await granted(store, 1, MIDNIGHT - 1) == QuotaGrant(0, 0, MIDNIGHT)
    assert await granted(store, 1, MIDNIGHT) == QuotaGrant(1, 9, moment("2026-11-29"))
    assert await granted(store, 1, MIDNIGHT - 1) == QuotaGrant(0, 0, MIDNIGHT)


async def test_what_was_not_spent_can_be_granted_again(store: Store) -> None:
    """In its own period: what comes back later is no gift to the next one."""
    await granted(store, 10)
    assert (await granted(store, 9, NOON + 1, DAILY, QuotaRefund("1c1", NOON, 3))).granted == 3
    late = await granted(store, 10, MIDNIGHT, DAILY, QuotaRefund("1c1", NOON, 3))
    assert late.granted == 10
    assert (await granted(store, 10, MIDNIGHT)).granted == 0


async def test_an_edit_of_a_quota_counts_on_from_what_was_granted(store: Store) -> None:
    """A larger one has more left, a smaller one nothing; so it is with one of the other period.
    Of a month's quota too, a grant ends with its day."""
    await granted(store, 10)
    assert (await granted(store, 9, NOON, Quota.parse("12/day"))).granted == 2
    assert (await granted(store, 9, NOON, Quota.parse("5/day"))) == QuotaGrant(0, 0, MIDNIGHT)
    assert (await granted(store, 9, NOON, MONTHLY)) == QuotaGrant(3, 0, MIDNIGHT)
    assert (await granted(store, 9, MIDNIGHT, MONTHLY)).granted == 0
    assert (await granted(store, 9, DECEMBER, MONTHLY)).granted == 9


async def test_many_holders_are_granted_their_quotas_at_once(store: Store) -> None:
    """Each its own."""
    demands = {f"1c{number}": QuotaDemand(DAILY, number) for number in range(1, 1000)}
    await store.grant_quotas(demands, [], NOON)
    grants = await store.grant_quotas(demands, [], NOON)
    assert [grants[f"1c{number}"].granted for number in (1, 5, 7, 10, 999)] == [1, 5, 3, 0, 0]
    assert await store.grant_quotas({}, [QuotaRefund("1c1", NOON, 1)], NOON) == {}


async def test_demands_at_the_same_time_never_get_more_together(store: Store) -> None:
    """One waits for the other."""
    grants = await asyncio.gather(*(granted(store, 3) for _ in range(8)))
    assert sum(each.granted for each in grants) == 10


async def test_a_grant_makes_no_revision_and_survives_a_restart(store: Store, url: str) -> None:
    """No record depends on it."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    before = await store.load_settings()
    await granted(store, 4)
    assert announced == []
    assert await store.load_settings() == before
    await store.close()
    with pytest.raises(StoreUnavailable):
        await granted(store, 1)
    again = await open_store(url)
    assert await granted(again, 7) == QuotaGrant(6, 0, MIDNIGHT)
    await again.close()


NUMBERS = itertools.count(2)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 12), st.sampled_from(["10/day", "25/day", "40/month"])
    ),
    max_size=30,
)


@given(STEPS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_all_grants_of_a_period_are_never_more_than_the_quota(
    store: Store, steps: list[tuple[int, int, str]]
) -> None:
    """However the quota is edited meanwhile."""
    subject, now = f"1c{next(NUMBERS)}", NOON
    in_period: dict[int, int] = {}
    by_month: dict[int, int] = {}
    for days, wanted, text in steps:
        now += days * 86_400_000
        quota = Quota.parse(text)
        grant = (await store.grant_quotas({subject: QuotaDemand(quota, wanted)}, [], now))[subject]
        day = now // 86_400_000
        month = quota.period.MONTH.begins(now)
        in_period[day] = in_period.get(day, 0) + grant.granted
        by_month[month] = by_month.get(month, 0) + grant.granted
        used = in_period[day] if quota.period == "day" else by_month[month]
        assert grant.granted <= wanted
        assert grant.left == max(0, quota.count - used)
        assert not grant.granted or used <= quota.count
