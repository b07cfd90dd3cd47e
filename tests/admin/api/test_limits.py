"""Limits over HTTP: given, shown, refused by part, audited and explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxy.domain.limits import parse_limits
from proxy.domain.model import Role
from proxy.domain.quota import Quota
from proxy.store.protocols import QuotaDemand
from tests.admin.admin_api import AdminApi, Presented

FULL: dict[str, Any] = {
    "rate": "100/s",
    "burst": 200,
    "quota": "10000/day",
    "networks": ["10.0.0.0/8"],
    "scopes": ["GET /v1/**"],
    "window": "Mon-Fri 08:00-18:00",
}


async def test_a_key_is_created_with_limits_and_keeps_what_an_edit_does_not_name(
    api: AdminApi,
) -> None:
    """Limits are set as a whole; null and an empty object take them away."""
    made = await api.admin.post("/v2-beta/apikeys", {"name": "n", "limits": FULL})
    assert (made.status, made.body["limits"]) == (201, FULL)
    path = f"/v2-beta/apikeys/{made.body['id']}"
    assert (await api.admin.put(path, {"name": "m"})).body["limits"] == FULL
    assert (await api.admin.put(path, made.body)).body["limits"] == FULL
    less = {"rate": "1/s", "burst": 1}
    assert (await api.admin.put(path, {"limits": {"rate": "1/s"}})).body["limits"] == less
    assert (await api.admin.put(path, {"limits": None})).body["limits"] == {}
    assert (await api.admin.put(path, {"limits": {}})).body["limits"] == {}
    created, _, _, edited, removed, *_ = (
        (each["act"], each["before"], each["after"]) for each in api.audit()
    )
    assert created[0] == "key.create"
    assert created[2]["limits"] == FULL
    assert edited == ("key.update", {"limits": FULL}, {"limits": less})
    assert removed == ("key.update", {"limits": less}, {"limits": None})


@pytest.mark.parametrize(
    ("limits", "code", "detail"),
    [
        ("fast", "422 InvalidType limits", "limits must be an object"),
        ({"rate": "fast"}, "422 InvalidFormat limits.rate", "limits.rate should be a rate such as"),
        ({"rate": "1/s", "burst": 0}, "422 InvalidFormat limits.burst", "should have a burst of 1"),
        ({"networks": ["10.0.0.1/8"]}, "422 InvalidFormat limits.networks", "host bits"),
        ({"scopes": ["GET /a/*"]}, "422 InvalidFormat limits.scopes", "* is not a wildcard"),
        ({"windows": "x"}, "422 InvalidFormat limits.windows", "limits.windows is not known"),
    ],
)
async def test_a_malformed_limit_is_refused_and_named(
    api: AdminApi, limits: object, code: str, detail: str
) -> None:
    """Wherever limits can be given; nothing is changed."""
    environment = await api.environment()
    for answer in (
        await api.admin.post("/v2-beta/apikeys", {"limits": limits}),
        await api.admin.put(f"/v2-beta/apikeys/{api.admin.key.ref}", {"limits": limits}),
        await api.admin.put(f"/v2-beta/projects/{environment.ref}", {"limits": limits}),
        await api.admin.put("/v2-beta/accounts/1a1", {"limits": limits}),
    ):
        assert answer.code == code
        assert detail in answer.body["detail"]
    assert api.audit() == []


async def test_admins_bound_accounts_and_environments(api: AdminApi) -> None:
    """Others are refused, and their schemas say so."""
    owner = await api.account()
    environment = await api.environment({owner: Role.OWNER})
    mine = await api.key(owner)
    path = f"/v2-beta/projects/{environment.ref}"
    for where in (path, f"/v2-beta/accounts/{owner.ref}"):
        assert (await api.admin.put(where, {"limits": FULL})).body["limits"] == FULL
        assert (await mine.get(where)).body["limits"] == FULL
    assert (await mine.put(path, {"limits": {}})).code == "403 Forbidden limits"
    assert (await mine.put(path, {"limits": FULL, "name": "n"})).status == 200

    async def may_update(key: Presented, schema: str) -> bool:
        fields = (await key.get(f"/v2-beta/schemas/{schema}")).body["resourceFields"]
        assert fields["limits"]["type"] == "json"
        return bool(fields["limits"]["update"])

    assert [await may_update(api.admin, each) for each in ("apikey", "project", "account")] == [
        True
    ] * 3
    assert [await may_update(mine, each) for each in ("apikey", "project")] == [True, False]


async def test_the_admin_server_too_is_used_from_the_networks_and_in_the_hours_of_a_key(
    api: AdminApi,
) -> None:
    """Its other limits are the gateway's, and so are those of its account: whoever set them wrongly
    can change them."""
    today = datetime.now(UTC)
    closed = [f"{(today + timedelta(days=days)):%a} 00:00-24:00" for days in (3, 4)]
    account = await api.account()
    key = await api.key(account)

    async def status(limits: dict[str, Any]) -> int:
        await api.put(replace(key.key, limits=parse_limits(limits)))
        answer = await key.get(f"/v2-beta/apikeys/{key.key.ref}")
        if answer.status == 403:
            assert "this key may" in answer.body["detail"]
        return answer.status

    assert await status({"networks": ["127.0.0.0/8"]}) == 200
    assert await status({"networks": ["192.0.2.1"]}) == 403
    assert await status({"networks": ["192.0.2.1"], "enforce": False}) == 200
    assert [await status({"window": each}) for each in closed] == [403, 403]
    assert await status({"window": "00:00-24:00"}) == 200
    assert await status({"scopes": ["GET /nothing"], "rate": "1/h", "quota": "1/month"}) == 200
    await api.put(replace(account, limits=parse_limits({"networks": ["192.0.2.1"]})))
    assert await status({}) == 200


async def test_an_import_can_have_limits(api: AdminApi) -> None:
    """As any other new key."""
    body = {"publicValue": "ada", "secretHash": "$2b$04$" + "a" * 53, "limits": {"quota": "5/day"}}
    made = await api.admin.post("/v2-beta/apikeys/?action=import", body)
    assert made.body["limits"] == {"quota": "5/day"}


async def test_explain_tells_which_limits_apply_and_what_is_left(api: AdminApi) -> None:
    """Nothing is used up by it. Without an address, networks are not judged."""
    made = await api.admin.post("/v2-beta/apikeys", {"limits": FULL | {"window": "00:00-24:00"}})

    async def explained(**more: str) -> dict[str, Any]:
        answer = await api.admin.post(
            f"/v2-beta/apikeys/{made.body['id']}/?action=explain", {"path": "/v1/x"} | more
        )
        assert answer.status == 202, answer.text
        body: dict[str, Any] = answer.body
        return body

    for _ in range(2):
        body = await explained()
        assert body["decision"] == "permit"
        quota = body["limits"][1].pop("seconds")
        assert 0 < quota <= 86_400
        assert body["limits"] == [
            {"policy": "key-rate", "limit": "100/s", "left": 200, "seconds": 0, "enforced": True},
            {"policy": "key-quota", "limit": "10000/day", "left": 10_000, "enforced": True},
        ]
    assert (await explained(address="10.1.2.3"))["decision"] == "permit"
    for more, reason in (
        ({"address": "192.0.2.1"}, "network"),
        ({"method": "POST"}, "scope"),
        ({"path": "/v2/x"}, "scope"),
    ):
        body = await explained(**more)
        assert (body["status"], body["reason"], body["limits"]) == (403, reason, [])
        assert body["explanation"].endswith(".")
    answer = await api.admin.post(
        f"/v2-beta/apikeys/{made.body['id']}/?action=explain", {"path": "/", "address": "here"}
    )
    assert answer.code == "422 InvalidFormat address"


async def test_explain_tells_when_nothing_is_left(api: AdminApi) -> None:
    """Enforced or not."""
    for enforce in (True, False):
        limits = {"quota": "5/day", "enforce": enforce}
        made = await api.admin.post("/v2-beta/apikeys", {"limits": limits})
        await use_up(api, made.body["id"])
        answer = await api.admin.post(
            f"/v2-beta/apikeys/{made.body['id']}/?action=explain", {"path": "/v1/x"}
        )
        told = answer.body["status"], answer.body["reason"], answer.body["wouldRefuse"]
        assert told == ((429, "quota", None) if enforce else (None, None, "quota"))
        assert answer.body["limits"][0]["left"] == 0


async def use_up(api: AdminApi, key: str) -> None:
    """Have all of a quota granted."""
    demand = QuotaDemand(Quota.parse("5/day"), 5)
    await api.store.grant_quotas({key: demand}, [], api.clock())
