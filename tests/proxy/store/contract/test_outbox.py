"""Messages to webhooks are kept with what they tell, and until they are too old."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.events import Delivery, DeliveryState, Event, EventType
from proxy.domain.quota import Quota
from proxy.domain.usage import DAY
from proxy.store.protocols import QuotaDemand, Store
from proxy.store.query import Query
from proxy.store.sql import outbox

ROTATED = Entry(5, Actor("1a1", "1c1"), "key.rotate", "1c9", {}, {})


async def messages(store: Store) -> list[Delivery]:
    """All of them."""
    return (await store.list_deliveries(Query(limit=1000))).records


def listening(store: Store, *names: str) -> list[None]:
    """Have the store write messages to these webhooks; the list gets longer at each wake."""
    woken = list[None]()
    store.announce_to(lambda _: names, lambda: woken.append(None))
    return woken


async def test_an_entry_that_is_an_event_leaves_a_message_to_each_webhook(store: Store) -> None:
    """In its own transaction, so both are kept or neither; whoever sends is woken after that."""
    woken = listening(store, "a", "b")
    with suppress(ZeroDivisionError):
        async with store.write() as change:
            await change.record(ROTATED)
            raise ZeroDivisionError
    assert (await messages(store), woken) == ([], [])
    async with store.write() as change:
        await change.record(ROTATED)
        await change.record(replace(ROTATED, action="key.create"))
        assert woken == []
    one, other = await messages(store)
    assert woken == [None]
    assert (one.webhook, other.webhook) == ("a", "b")
    assert one.message == other.message
    assert (one.state, one.attempts, one.due, one.created) == (DeliveryState.WAITING, 0, 5, 5)
    assert await store.find_delivery(one.id) == one
    assert await store.find_delivery(99) is None


async def test_without_a_webhook_there_are_no_messages(store: Store) -> None:
    """And nobody is woken."""
    woken = listening(store)
    async with store.write() as change:
        await change.record(ROTATED)
    assert (await messages(store), woken) == ([], [])


async def test_messages_are_due_in_order_until_they_are_delivered(store: Store) -> None:
    """Each webhook has its own."""
    listening(store, "a")
    async with store.write() as change:
        for time in (30, 10, 20):
            await change.announce(Event(EventType.KEY_ROTATED, time, {}))
        await change.announce(Event(EventType.TEST, 1, {}), "b")
    assert [each.due for each in await store.list_due("a", 20, 5)] == [10, 20]
    assert [each.due for each in await store.list_due("a", 30, 2)] == [10, 20]
    first, second = await store.list_due("a", 20, 2)
    async with store.write() as change:
        later = replace(first, attempts=1, due=40, attempted=20, status=500, error="status 500")
        await change.put_delivery(later)
        await change.put_delivery(replace(second, state=DeliveryState.DELIVERED, attempts=1))
    assert await store.list_due("a", 30, 5) == [
        each for each in await messages(store) if each.due == 30
    ]
    assert await store.find_delivery(first.id) == later
    assert [each.webhook for each in await store.list_due("b", 30, 5)] == ["b"]


async def test_a_bounded_number_of_messages_waits_for_a_webhook(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are kept as failed, and say why."""
    monkeypatch.setattr(outbox, "MOST_WAITING", 2)
    listening(store, "a", "b")
    async with store.write() as change:
        await change.announce(Event(EventType.TEST, 1, {}), "b")
        for _ in range(3):
            await change.announce(Event(EventType.KEY_ROTATED, 1, {}), "a")
    found = [(each.webhook, each.state.value, each.error) for each in await messages(store)]
    assert found == [
        ("b", "waiting", None),
        ("a", "waiting", None),
        ("a", "waiting", None),
        ("a", "failed", outbox.QUEUE_FULL),
    ]


async def test_old_messages_are_deleted_and_their_ids_not_given_again(store: Store) -> None:
    """The oldest first, so many at most."""
    listening(store, "a")
    async with store.write() as change:
        for time in (10, 20, 30):
            await change.announce(Event(EventType.KEY_ROTATED, time, {}))
        assert await change.prune_deliveries(30, 1) == 1
        assert await change.prune_deliveries(30, 5) == 1
        assert await change.prune_deliveries(31, 5) == 1
        (new,) = await change.announce(Event(EventType.KEY_ROTATED, 40, {}))
    assert new.id == 4


async def used(store: Store, count: int, quota: str, now: int = DAY) -> None:
    """Grant so much of the quota of a key."""
    demand = QuotaDemand(Quota.parse(quota), count)
    await store.grant_quotas({"1c9": demand}, [], now)


async def test_a_quota_is_told_of_once_when_it_is_nearly_used_and_once_when_it_is(
    store: Store,
) -> None:
    """In each period anew; one that goes from little to all at once is only used up."""
    listening(store, "a")

    async def told() -> list[str]:
        return [each.event for each in await messages(store)]

    await used(store, 79, "100/day")
    assert await told() == []
    await used(store, 1, "100/day")
    await used(store, 5, "100/day")
    assert await told() == ["quota.nearing"]
    await used(store, 50, "100/day")
    await used(store, 50, "100/day")
    assert await told() == ["quota.nearing", "quota.reached"]
    await used(store, 100, "100/day", 2 * DAY)
    assert await told() == ["quota.nearing", "quota.reached", "quota.reached"]
