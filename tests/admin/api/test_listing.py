"""Lists over HTTP: order, filters with every modifier, pages and their markers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from proxy.domain.model import Role, State
from tests.admin.admin_api import AdminApi

KEYS = "/v2-beta/apikeys"
DAY = 24 * 60 * 60 * 1000
T0 = 1_800_000_000_000

ROWS = [  # name, description, state, role, created, expires
    ("b", "one", State.ACTIVE, Role.OWNER, T0, None),
    (None, None, State.INACTIVE, Role.MEMBER, T0 + 1000, T0 + 2000),
    ("B", "two", State.ACTIVE, Role.MEMBER, T0 + 1000, T0 + 1000),
    ("ab", "10%", State.INACTIVE, Role.READONLY, T0 + 3000, None),
    ("é", "a_b", State.ACTIVE, Role.OWNER, T0 + 2000, T0 + 3000),
]


@pytest.fixture
async def keys(api: AdminApi) -> list[str]:
    """The ids of keys 1c2 to 1c6 of one account, made of `ROWS`."""
    account = await api.account()
    made = []
    for name, description, state, role, created, expires in ROWS:
        key = (await api.key(account, role, state=state, expires=expires)).key
        made.append(replace(key, name=name, description=description, created=created))
    await api.put(*made)
    return [key.ref for key in made]


async def listed(api: AdminApi, keys: list[str], path: str = KEYS, **query: str) -> list[int]:
    """The rows that are in a list, in its order, without the admin's own key."""
    answer = await api.admin.get(f"{path}?{urlencode(query)}")
    assert answer.status == 200, answer.text
    refs = [each["id"] for each in answer.body["data"]]
    return [keys.index(ref) for ref in refs if ref in keys]


def date(milliseconds: int) -> str:
    """A time in the form of the API."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


async def test_null_sorts_first_and_equal_values_sort_by_id(api: AdminApi, keys: list[str]) -> None:
    """Descending is the exact reverse."""
    for sort, order in (
        ("id", [0, 1, 2, 3, 4]),
        ("name", [1, 2, 3, 0, 4]),
        ("state", [0, 2, 4, 1, 3]),
        ("created", [0, 1, 2, 4, 3]),
        ("expires", [0, 3, 2, 1, 4]),
    ):
        assert await listed(api, keys, sort=sort) == order
        assert await listed(api, keys, sort=sort, order="desc") == order[::-1]


FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({"id": "1c4"}, [2]),
    ({"id_ne": "1c4"}, [0, 1, 3, 4]),
    ({"id_gt": "1c4"}, [3, 4]),
    ({"id_gte": "1c4"}, [2, 3, 4]),
    ({"id_lt": "1c4"}, [0, 1]),
    ({"id_lte": "1c4"}, [0, 1, 2]),
    ({"id_notnull": ""}, [0, 1, 2, 3, 4]),
    ({"name": "b"}, [0]),
    ({"name_eq": "b"}, [0]),
    ({"name_ne": "b"}, [1, 2, 3, 4]),
    ({"name_lt": "b", "name_notnull": ""}, [2, 3]),
    ({"name_lte": "b", "name_notnull": ""}, [2, 3, 0]),
    ({"name_gt": "b"}, [4]),
    ({"name_gte": "b"}, [0, 4]),
    ({"name_prefix": "a"}, [3]),
    ({"name_prefix": "%"}, []),
    ({"name_prefix": ""}, [2, 3, 0, 4]),
    ({"name_like": "%b"}, [0, 2, 3]),
    ({"name_like": "b"}, [0, 2]),
    ({"name_notlike": "%b"}, [1, 4]),
    ({"name_null": ""}, [1]),
    ({"name_notnull": "whatever"}, [0, 2, 3, 4]),
    ({"description": "10%"}, [3]),
    ({"description_prefix": "10%"}, [3]),
    ({"description_like": "a_b"}, [4]),
    ({"description_like": "%w%"}, [2]),
    ({"description_null": ""}, [1]),
    ({"state": "inactive"}, [1, 3]),
    ({"state_ne": "active"}, [1, 3]),
    ({"role": "member"}, [1, 2]),
    ({"role_ne": "owner"}, [1, 2, 3]),
    ({"created": date(T0 + 1000)}, [1, 2]),
    ({"created_gt": date(T0 + 1000)}, [4, 3]),
    ({"created_gte": date(T0 + 1000), "created_lt": date(T0 + 3000)}, [1, 2, 4]),
    ({"expires_lte": date(T0 + 2000)}, [2, 1]),
    ({"expires_null": ""}, [0, 3]),
    ({"expires_notnull": ""}, [1, 2, 4]),
    ({"expires_ne": date(T0 + 2000)}, [0, 2, 3, 4]),
    ({"accountId": "1a2"}, [0, 1, 2, 3, 4]),
    ({"accountId_ne": "1a2"}, []),
    ({"accountId": "1a1"}, []),
    ({"creatorId_null": ""}, [0, 1, 2, 3, 4]),
    ({"removed_null": ""}, [0, 1, 2, 3, 4]),
    ({"lastUsed_notnull": ""}, []),
    ({"state": "active", "role": "owner"}, [0, 4]),
    ({"state": "active", "sort": "created", "order": "desc"}, [4, 2, 0]),
    ({"name_prefix": "b", "sort": "id"}, [0]),
]
"""A query, and the rows that it finds, in order."""


async def test_every_modifier_filters_as_its_name_says(api: AdminApi, keys: list[str]) -> None:
    """All filters of a query must be true."""
    for query, found in FILTERS:
        assert await listed(api, keys, **query) == found, query
        answer = (await api.admin.get(f"{KEYS}?{urlencode(query)}")).body
        shown = [
            (f"{name}_{each['modifier']}", each["value"])
            for name, filters in answer["filters"].items()
            for each in filters or ()
        ]
        given = [
            (name if "_" in name else f"{name}_eq", value)
            for name, value in query.items()
            if name not in {"sort", "order"}
        ]
        assert sorted(shown) == sorted(given)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("created=2027-01-15T08:00:01Z", [1, 2]),
        ("created=2027-01-15T08:00:01.000Z", [1]),
        ("created=2027-01-15T08:00:01.999Z", [2]),
        ("created_ne=2027-01-15T08:00:01Z", [0, 3]),
        ("created_lt=2027-01-15T08:00:01Z", [0]),
        ("created_lte=2027-01-15T08:00:01Z", [0, 1, 2]),
        ("created_gt=2027-01-15T08:00:01Z", [3]),
        ("created_gte=2027-01-15T08:00:01Z", [1, 2, 3]),
        (f"createdTS={T0 + 1999}", [2]),
        (f"createdTS_ne={T0 + 1999}", [0, 1, 3]),
        (f"createdTS_lt={T0 + 1999}", [0, 1]),
        (f"createdTS_gte={T0 + 1999}", [2, 3]),
        ("createdTS_lt=5", []),
        (f"expiresTS={T0 + 5001}", [0]),
        ("expires_ne=2027-01-15T08:00:05Z", [1, 2, 3]),
        ("expiresTS_null=", [1, 2, 3]),
    ],
)
async def test_a_date_without_a_fraction_means_its_whole_second(
    api: AdminApi, query: str, found: list[int]
) -> None:
    """In milliseconds it means exactly that."""
    account = await api.account()
    made = [(await api.key(account)).key for _ in range(4)]
    times = (T0 + 999, T0 + 1000, T0 + 1999, T0 + 2000)
    made = [replace(key, created=created) for key, created in zip(made, times, strict=True)]
    made[0] = replace(made[0], expires=T0 + 5001)
    await api.put(*made)
    for sort in ("id", "created", "expires"):
        path = f"{KEYS}?accountId={account.ref}&{query}&sort={sort}"
        data = (await api.admin.get(path)).body["data"]
        assert {each["id"] for each in data} == {made[number].ref for number in found}


async def test_two_filters_by_the_same_field_must_both_be_true(
    api: AdminApi, keys: list[str]
) -> None:
    """Two values for one filter must both be true."""
    for query, found in (("name_ne=b&name_ne=B", [1, 3, 4]), ("name=b&name=B", [])):
        answer = await api.admin.get(f"{KEYS}?{query}")
        refs = [each["id"] for each in answer.body["data"]]
        assert [keys.index(ref) for ref in refs if ref in keys] == found


async def test_unknown_parameters_of_a_list_are_ignored(api: AdminApi, keys: list[str]) -> None:
    """Rancher's clients expect it."""
    for query in [
        "nothing=1",
        "nameTS=1",
        "TS=1",
        "lastUsedAddressTS=1",
        "name_near=b",
        "state_like=a%25",
        "secretValue=x",
        "useCount=1",
        "_eq=1",
        "=",
        "",
    ]:
        answer = await api.admin.get(f"{KEYS}?{query}")
        assert len(answer.body["data"]) == 6
        assert set(answer.body["filters"].values()) == {None}


VALUES_OF_NO_RECORD = [
    ("state", "stopped"),
    ("state", ""),
    ("role", "chief"),
    ("id", "1a2"),
    ("id", "x"),
    ("accountId", "nobody"),
    ("creatorId", ""),
    ("created", "yesterday"),
    ("created", "2027-01-15"),
    ("createdTS", "2027-01-15T08:00:01Z"),
    ("expiresTS", "9" * 19),
    ("name", "\0"),
    ("name", "n" * 300),
]
"""A field, and a value that it cannot have."""


@pytest.mark.parametrize(("field", "value"), VALUES_OF_NO_RECORD)
@pytest.mark.parametrize("sort", ["", "id", "name", "state"])
async def test_a_value_that_a_field_cannot_have_differs_from_all_that_it_has(
    api: AdminApi, keys: list[str], field: str, value: str, sort: str
) -> None:
    """It is equal to none, and neither less nor greater: Rancher's clients filter by states that
    only Rancher had."""
    order = {"sort": sort} if sort else {}
    for modifier in ("", "_eq", "_lt", "_lte", "_gt", "_gte"):
        if field in {"state", "role"} and modifier not in {"", "_eq"}:
            continue
        assert await listed(api, keys, **{field + modifier: value}, **order) == [], modifier
    found = await listed(api, keys, **{f"{field}_ne": value}, **order)
    assert sorted(found) == [0, 1, 2, 3, 4]
    answer = await api.admin.get(f"{KEYS}?{urlencode({f'{field}_ne': value})}")
    shown = answer.body["filters"][field]
    assert shown == [{"value": value, "modifier": "ne"}]


async def test_filters_keep_the_pages_of_a_list_together_whatever_they_say(
    api: AdminApi, keys: list[str]
) -> None:
    """A filter that all records fit stands in the links to the other pages too."""
    found, pages = await api.admin.pages(KEYS, {"state_ne": "stopped", "limit": "2"})
    assert (len(found), pages) == (6, 3)
    assert await api.admin.pages(KEYS, {"state": "stopped", "limit": "2"}) == ([], 1)


@pytest.mark.parametrize(
    ("limit", "effective"),
    [
        *(("-2", 1000), ("-1", 1000), ("0", 1000), ("000", 1000), ("1001", 1000)),
        *(("9" * 30, 1000), ("-" + "9" * 30, 1000), ("1000", 1000), ("1", 1), ("007", 7)),
        *(("", 100), ("all", 100), ("1.5", 100), ("1e3", 100), ("\u0663", 100), ("--1", 100)),
        ("null", 100),
    ],
)
async def test_a_limit_below_1_is_the_largest_and_one_that_is_no_number_the_default(
    api: AdminApi, limit: str, effective: int
) -> None:
    """Rancher's CLI sends -2 with every list."""
    answer = await api.admin.get(f"{KEYS}?{urlencode({'limit': limit})}")
    assert (answer.status, answer.body["pagination"]["limit"]) == (200, effective)


async def test_an_unknown_sort_is_ignored_and_order_is_read_in_any_case(
    api: AdminApi, keys: list[str]
) -> None:
    """An order that is neither counts as ascending."""
    for sort in ("secretValue", "", "nothing", "NAME"):
        assert await listed(api, keys, sort=sort) == [0, 1, 2, 3, 4]
        assert await listed(api, keys, sort=sort, order="desc") == [4, 3, 2, 1, 0]
    for order in ("DESC", "Desc", "dEsC"):
        assert await listed(api, keys, order=order) == [4, 3, 2, 1, 0]
    for order in ("ASC", "up", ""):
        assert await listed(api, keys, order=order) == [0, 1, 2, 3, 4]
    answer = await api.admin.get(f"{KEYS}?sort=nothing&order=DESC")
    assert (answer.body["sort"]["name"], answer.body["sort"]["order"]) == ("id", "desc")


async def test_lists_of_every_type_are_as_lenient(api: AdminApi) -> None:
    """What a client of Rancher adds to any list keeps it from none."""
    query = "limit=-2&state_ne=stopped&sort=priority&order=ASC&all=true&removed_null=1&system=false"
    await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": "1h"})
    await api.environment({await api.account(): Role.OWNER})
    for name in ("apikeys", "projects", "accounts", "projectmembers", "settings", "auditlogs"):
        plain = await api.admin.get(f"/v2-beta/{name}")
        lenient = await api.admin.get(f"/v2-beta/{name}?{query}")
        assert (lenient.status, plain.status) == (200, 200)
        assert [each["id"] for each in lenient.body["data"]] == [
            each["id"] for each in plain.body["data"]
        ]
        assert plain.body["data"]
    for query in ("name=", "kind=robot", "name=%0a"):
        assert (await api.admin.get(f"/v2-beta/accounts?{query}")).body["data"] == []


@pytest.mark.parametrize("sort", ["id", "name", "state", "created", "expires"])
async def test_the_pages_of_a_list_make_up_the_whole_list(
    api: AdminApi, keys: list[str], sort: str
) -> None:
    """In every order, with filters too."""
    for order, limit, state in itertools.product(("asc", "desc"), (1, 2, 3), ("", "active")):
        query = {"sort": sort, "order": order} | ({"state": state} if state else {})
        whole = [each["id"] for each in (await api.admin.pages(KEYS, query))[0]]
        found, pages = await api.admin.pages(KEYS, query | {"limit": str(limit)})
        assert [each["id"] for each in found] == whole
        assert pages == -(-len(whole) // limit)


async def test_a_page_links_to_the_first_one_and_to_its_other_orders(
    api: AdminApi, keys: list[str]
) -> None:
    """With the same filters."""
    first = await api.admin.get(f"{KEYS}?state=active&limit=2&sort=name")
    assert first.body["pagination"]["first"] is None
    url = first.body["pagination"]["next"]
    second = await api.admin.get(url[url.index("/v2-beta") :])
    start = str(api.client.make_url(KEYS))
    query = "state=active&sort=name&order=asc&limit=2"
    assert second.body["pagination"]["first"] == f"{start}?{query}"
    assert second.body["sort"] == {
        "name": "name",
        "order": "asc",
        "reverse": f"{start}?{query}".replace("asc", "desc"),
    }
    assert second.body["sortLinks"]["created"] == f"{start}?{query.replace('name', 'created')}"
    for link in (*second.body["sortLinks"].values(), second.body["sort"]["reverse"]):
        assert (await api.admin.get(link[link.index("/v2-beta") :])).status == 200


async def test_a_marker_is_bound_to_its_order_and_filters(api: AdminApi, keys: list[str]) -> None:
    """But not to its limit."""
    query = {"sort": "created", "order": "asc", "state": "active", "limit": "1"}
    answer = await api.admin.get(f"{KEYS}?{urlencode(query)}")
    following = answer.body["pagination"]["next"]
    marker = following.rpartition("marker=")[2].replace("%3D", "=")
    query["marker"] = marker
    assert await listed(api, keys, **query) == [0]
    assert await listed(api, keys, **query | {"limit": "9"}) == [0, 2, 4]
    for change in (
        {"sort": "name"},
        {"order": "desc"},
        {"state": "inactive"},
        {"name": "b"},
        {"state_ne": "inactive"},
        {"expiring": "1d"},
    ):
        answer = await api.admin.get(f"{KEYS}?{urlencode(query | change)}")
        assert answer.code == "422 InvalidMarker marker"
    del query["state"]
    answer = await api.admin.get(f"{KEYS}?{urlencode(query)}")
    assert answer.code == "422 InvalidMarker marker"


async def test_expiring_finds_keys_that_end_within_a_duration(api: AdminApi) -> None:
    """`expiring=14d` finds what ends within 14 days and has not ended yet."""
    account, now = await api.account(), api.clock()
    ends = (None, now - 1, now, now + 1, now + 14 * DAY, now + 14 * DAY + 1)
    made = [(await api.key(account, expires=end)).key.ref for end in ends]
    found = await api.admin.get(f"{KEYS}?expiring=14d")
    assert [each["id"] for each in found.body["data"]] == made[3:5]
    assert found.body["sort"]["name"] == "expires"
    assert (await api.admin.get(f"{KEYS}?expiring=0")).body["data"] == []
    paged, pages = await api.admin.pages(KEYS, {"expiring": "14d", "limit": "1"})
    assert ([each["id"] for each in paged], pages) == (made[3:5], 2)
    api.clock.now += 1
    found = await api.admin.get(f"{KEYS}?expiring=14d")
    assert [each["id"] for each in found.body["data"]] == [made[4], made[5]]
    assert len((await api.admin.get("/v2-beta/accounts?expiring=14d")).body["data"]) == 2


async def test_environments_and_accounts_are_listed_by_the_same_rules(api: AdminApi) -> None:
    """`slug` finds an environment."""
    for name, slug in (("Shop", "shop"), ("Bank", "bank")):
        await api.admin.post("/v2-beta/projects", {"name": name, "slug": slug})
    await api.admin.post("/v2-beta/accounts", {"name": "Ada", "kind": "user"})

    async def names(path: str) -> list[str]:
        return [each["name"] for each in (await api.admin.get(f"/v2-beta/{path}")).body["data"]]

    assert await names("projects?slug=bank") == ["Bank"]
    assert await names("projects?sort=name&name_like=%25a%25") == ["Bank"]
    assert await names("projects?sort=created&order=desc") == ["Bank", "Shop"]
    assert await names("accounts?kind=user") == ["Ada"]
    assert await names("accounts?name_prefix=A") == ["Ada"]
    assert await names("accounts?kind_ne=admin&state=active") == ["Ada"]


async def test_removed_records_stand_in_no_list(api: AdminApi) -> None:
    """Not even with a filter by that state."""
    key = await api.key(await api.account(), state=State.INACTIVE)
    await api.admin.delete(f"{KEYS}/{key.key.ref}")
    for query in ("", "?state=removed", "?removed_notnull=", f"?id={key.key.ref}"):
        data = (await api.admin.get(KEYS + query)).body["data"]
        assert key.key.ref not in [each["id"] for each in data]
