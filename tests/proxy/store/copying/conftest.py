"""Stores of each kind with rows in every table, and places for new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.limits import Limits
from proxy.domain.model import AccountKind, Membership, Role, State
from proxy.domain.quota import Quota
from proxy.domain.session import Session
from proxy.domain.usage import HOUR, Series, Sums
from proxy.store.copying.copy import copy
from proxy.store.copying.database import Place, Row
from proxy.store.open import open_store, place_of
from proxy.store.protocols import QuotaDemand, SecretRef, Store, Uses
from tests.harness import account, environment, new_key
from tests.proxy.store.adapters import ADAPTERS

KINDS = {adapter.name: adapter for adapter in ADAPTERS}
WAYS = [(one, other) for one in KINDS for other in KINDS]
"""From which kind to which."""
OWN = ("meta", "changes", "nodes", "rate_grants")


@pytest.fixture
def new_url(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """From the name of a kind, the URL of a store that does not exist yet."""
    with ExitStack() as stack:
        numbers = count()

        def make(kind: str) -> str:
            folder = tmp_path / str(next(numbers))
            return stack.enter_context(KINDS[kind].new_url(folder))

        yield make


async def fill(store: Store) -> None:
    """Put rows of every kind into a store."""
    store.announce_to(lambda _: ["hook"], lambda: None)
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(account(2, AccountKind.USER, name="é 'x' \\ \n", description="d\t\\N"))
        await change.put(account(3, AccountKind.USER, state=State.PURGED, removed=9))
        await change.put(environment(4, "a", limits=Limits(quota=Quota.parse("10/day"))))
        for number in (7, 8, 9):
            await change.put(new_key(store, number, account_id=1).key)
        await change.put(new_key(store, 10, environment_id=4, expires=10**12).key)
        for number in range(3):
            await change.next_id(("account", "key", "membership")[number])
        await change.put(Membership(5, 2, 4, Role.READONLY, 6))
        await change.put_setting("é", "")
        for number in (1, 2, 3):
            after = {"é": number, "more": None}
            await change.record(Entry(number, Actor("1a1"), "key.rotate", "1c7", {}, after))
        given = Session(0, b"\x00\xff", 7, b"hash", 1, 2, "::1", "é", 1)
        gone = await change.add_session(Session(0, b"gone", 7, b"hash", 1, 2, "::1", "é", 1))
        await change.add_session(given)
        await change.end_session(gone.id)
        key = await change.get_key(10)
        assert key is not None
        await change.note_expiring([key], 7)
    uses = {SecretRef(8): Uses(5, 5, "192.0.2.1", 3, {"192.0.2.0/24"})}
    sums = Sums(3)
    sums.seconds = 0.1 + 0.2
    await store.record_usage(uses, {Series(HOUR, 8, 0, "/**", "GET", 2): sums})
    await store.grant_quotas({"1c8": QuotaDemand(Quota.parse("10/day"), 4)}, (), 5)


@pytest.fixture
def filled(new_url: Callable[[str], str]) -> Callable[[str], Any]:
    """From the name of a kind, the URL of a store with rows of every kind, which is not open."""

    async def make(kind: str) -> str:
        url = new_url(kind)
        store = await open_store(url, create=True)
        try:
            await fill(store)
        finally:
            await store.close()
        return url

    return make


def rows_of(url: str) -> dict[str, list[Row]]:
    """All rows of the tables that a copy has too, with those of the audit log that were copied."""
    with place_of(url).existing() as database:
        assert database is not None
        found = {
            name: [row for batch in database.read(table) for row in batch]
            for name, table in database.tables().items()
            if name not in OWN
        }
        places = database.tables()["audit"].columns
        act = places.index("act")
        found["audit"] = [row for row in found["audit"] if not row[act].startswith("store.")]
        return found


def copied(source: str, target: str, **options: Any) -> Any:
    """Copy a store, at the time 77."""
    options = {"keep": False, **options}
    return copy(place(source), place(target), 77, lambda *_: None, **options)


def place(url: str) -> Place:
    """The place of a URL."""
    return place_of(url)
