"""Lists: every record once, in any order, filtered as requested, within a bounded effort."""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.model import AccountKind, Key, Membership, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.store.query import MAX_EXAMINED, Filter, Modifier, Page, Query
from tests.harness import account, environment
from tests.proxy.store.adapters import Adapter
from tests.proxy.store.lists import (
    NAMES,
    SORTS,
    add_many_keys,
    all_key_ids,
    few_keys,
    key,
    position,
)

KEYS = list(few_keys())
MANY = 25_000
"""More keys than are examined for two pages."""


@pytest.fixture(scope="module")
def filled(adapter: Adapter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with `KEYS` and one key that is removed; no test changes it."""

    async def fill(url: str) -> None:
        store = await open_store(url, create=True)
        async with store.write() as change:
            await change.put(account(1, AccountKind.ADMIN))
            await change.put(account(2, AccountKind.USER))
            await change.put(environment(3, "a"))
            await change.put(environment(4, "b"))
            await change.put(Membership(1, 2, 4, Role.MEMBER, 7))
            for each in KEYS:
                await change.put(each)
            await change.put(key(999, state=State.REMOVED))
        await store.close()

    with adapter.new_url(tmp_path_factory.mktemp("lists")) as url:
        asyncio.run(fill(url))
        yield url


@pytest.fixture
async def store(filled: str) -> AsyncIterator[Store]:
    """The store with `KEYS`, open."""
    opened = await open_store(filled)
    yield opened
    await opened.close()


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_show_every_record_once_in_order(
    store: Store, sort: str, descending: bool, limit: int
) -> None:
    """Whatever the order and the page size, for all keys and for those of one owner."""
    for owner in (None, 1, 3):
        expected = [each for each in KEYS if owner in {None, each.account_id, each.environment_id}]
        expected.sort(key=lambda each: position(each, sort), reverse=descending)
        query = Query(sort, descending, limit)
        assert await all_key_ids(store, query, owner) == [each.id for each in expected]


def matches(record: Key, condition: Filter) -> bool:
    """What a filter means, in Python."""
    owner = record.environment_id if record.account_id is None else record.account_id
    value: Any = owner if condition.column == "owner_id" else getattr(record, condition.column)
    wanted: Any = condition.value
    match condition.modifier:
        case Modifier.NULL:
            return value is None
        case Modifier.NOTNULL:
            return value is not None
        case Modifier.NE:
            return bool(value != wanted)
        case Modifier.NULL_OR_LTE:
            return value is None or bool(value <= wanted)
    if value is None or wanted is None:
        return False
    if condition.modifier is Modifier.PREFIX:
        return bool(value.startswith(wanted))
    modifier = condition.modifier
    return bool(
        getattr(operator, {"lte": "le", "gte": "ge"}.get(modifier, modifier))(value, wanted)
    )


COMPARISONS = (Modifier.EQ, Modifier.NE, Modifier.LT, Modifier.LTE, Modifier.GT, Modifier.GTE)
FILTERS = st.one_of(
    st.builds(Filter, st.sampled_from(["expires", "created", "id", "last_used"]),
              st.sampled_from([*COMPARISONS, Modifier.NULL_OR_LTE]), st.integers(0, 14)),
    st.builds(Filter, st.sampled_from(["owner_id"]), st.sampled_from(COMPARISONS),
              st.integers(0, 3)),
    st.builds(Filter, st.just("name"), st.sampled_from([*COMPARISONS, Modifier.PREFIX]),
              st.sampled_from([name for name in NAMES if name is not None])),
    st.builds(Filter, st.sampled_from(["name", "expires", "last_used"]),
              st.sampled_from([Modifier.NULL, Modifier.NOTNULL])),
    st.builds(Filter, st.sampled_from(["id", "name", "expires", "state"]), st.just(Modifier.EQ),
              st.none()),
)  # fmt: skip


@given(
    sort=st.sampled_from(SORTS),
    descending=st.booleans(),
    filters=st.lists(FILTERS, max_size=3),
    limit=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_a_filtered_list_holds_the_records_that_match_every_filter(
    filled: str, sort: str, descending: bool, filters: list[Filter], limit: int
) -> None:
    """They come in order, whichever index serves the order."""

    async def listed() -> list[int]:
        store = await open_store(filled)
        try:
            return await all_key_ids(store, Query(sort, descending, limit, filters=filters))
        finally:
            await store.close()

    expected = [each for each in KEYS if all(matches(each, one) for one in filters)]
    expected.sort(key=lambda each: position(each, sort), reverse=descending)
    assert asyncio.run(listed()) == [each.id for each in expected]


@pytest.mark.parametrize(
    ("modifier", "pattern", "names"),
    [
        (Modifier.LIKE, "%B%", {"B", "b", "bb", "a%b"}),
        (Modifier.NOTLIKE, "%b%", {None, "", "a", "ä"}),
        (Modifier.PREFIX, "a%", {"a%b"}),
    ],
)
async def test_a_percent_sign_is_a_wildcard_in_like_but_not_in_a_prefix(
    store: Store, modifier: Modifier, pattern: str, names: set[str | None]
) -> None:
    """`like` stands for any characters there and ignores case."""
    page = await store.list_keys(Query(filters=[Filter("name", modifier, pattern)]))
    assert {each.name for each in page.records} == names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PLOY", {1, 2}),
        ("deploys", {1}),
        ("of the", {3}),
        ("cafe01", {4}),
        ("grün", {5}),
        ("GRün", {5}),
        ("GRÜN", set()),
        ("%", {6}),
        ("_", {2}),
        ("e%o", set()),
        ("e_o", set()),
        ("\\", {6}),
        ("x" * 255, set()),
        ("", {1, 2, 3, 4, 5, 6}),
    ],
)
async def test_a_search_finds_a_text_in_names_descriptions_and_access_keys(
    url: str, text: str, found: set[int]
) -> None:
    """No character of it is a wildcard, and upper and lower case of A to Z are equal."""
    store = await open_store(url, create=True)
    async with store.write() as change:
        await change.put(account(1, AccountKind.USER))
        for each in (
            key(1, name="deploys"),
            key(2, name="de_ploy", state=State.INACTIVE),
            key(3, description="Laptop\nof the office"),
            key(4, access_key="00CAFE01"),
            key(5, name="Grün"),
            key(6, name="100 %", description="\\"),
            key(7, name="deploys of the % _ cafe01", state=State.REMOVED),
        ):
            await change.put(each)
    search = Filter("id", Modifier.SEARCH, text)
    for query in (Query(filters=[search]), Query("name", True, 2, filters=[search])):
        assert set(await all_key_ids(store, query)) == found
    active = [search, Filter("state", Modifier.EQ, "active")]
    assert set(await all_key_ids(store, Query("last_used", filters=active))) == found - {2}
    await store.close()


async def test_accounts_and_environments_are_searched_too(store: Store) -> None:
    """Environments also by their slug, and those of a member alone."""

    def searched(text: str) -> Query:
        return Query(filters=[Filter("id", Modifier.SEARCH, text)])

    assert [one.id for one in (await store.list_accounts(searched("COUNT 2"))).records] == [2]
    assert [one.id for one in (await store.list_environments(searched("A"))).records] == [3]
    for member, found in ((2, [4]), (1, [])):
        page = await store.list_environments(searched("b"), member=member)
        assert [one.id for one in page.records] == found


async def test_ids_within_an_excluded_range_are_left_out(store: Store) -> None:
    """`ne` with a last value excludes everything from the first value to the last."""
    page = await store.list_keys(Query(filters=[Filter("id", Modifier.NE, 3, last=30)]))
    assert [each.id for each in page.records] == [1, 2, 31, 32]


async def test_accounts_environments_and_memberships_are_listed_too(store: Store) -> None:
    """Environments by a member, and memberships by their account or environment."""
    assert [one.id for one in (await store.list_accounts(Query(limit=1))).records] == [1]
    assert [one.id for one in (await store.list_environments(Query())).records] == [3, 4]
    mine = await store.list_environments(Query("name"), member=2)
    assert [one.id for one in mine.records] == [4]
    member = Membership(1, 2, 4, Role.MEMBER, 7)
    for page in (
        await store.list_memberships(Query()),
        await store.list_memberships(Query(), environment=4),
        await store.list_memberships(Query(), account=2),
    ):
        assert page == Page([member])
    assert (await store.list_memberships(Query(), environment=3)).records == []


async def all_environment_ids(store: Store, query: Query, member: int) -> list[int]:
    """The ids of an account's environments on all pages."""
    seen: list[int] = []
    while True:
        page = await store.list_environments(query, member=member)
        seen += [one.id for one in page.records]
        if page.next is None:
            return seen
        query = replace(query, after=page.next)


@pytest.mark.parametrize("filters", [[], [Filter("id", Modifier.GT, 107)]])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "name", "state", "created"])
async def test_the_environments_of_a_member_are_listed_once_each_in_order(
    url: str, sort: str, descending: bool, filters: list[Filter]
) -> None:
    """All that are not removed, whatever the page size."""
    states = [State.ACTIVE, State.INACTIVE, State.REMOVED]
    made = [
        replace(
            environment(100 + n, f"e{n}"), name="ab"[n % 2], state=states[n % 3], created=n // 2
        )
        for n in range(12)
    ]
    store = await open_store(url, create=True)
    async with store.write() as change:
        for number in (1, 2):
            await change.put(account(number, AccountKind.USER))
        for each in made:
            await change.put(each)
            member = 1 if each.id % 4 else 2
            await change.put(Membership(200 - each.id, member, each.id, Role.MEMBER, 7))
    mine = [one for one in made if one.id % 4 and one.state is not State.REMOVED]
    expected = [one for one in mine if not filters or one.id > 107]
    expected.sort(key=lambda one: (getattr(one, sort), one.id), reverse=descending)
    for limit in (1, 2, 100):
        query = Query(sort, descending, limit, filters=filters)
        assert await all_environment_ids(store, query, 1) == [one.id for one in expected]
    await store.close()


@pytest.mark.parametrize("modifier", [Modifier.LIKE, Modifier.NOTLIKE])
async def test_the_longer_the_patterns_the_fewer_records_are_examined_for_a_page(
    url: str, modifier: Modifier
) -> None:
    """And still none is missed."""
    store = await open_store(url, create=True)
    await add_many_keys(store, 100)
    none = [Filter("name", modifier, "%" * 255 + "x" * (modifier is Modifier.LIKE))] * 50
    page = await store.list_keys(Query(filters=none))
    assert (page.records, page.partial) == ([], True)
    assert page.next
    assert page.next.id < 20
    assert await all_key_ids(store, Query(filters=none)) == []
    one = [Filter("name", Modifier.LIKE, "n50%" + "%" * 250)] * 50
    assert await all_key_ids(store, Query(filters=one)) == [50]
    await store.close()


async def test_a_list_stops_after_examining_too_many_records_and_goes_on_from_there(
    url: str,
) -> None:
    """With a filter that no order serves, a page says that it is partial, and none is missed."""
    store = await open_store(url, create=True)
    await add_many_keys(store, MANY)
    wanted = [Filter("access_key", Modifier.EQ, f"K{MANY}")]
    page = await store.list_keys(Query(filters=wanted))
    assert (page.records, page.partial) == ([], True)
    assert page.next
    assert page.next.id == MAX_EXAMINED
    assert await all_key_ids(store, Query(filters=wanted)) == [MANY]
    await store.close()


async def test_what_an_index_can_find_is_found_on_the_first_page(url: str) -> None:
    """Keys of one owner; keys that were never used, or not for long, in the order of their use."""
    store = await open_store(url, create=True)
    await add_many_keys(store, MANY)
    async with store.write() as change:
        await change.put(account(2, AccountKind.USER))
        for number in (1, 2):
            await change.put(key(MANY + number, account_id=2, last_used=number, created=5))
    for sort in SORTS:
        of_owner = Query(sort, filters=[Filter("owner_id", Modifier.EQ, 2)])
        page = await store.list_keys(of_owner)
        assert ([one.id for one in page.records], page.partial) == ([MANY + 1, MANY + 2], False)
    unused = (Filter("last_used", Modifier.NULL), Filter("last_used", Modifier.NULL_OR_LTE, 1))
    for descending, each in itertools.product((False, True), unused):
        page = await store.list_keys(Query("last_used", descending, 1000, filters=[each]))
        assert not page.partial
        expected = MANY // 70 if each.modifier is Modifier.NULL else 2 * (MANY // 70) + 2
        assert len(page.records) == expected
    await store.close()
