"""Webhooks are told of keys that expire soon, once for each number of days."""

from __future__ import annotations

import json
from dataclasses import replace

from admin.webhooks.expiry_notices import EVERY, ExpiryNotices
from proxy.domain.events import EventType
from proxy.domain.model import AccountKind, State
from proxy.domain.usage import DAY
from proxy.store.protocols import Store
from proxy.store.query import Query
from tests.support.seed import account, new_key

BEGIN = 20_000 * DAY


class Told:
    """What is announced while time passes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = BEGIN
        store.announce_to(lambda _: ["ops"], lambda: None)
        self.notices = ExpiryNotices(store, lambda: self.now, lambda: [30, 7, 1], lambda _: ["ops"])

    async def at(self, moment: int) -> list[tuple[str, int]]:
        """All (key, days) announced so far, once it is `moment`."""
        self.now = moment
        await self.notices.tick()
        found = (await self.store.list_deliveries(Query(limit=1000))).records
        assert {each.event for each in found} <= {EventType.KEY_EXPIRING}
        data = [json.loads(each.body)["data"] for each in found]
        return [(each["keyId"], each["withinDays"]) for each in data]


async def test_a_key_is_told_of_once_for_each_number_of_days(store: Store) -> None:
    """With the next of them where several have passed already; an expiry that was put off counts
    anew. Keys that are inactive, or have expired, are not told of."""
    told, end = Told(store), BEGIN + 40 * DAY
    pair = new_key(store, 5, account_id=1, expires=end, name="reports")
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(pair.key)
        await change.put(new_key(store, 6, account_id=1, expires=BEGIN).key)
        off = {"expires": BEGIN + DAY, "state": State.INACTIVE}
        await change.put(new_key(store, 7, account_id=1, **off).key)
    assert await told.at(BEGIN) == []
    assert await told.at(end - 30 * DAY) == [("1c5", 30)]
    assert await told.at(end - 8 * DAY) == [("1c5", 30)]
    assert await told.at(end - 1000) == [("1c5", 30), ("1c5", 1)]
    assert await told.at(end - 1000 + EVERY) == [("1c5", 30), ("1c5", 1)]
    async with store.write() as change:
        await change.put(replace(pair.key, expires=end + 5 * DAY))
    assert (await told.at(end + 3 * EVERY))[2:] == [("1c5", 7)]
    (first, *_) = (await store.list_deliveries(Query())).records
    assert json.loads(first.body)["data"] == {
        "keyId": "1c5",
        "name": "reports",
        "accountId": "1a1",
        "expires": "2024-11-13T00:00:00Z",
        "withinDays": 30,
    }


async def test_between_two_looks_nothing_is_read(store: Store) -> None:
    """Nor where no webhook wants to know."""
    told = Told(store)
    await told.at(BEGIN)
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(new_key(store, 5, account_id=1, expires=BEGIN + DAY).key)
    assert await told.at(BEGIN + EVERY - 1) == []
    assert await told.at(BEGIN + EVERY) == [("1c5", 1)]
    nobody = ExpiryNotices(store, lambda: BEGIN, lambda: [400], lambda _: ())
    await nobody.tick()
    assert await told.at(BEGIN + EVERY) == [("1c5", 1)]
