"""Lists of keys over HTTP: their form, their pages and their markers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.domain.model import Role
from proxy.domain.settings import duration
from tests.admin.admin_api import AdminApi
from tests.support.seed import used

KEYS = "/v2-beta/apikeys"
SORTS = ("id", "name", "state", "created", "expires", "lastUsed", "role", "publicValue")
DAY = duration("1d")


async def test_a_list_of_keys_has_the_form_that_ranchers_clients_know(api: AdminApi) -> None:
    """A list is a collection."""
    body = (await api.admin.get(KEYS)).body
    url = str(api.client.make_url(KEYS))
    assert [key["id"] for key in body.pop("data")] == ["1c1"]
    assert set(body.pop("filters").values()) == {None}
    assert body == {
        "type": "collection",
        "resourceType": "apiKey",
        "links": {"self": url},
        "createTypes": {"apiKey": url},
        "actions": {"import": f"{url}/?action=import"},
        "sortLinks": {sort: f"{url}?sort={sort}&order=asc&limit=100" for sort in SORTS},
        "pagination": {
            "first": None,
            "previous": None,
            "next": None,
            "limit": 100,
            "total": None,
            "partial": False,
        },
        "sort": {
            "name": "id",
            "order": "asc",
            "reverse": f"{url}?sort=id&order=desc&limit=100",
        },
        "createDefaults": {},
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
async def test_pages_of_keys_hold_each_key_once_whatever_the_limit(
    api: AdminApi, limit: int
) -> None:
    """Following `next` shows every record once, in order."""
    account = await api.account()
    for _ in range(4):
        await api.key(account)
    url, seen, pages = f"{KEYS}?limit={limit}", [], 0
    while url:
        body = (await api.admin.get(url)).body
        assert len(body["data"]) <= body["pagination"]["limit"] == limit
        seen += [key["id"] for key in body["data"]]
        pages += 1
        following = body["pagination"]["next"]
        url = following and following.partition(str(api.client.make_url("")).rstrip("/"))[2]
    assert seen == ["1c1", "1c2", "1c3", "1c4", "1c5"]
    assert pages == -(-5 // limit)


async def test_a_limit_above_1000_is_cut_and_one_that_is_no_number_ignored(api: AdminApi) -> None:
    """`pagination.limit` shows the limit that counts."""
    assert (await api.admin.get(f"{KEYS}?limit=5000")).body["pagination"]["limit"] == 1000
    for limit in ("x", "", "1.5", "%C2%B2"):
        assert (await api.admin.get(f"{KEYS}?limit={limit}")).body["pagination"]["limit"] == 100


async def test_a_marker_of_another_collection_is_refused(api: AdminApi) -> None:
    """A marker is valid only for the collection that it came with."""
    environment = await api.environment()
    await api.environment()
    await api.key(environment)
    following: Any = (await api.admin.get(f"{KEYS}?limit=1")).body["pagination"]["next"]
    marker = following.rpartition("marker=")[2]
    assert (await api.admin.get(f"{KEYS}?marker={marker}")).status == 200
    scoped = f"/v2-beta/projects/{environment.ref}/apikeys"
    for path in (scoped, "/v2-beta/projects", "/v2-beta/accounts"):
        answer = await api.admin.get(f"{path}?marker={marker}")
        assert answer.code == "422 InvalidMarker marker"
    for bad in ("", "x", "m1", marker + "A", marker[:-1], "%F0%9F%92%A9", "YXBpS2V5Ly94"):
        answer = await api.admin.get(f"{KEYS}?marker={bad}")
        assert answer.code == "422 InvalidMarker marker"


async def listed(api: AdminApi, **query: str) -> list[str]:
    """The ids of the keys in a list, from all of its pages."""
    found, _ = await api.admin.pages(KEYS, query)
    return [key["id"] for key in found]


async def test_unused_finds_keys_that_existed_and_were_not_used_for_so_long(api: AdminApi) -> None:
    """A key that was made since is not among them. Those never used come first."""
    account, now = await api.account(), api.clock()
    begin = now - 90 * DAY
    made: list[str] = []
    for created, last in [
        (begin, None),
        (begin + 1, None),
        (0, begin),
        (0, begin + 1),
        (0, begin - DAY),
        (0, now),
    ]:
        key = (await api.key(account)).key
        await api.put(replace(key, created=created))
        if last is not None:
            await api.store.record_usage(used(key.id, last), {})
        made.append(key.ref)
    for limit in ("1", "2", "100"):
        assert await listed(api, unused="90d", limit=limit) == [made[0], made[4], made[2]]
    assert await listed(api, unused="90d", sort="id", order="desc") == [made[4], made[2], made[0]]
    assert await listed(api, unused="90d", lastUsed_null="") == [made[0]]
    assert await listed(api, unused="90d", lastUsed_notnull="") == [made[4], made[2]]
    assert await listed(api, lastUsed_null="") == ["1c1", made[0], made[1]]
    api.clock.now += 1
    assert set(await listed(api, unused="90d")) == set(made[:5])
    assert len((await api.admin.get("/v2-beta/accounts?unused=90d")).body["data"]) == 2


@pytest.mark.parametrize("sort", ["lastUsed", "role", "publicValue"])
async def test_keys_are_sorted_by_what_a_table_shows_of_them(api: AdminApi, sort: str) -> None:
    """By last use, role and access key, all of them once whatever the limit."""
    account = await api.account()
    for number, role in enumerate((*Role, Role.MEMBER)):
        key = (await api.key(account, role)).key
        if number % 2:
            await api.store.record_usage(used(key.id, 10 - number), {})
    whole, _ = await api.admin.pages(KEYS, {})
    field = "lastUsedTS" if sort == "lastUsed" else sort
    whole.sort(key=lambda key: (key[field] or (0 if sort == "lastUsed" else ""), key["id"]))
    expected = [key["id"] for key in whole]
    for limit in ("1", "2", "100"):
        assert await listed(api, sort=sort, limit=limit) == expected
        assert await listed(api, sort=sort, limit=limit, order="desc") == expected[::-1]
    assert (await api.admin.get(f"{KEYS}?sort={sort}")).body["sort"]["name"] == sort


async def test_a_search_finds_keys_by_name_description_and_access_key(api: AdminApi) -> None:
    """Together with other filters, page by page; spaces at its ends do not count."""
    made = [
        (await api.admin.post(KEYS, {"name": name, "description": text})).body
        for name, text in (("Deploys", None), ("b", "for deploys"), ("100%", None))
    ]
    ids = [key["id"] for key in made]
    for search, found in [
        ("deploy", ids[:2]),
        (" DEPLOY ", ids[:2]),
        ("%", ids[2:]),
        (made[1]["publicValue"].lower()[3:], ids[1:2]),
        ("1c1' OR 1=1", []),
    ]:
        assert await listed(api, search=search, limit="1") == found
    assert await listed(api, search="deploy", name="b") == ids[1:2]
    assert await listed(api, search="deploy", sort="name", order="desc") == [ids[1], ids[0]]
    shown = (await api.admin.get(f"{KEYS}?{urlencode({'search': 'x'})}")).body["filters"]
    assert shown["search"] == [{"value": "x", "modifier": "eq"}]


@pytest.mark.parametrize(
    ("query", "sort"),
    [
        ("state=active", "state"),
        ("state=active&unused=90d", "lastUsed"),
        ("state=active&expired=false&expiring=7d", "expires"),
        ("state=active&expired=false", "state"),
        ("role=owner&lastUsed_null=", "lastUsed"),
        ("name_ne=a", "id"),
        ("search=a&name_prefix=a&createdTS_gt=0", "name"),
        ("unused=90d&sort=name", "name"),
    ],
)
async def test_a_list_without_a_sort_has_the_order_of_the_filter_that_leaves_the_fewest(
    api: AdminApi, query: str, sort: str
) -> None:
    """As far as one can tell from the query: a state is common to many."""
    assert (await api.admin.get(f"{KEYS}?{query}")).body["sort"]["name"] == sort
