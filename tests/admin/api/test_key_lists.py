"""Lists of keys over HTTP: their form, their pages and their markers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.admin_api import AdminApi

KEYS = "/v2-beta/apikeys"


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
        "sortLinks": {
            sort: f"{url}?sort={sort}&order=asc&limit=100"
            for sort in ("id", "name", "state", "created", "expires")
        },
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


async def test_a_duration_in_a_filter_counts_back_from_now(api: AdminApi) -> None:
    """`created_gte=-7d`: created within seven days, by the server's clock."""
    account = await api.account()
    old = (await api.key(account)).key.ref
    api.clock.now += 7 * 86_400_000 + 1
    new = (await api.key(account)).key.ref
    for query, found in (("created_gte=-7d", [new]), ("created_lt=-7d", ["1c1", old])):
        answer = await api.admin.get(f"{KEYS}?{query}")
        assert [each["id"] for each in answer.body["data"]] == found
    assert (await api.admin.get(f"{KEYS}?created_gte=-7x")).body["data"] == []
