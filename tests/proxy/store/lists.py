"""Keys to list, and lists read page by page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from proxy.domain.model import AccountKind, Key, Role, State
from proxy.store.protocols import Store
from proxy.store.query import Query
from tests.harness import account, environment

SORTS = ("id", "name", "state", "created", "expires", "last_used", "role", "access_key")
"""The columns that keys can be sorted by."""
NAMES = (None, "", "a", "B", "b", "bb", "ä", "a%b")


def key(number: int, **changes: object) -> Key:
    """An active key of the account 1, with an access key of its own."""
    made = Key(
        number, "u", f"K{number}", b"$2b$", True, 1, None, None, Role.OWNER, None, None,
        State.ACTIVE, 0,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def few_keys() -> Iterator[Key]:
    """A few dozen keys of three owners, with equal and missing values in every column."""
    for number, (name, expires) in enumerate(itertools.product(NAMES, (None, 5, 9, 12)), 1):
        made = key(number, name=name, expires=expires, created=number // 4)
        made = replace(made, account_id=1 + number % 2)
        if number % 3 == 0:
            made = replace(made, account_id=None, environment_id=3)
        made = replace(made, last_used=(None, 3, 7, 3, 14)[number % 5], role=list(Role)[number % 4])
        yield replace(made, state=State.ACTIVE if number % 5 else State.INACTIVE)


async def add_many_keys(store: Store, count: int) -> None:
    """Add so many keys, half of them of the account 1 and half of the environment 3."""
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(environment(3, "a"))
        for number in range(1, count + 1):
            odd = number % 2
            made = key(number, account_id=1 if odd else None, environment_id=None if odd else 3)
            made = replace(made, name=f"n{number % 97}", created=number // 10)
            made = replace(made, role=list(Role)[number % 4], last_used=number % 70 or None)
            await change.put(replace(made, expires=number % 50 or None))


def position(key: Key, column: str) -> tuple[int | str, int]:
    """Where a key stands in the order by `column`. NULL counts as the least value."""
    value = getattr(key, column)
    return (value if value is not None else ("" if column == "name" else 0)), key.id


async def all_key_ids(store: Store, query: Query, owner: int | None = None) -> list[int]:
    """The ids of the keys on all pages that follow `query`."""
    seen: list[int] = []
    while True:
        page = await store.list_keys(query, owner=owner)
        assert len(page.records) <= query.limit
        seen += [key.id for key in page.records]
        if page.next is None:
            return seen
        query = replace(query, after=page.next)
