"""Upstreams over HTTP: what the gateway knows of them, for those who see the settings."""

from __future__ import annotations

from proxy.domain.model import AccountKind
from proxy.targets.status import LookupStatus, TargetStatus, UpstreamStatus
from tests.admin.admin_api import AdminApi

UP = TargetStatus("http://a:1", "up", "", 0, 1, 0, 2, 3, 4, 0)
EJECTED = TargetStatus("http://b:2", "ejected", "upstream-closed", 1000, 5, 1, 0, 0, 9, 1)


async def test_an_upstream_is_shown_with_each_target_its_state_why_and_since_when(
    api: AdminApi,
) -> None:
    """Also alone, by its name."""
    api.upstreams = [UpstreamStatus("main", "closed", 1, 7, [UP, EJECTED], "hash", 93)]
    (listed,) = (await api.admin.get("/v2-beta/upstreams")).body["data"]
    assert listed == (await api.admin.get("/v2-beta/upstreams/main")).body
    assert (listed["id"], listed["type"], listed["state"]) == ("main", "upstream", "degraded")
    assert (listed["breaker"], listed["waiting"], listed["retries"]) == ("closed", 1, 7)
    assert (listed["balance"], listed["retriesLeft"]) == ("hash", 93)
    assert listed["targets"][1] == {
        "url": "http://b:2",
        "state": "ejected",
        "reason": "upstream-closed",
        "since": "1970-01-01T00:00:01Z",
        "weight": 5,
        "priority": 1,
        "requests": 0,
        "connections": 0,
        "failures": 9,
        "ejections": 1,
    }
    assert listed["targets"][0]["reason"] is None
    assert listed["lookup"] is None


async def test_the_lookups_of_a_name_are_shown_with_why_they_fail_and_since_when(
    api: AdminApi,
) -> None:
    """Without a reason where they do not."""
    fails = LookupStatus("_http._tcp.api.internal", "SRV", "SERVFAIL", 2000)
    api.upstreams = [
        UpstreamStatus("a", None, 0, 0, [UP], lookup=fails),
        UpstreamStatus("b", None, 0, 0, [UP], lookup=fails._replace(why="")),
    ]
    a, b = (await api.admin.get("/v2-beta/upstreams")).body["data"]
    assert a["lookup"] == {
        "name": "_http._tcp.api.internal",
        "type": "SRV",
        "reason": "SERVFAIL",
        "since": "1970-01-01T00:00:02Z",
        "answered": True,
    }
    assert b["lookup"]["reason"] is None
    assert a["state"] == "up"


async def test_the_state_of_an_upstream_follows_from_its_targets_and_its_breaker(
    api: AdminApi,
) -> None:
    """Up, degraded, down or open."""
    api.upstreams = [
        UpstreamStatus("all", None, 0, 0, [UP, UP._replace(state="starting")]),
        UpstreamStatus("some", "half-open", 0, 0, [UP, EJECTED]),
        UpstreamStatus("none", None, 0, 0, [EJECTED, EJECTED._replace(state="down")]),
        UpstreamStatus("open", "open", 0, 0, [UP]),
    ]
    found = (await api.admin.get("/v2-beta/upstreams")).body["data"]
    assert {each["id"]: each["state"] for each in found} == {
        "all": "up",
        "some": "degraded",
        "none": "down",
        "open": "open",
    }


async def test_only_admins_and_read_admins_see_upstreams(api: AdminApi) -> None:
    """To others they do not exist, and nobody changes them."""
    api.upstreams = [UpstreamStatus("main", None, 0, 0, [UP])]
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    assert (await auditor.get("/v2-beta/upstreams/main")).status == 200
    user = await api.key(await api.account())
    for path in ("/v2-beta/upstreams", "/v2-beta/upstreams/main"):
        assert (await user.get(path)).status in {403, 404}
    assert (await api.admin.get("/v2-beta/upstreams/other")).status == 404
    assert (await api.admin.post("/v2-beta/upstreams", {"name": "x"})).status in {404, 405}


async def test_an_upstream_whose_name_is_a_number_is_found_by_it(api: AdminApi) -> None:
    """It is a name like any other, also with zeros before it."""
    api.upstreams = [UpstreamStatus(name, None, 0, 0, [UP]) for name in ("7", "007")]
    for name in ("7", "007"):
        assert (await api.admin.get(f"/v2-beta/upstreams/{name}")).body["id"] == name
    assert (await api.admin.get("/v2-beta/upstreams/07")).status == 404
