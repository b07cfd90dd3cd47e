"""Lists: every record once, in any order, at the same cost at any depth."""

from __future__ import annotations

import asyncio
import itertools
import operator
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.model import AccountKind, Key, Membership, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.store.query import MAX_EXAMINED, Cursor, Filter, Modifier, Page, Query
from tests.harness import account, environment

NAMES = (None, "", "a", "B", "b", "bb", "ä", "a%b")


def keys() -> list[Key]:
    """A few dozen keys of three owners, with equal and missing values in every column."""
    template = new_key_of(1)
    made = []
    for number, (name, expires) in enumerate(itertools.product(NAMES, (None, 5, 9, 12)), 1):
        key = replace(template, id=number, access_key=f"K{number}", name=name, expires=expires)
        key = replace(key, account_id=1 + number % 2, created=number // 4)
        if number % 3 == 0:
            key = replace(key, account_id=None, environment_id=3)
        made.append(replace(key, state=State.ACTIVE if number % 5 else State.INACTIVE))
    return made


def new_key_of(number: int) -> Key:
    return Key(
        number, "u", "K", b"$2b$", True, 1, None, None, Role.OWNER, None, None, State.ACTIVE, 0
    )


KEYS = keys()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with `KEYS` and one that is removed."""
    url = f"sqlite:///{tmp_path_factory.mktemp('lists')}/var/wardgate.db"

    async def fill() -> None:
        store = await open_store(url, create=True)
        async with store.write() as change:
            await change.put(account(1, AccountKind.ADMIN))
            await change.put(account(2, AccountKind.USER))
            await change.put(environment(3, "a"))
            await change.put(environment(4, "b"))
            await change.put(Membership(1, 2, 4, Role.MEMBER, 7))
            for key in KEYS:
                await change.put(key)
            await change.put(replace(new_key_of(999), access_key="gone", state=State.REMOVED))
        await store.close()

    asyncio.run(fill())
    return url


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Store]:
    """A new store, with the user accounts 1 and 2."""
    tmp_path.chmod(0o700)
    opened = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    async with opened.write() as change:
        for number in (1, 2):
            await change.put(account(number, AccountKind.USER))
    yield opened
    await opened.close()


@pytest.fixture
async def store(path: str) -> AsyncIterator[Store]:
    """It, open."""
    opened = await open_store(path)
    yield opened
    await opened.close()


def cursor(key: Key, column: str) -> tuple[int | str, int]:
    """Where a key stands in an order. NULL counts as the least."""
    value = getattr(key, column)
    return (value if value is not None else ("" if column == "name" else 0)), key.id


async def all_of(store: Store, query: Query, owner: int | None) -> list[int]:
    """The ids on all pages."""
    seen: list[int] = []
    while True:
        found = await store.list_keys(query, owner=owner)
        assert len(found.records) <= query.limit
        seen += [key.id for key in found.records]
        if found.next is None:
            return seen
        query = replace(query, after=found.next)


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "name", "state", "created", "expires"])
async def test_pages_show_every_record_once_in_order(
    store: Store, sort: str, descending: bool, limit: int
) -> None:
    """Whatever the order and the size of the pages, of everybody's keys and of one owner's."""
    for owner in (None, 1, 3):
        expected = [key for key in KEYS if owner in {None, key.account_id, key.environment_id}]
        expected.sort(key=lambda key: cursor(key, sort), reverse=descending)
        query = Query(sort, descending, limit)
        assert await all_of(store, query, owner) == [key.id for key in expected]


def fits(key: Key, given: Filter) -> bool:
    """What a filter means, in Python."""
    value, wanted = getattr(key, given.column), given.value
    match given.modifier:
        case Modifier.NULL:
            return value is None
        case Modifier.NOTNULL:
            return value is not None
        case Modifier.NE:
            return bool(value != wanted)
    if value is None:
        return False
    if given.modifier is Modifier.PREFIX:
        return bool(value.startswith(wanted))
    compare = getattr(operator, {"lte": "le", "gte": "ge"}.get(given.modifier, given.modifier))
    return bool(compare(value, wanted))


NUMBERS = (Modifier.EQ, Modifier.NE, Modifier.LT, Modifier.LTE, Modifier.GT, Modifier.GTE)
FILTERS = st.one_of(
    st.builds(Filter, st.sampled_from(["expires", "created", "id"]), st.sampled_from(NUMBERS),
              st.integers(0, 14)),
    st.builds(Filter, st.just("name"), st.sampled_from([*NUMBERS, Modifier.PREFIX]),
              st.sampled_from([name for name in NAMES if name is not None])),
    st.builds(Filter, st.sampled_from(["name", "expires"]),
              st.sampled_from([Modifier.NULL, Modifier.NOTNULL])),
)  # fmt: skip


@given(
    sort=st.sampled_from(["id", "name", "state", "created", "expires"]),
    descending=st.booleans(),
    filters=st.lists(FILTERS, max_size=3),
    limit=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_filters_mean_what_they_say(
    path: str, sort: str, descending: bool, filters: list[Filter], limit: int
) -> None:
    """The pages of a filtered list are the records that fit, in order, by any order's index."""

    async def ask() -> list[int]:
        store = await open_store(path)
        try:
            return await all_of(store, Query(sort, descending, limit, filters=filters), None)
        finally:
            await store.close()

    expected = [key for key in KEYS if all(fits(key, each) for each in filters)]
    expected.sort(key=lambda key: cursor(key, sort), reverse=descending)
    assert asyncio.run(ask()) == [key.id for key in expected]


@pytest.mark.parametrize(
    ("modifier", "pattern", "names"),
    [
        (Modifier.LIKE, "%B%", {"B", "b", "bb", "a%b"}),
        (Modifier.NOTLIKE, "%b%", {None, "", "a", "ä"}),
        (Modifier.PREFIX, "a%", {"a%b"}),
    ],
)
async def test_patterns(
    store: Store, modifier: Modifier, pattern: str, names: set[str | None]
) -> None:
    """`%` stands for anything in `like`, whatever the case; a prefix is taken as it is."""
    found = await store.list_keys(Query(filters=[Filter("name", modifier, pattern)]))
    assert {key.name for key in found.records} == names


async def test_other_lists(store: Store) -> None:
    """Accounts, environments by member, and memberships by either side."""
    assert [one.id for one in (await store.list_accounts(Query(limit=1))).records] == [1]
    assert [one.id for one in (await store.list_environments(Query())).records] == [3, 4]
    mine = await store.list_environments(Query("name"), member=2)
    assert [one.id for one in mine.records] == [4]
    member = Membership(1, 2, 4, Role.MEMBER, 7)
    for found in (
        await store.list_memberships(Query()),
        await store.list_memberships(Query(), environment=4),
        await store.list_memberships(Query(), account=2),
    ):
        assert found == Page([member])
    assert (await store.list_memberships(Query(), environment=3)).records == []


# --- what it costs -------------------------------------------------------------------------------


async def all_environments(store: Store, query: Query, member: int) -> list[int]:
    """The ids of an account's environments on all pages."""
    seen: list[int] = []
    while True:
        found = await store.list_environments(query, member=member)
        seen += [one.id for one in found.records]
        if found.next is None:
            return seen
        query = replace(query, after=found.next)


@pytest.mark.parametrize("filters", [[], [Filter("id", Modifier.GT, 107)]])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "name", "state", "created"])
async def test_the_environments_of_a_member(
    empty: Store, sort: str, descending: bool, filters: list[Filter]
) -> None:
    """Each that is not removed once, in order, however many a page has."""
    states = [State.ACTIVE, State.INACTIVE, State.REMOVED]
    made = [
        replace(
            environment(100 + n, f"e{n}"), name="ab"[n % 2], state=states[n % 3], created=n // 2
        )
        for n in range(12)
    ]
    async with empty.write() as change:
        for each in made:
            await change.put(each)
            number = 1 if each.id % 4 else 2
            await change.put(Membership(200 - each.id, number, each.id, Role.MEMBER, 7))
    mine = [one for one in made if one.id % 4 and one.state is not State.REMOVED]
    expected = [one for one in mine if not filters or one.id > 107]
    expected.sort(key=lambda one: (getattr(one, sort), one.id), reverse=descending)
    for limit in (1, 2, 100):
        query = Query(sort, descending, limit, filters=filters)
        assert await all_environments(empty, query, 1) == [one.id for one in expected]


MANY = 25_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with so many keys that a list has to stop."""
    folder = tmp_path_factory.mktemp("many")
    url = f"sqlite:///{folder}/var/wardgate.db"

    async def make() -> None:
        store = await open_store(url, create=True)
        async with store.write() as change:
            await change.put(account(1, AccountKind.ADMIN))
            await change.put(environment(3, "a"))
        await store.close()

    asyncio.run(make())
    database = sqlite3.connect(Path(url.removeprefix("sqlite:///")))
    rows = (
        (number, f"K{number}", 1 if number % 2 else None, None if number % 2 else 3,
         f"n{number % 97}", number // 10, number % 50 or None)
        for number in range(1, MANY + 1)
    )  # fmt: skip
    database.executemany(
        "INSERT INTO keys (id, uuid, access_key, secret_hash, sealed, account_id, environment_id, "
        "role, name, state, created, expires) "
        "VALUES (?, 'u', ?, x'00', 1, ?, ?, 'owner', ?, 'active', ?, ?)",
        rows,
    )
    database.commit()
    database.close()
    return url


async def test_a_list_stops_where_too_much_was_examined_and_goes_on_from_there(many: str) -> None:
    """A filter that no order serves examines so many records, says so, and misses none."""
    store = await open_store(many)
    wanted = [Filter("access_key", Modifier.EQ, f"K{MANY}")]
    found = await store.list_keys(Query(filters=wanted))
    assert (found.records, found.partial) == ([], True)
    assert found.next
    assert found.next.id == MAX_EXAMINED
    assert await all_of(store, Query(filters=wanted), None) == [MANY]
    await store.close()


@pytest.mark.parametrize("owner", [None, 3])
@pytest.mark.parametrize("sort", ["id", "name", "state", "created", "expires"])
async def test_a_late_page_costs_what_an_early_one_does(
    many: str, sort: str, owner: int | None
) -> None:
    """In steps of SQLite's virtual machine, in every order, of all keys and of one owner's."""
    store = await open_store(many)
    early = Query(sort, after=(await store.list_keys(Query(sort), owner=owner)).next)
    backwards = await store.list_keys(Query(sort, True, 1000), owner=owner)
    late = replace(early, after=Cursor(*cursor(backwards.records[-1], sort)))
    costs = [await cost(store, store.list_keys(query, owner=owner), 100) for query in (early, late)]
    await store.close()
    assert abs(costs[1] - costs[0]) <= 0.05 * costs[0]


@pytest.mark.parametrize("sort", ["id", "name", "state", "created"])
async def test_environments_of_others_cost_a_member_nothing(empty: Store, sort: str) -> None:
    """However many there are; and by id a late page costs no more than an early one."""
    async with empty.write() as change:
        await change.put(environment(10, "mine"))
        await change.put(Membership(10, 1, 10, Role.MEMBER, 7))
    alone = await cost(empty, empty.list_environments(Query(sort), member=1), 1)
    async with empty.write() as change:
        for number in range(11, 2011):
            await change.put(environment(number, f"other{number}"))
            await change.put(Membership(number, 2, number, Role.MEMBER, 7))
    assert await cost(empty, empty.list_environments(Query(sort), member=1), 1) <= alone
    if sort == "id":
        early, late = (Query(limit=50, after=Cursor(at, at)) for at in (20, 1900))
        costs = [
            await cost(empty, empty.list_environments(each, member=2), 50) for each in (early, late)
        ]
        assert abs(costs[1] - costs[0]) <= 0.05 * costs[0]


async def cost(store: Store, listing: Awaitable[Page[Any]], records: int) -> int:
    """The steps that it takes to list so many records."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    database = store._db  # type: ignore[attr-defined]
    await database.set_progress_handler(count, 1)
    assert len((await listing).records) == records
    await database.set_progress_handler(None, 1)
    return steps
