"""Usage over HTTP: whose, of which time, and told apart by what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from admin.service import usage as service
from proxy.domain.model import AccountKind, Key, Role, State
from proxy.domain.usage import DAY, HOUR, Dimension, Series, Sums
from tests.admin.admin_api import AdminApi, Presented
from tests.proxy.store.sqlite.test_connection import ENDLESS

NOON = int(datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp() * 1000)
V2 = "/v2-beta"


@pytest.fixture
def api(api: AdminApi) -> AdminApi:
    """An admin server at half past noon."""
    api.clock.now = NOON + HOUR // 2
    return api


async def use(
    api: AdminApi, key: Key | None, requests: int = 1, *, ago: int = 0, **others: Any
) -> None:
    """Record requests with a key, `ago` milliseconds before this hour."""
    series = Series(NOON - ago, 0 if key is None else key.id, 0, "/**", "GET", 2)._replace(**others)
    sums = Sums(requests, 10 * requests, 100 * requests, requests / 8)
    await api.store.record_usage({}, {series: sums})


async def rows(presented: Presented, path: str) -> list[dict[str, Any]]:
    """The rows of a report, without what all resources have."""
    answer = await presented.get(V2 + path)
    assert answer.status == 200, answer.text
    assert all(row.pop("type") == "usage" for row in answer.body["data"])
    assert all((row.pop("links"), row.pop("actions")) == ({}, {}) for row in answer.body["data"])
    return list(answer.body["data"])


async def requests(presented: Presented, path: str) -> list[Any]:
    """Of each row the values by which it is told apart, and the number of requests."""
    measures = {"refused", "failed", "bytesIn", "bytesOut", "seconds", "keyName"}
    found = await rows(presented, path)
    return [tuple(row[name] for name in row if name not in measures) for row in found]


async def test_a_report_has_the_usage_of_the_last_24_hours_by_hour(api: AdminApi) -> None:
    """The hours in which they begin and end count in full."""
    key = api.admin.key
    await use(api, key, 3)
    await use(api, key, 4, status=4, reason="read-only")
    await use(api, key, 5, status=5)
    await use(api, key, 1, ago=DAY)
    await use(api, key, 9, ago=DAY + HOUR)
    answer = await api.admin.get(f"{V2}/apikeys/1c1/usage")
    url = str(api.client.make_url(f"{V2}/apikeys/1c1/usage"))
    query = "from=2026-11-26T12:00:00Z&to=2026-11-27T13:00:00Z&by=hour"
    shown = {"type": "usage", "links": {}, "actions": {}}
    assert answer.body == {
        "type": "collection",
        "resourceType": "usage",
        "links": {"self": f"{url}?{query}"},
        "createTypes": {},
        "actions": {},
        "from": "2026-11-26T12:00:00Z",
        "to": "2026-11-27T13:00:00Z",
        "by": ["hour"],
        "data": [
            shown
            | {"hour": "2026-11-26T12:00:00Z", "requests": 1, "refused": 0, "failed": 0}
            | {"bytesIn": 10, "bytesOut": 100, "seconds": 0.125},
            shown
            | {"hour": "2026-11-27T12:00:00Z", "requests": 12, "refused": 4, "failed": 5}
            | {"bytesIn": 120, "bytesOut": 1200, "seconds": 1.5},
        ],
        "pagination": None,
        "sort": None,
        "filters": {},
        "createDefaults": {},
    }
    assert (await api.admin.get(f"{V2}/apikeys/1c1/usage?{query}")).body == answer.body


async def test_usage_is_told_apart_as_asked_for(api: AdminApi) -> None:
    """In the order of the list; values that there are not are null or empty."""
    environment = await api.environment()
    pattern = "/v1/{environment}/**"
    await use(api, api.admin.key, 2, environment_id=environment.id, route=pattern)
    await use(api, None, 3, method="other", status=4, reason="forged", route="")
    every = ",".join(reversed(Dimension))
    first, second = await rows(api.admin, f"/usage?by={every}")
    assert first == {
        "environment": None,
        "key": None,
        "reason": "forged",
        "status": "4xx",
        "method": "other",
        "route": "",
        "day": "2026-11-27T00:00:00Z",
        "hour": "2026-11-27T12:00:00Z",
        "requests": 3,
        "refused": 3,
        "failed": 0,
        "bytesIn": 30,
        "bytesOut": 300,
        "seconds": 0.375,
        "keyName": None,
    }
    assert [*first][:8] == every.split(",")
    assert (second["environment"], second["key"], second["reason"]) == (environment.ref, "1c1", "")
    assert second["route"] == pattern
    assert await requests(api.admin, "/usage?by=status,key") == [
        ("2xx", "1c1", 2),
        ("4xx", None, 3),
    ]
    assert await requests(api.admin, "/usage?by=") == [(5,)]
    assert await requests(api.admin, "/usage?by=day,day") == [("2026-11-27T00:00:00Z", 5)]


async def test_times_are_given_as_dates_or_back_from_now(api: AdminApi) -> None:
    """The end does not count, unless it is within an hour."""
    for ago in (0, HOUR, 2 * HOUR, 8 * DAY):
        await use(api, api.admin.key, 1, ago=ago)
    for query, expected in {
        "": 3,
        "from=-1h": 2,
        "from=-90m": 2,
        "from=-10m": 1,
        "from=-9d": 4,
        "from=-9d&to=-2d": 1,
        "to=-2d": 0,
        "to=-8d": 1,
        "from=2026-11-27T10:00:00Z&to=2026-11-27T11:00:00Z": 1,
        "from=2026-11-27T10:00:00Z&to=2026-11-27T11:00:01Z": 2,
        "from=2026-11-27T10:59:59.999Z": 3,
        "from=2026-11-27T12:00:00%2B01:00": 2,
    }.items():
        assert await requests(api.admin, f"/apikeys/1c1/usage?by=&{query}") == [(expected,)], query


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=yesterday", "422 InvalidDateFormat from"),
        ("from=7d", "422 InvalidDateFormat from"),
        ("to=2026-11-27", "422 InvalidDateFormat to"),
        ("to=-1y", "422 InvalidDateFormat to"),
        ("to=9999-12-31T23:59:59Z", "422 InvalidDateFormat to"),
        ("from=0001-01-01T00:00:00%2B01:00", "422 InvalidDateFormat from"),
        ("from=-1h&to=-1h", "422 MinLimitExceeded to"),
        ("from=2030-01-01T00:00:00Z", "422 MinLimitExceeded to"),
        ("by=hours", "422 InvalidOption by"),
        ("by=hour,path", "422 InvalidOption by"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(api: AdminApi, query: str, code: str) -> None:
    """The error names the parameter, and says what it may be."""
    answer = await api.admin.get(f"{V2}/apikeys/1c1/usage?{query}")
    assert answer.code == code
    assert answer.body["detail"].startswith(f"{answer.body['fieldName']} must be")


async def test_the_usage_of_an_account_is_that_of_its_keys(api: AdminApi) -> None:
    """That of an environment is what was counted for it, by its own keys and those of accounts."""
    user = await api.account()
    environment = await api.environment({user: Role.MEMBER})
    mine, another = (await api.key(user)).key, (await api.key(user)).key
    its = (await api.key(environment)).key
    await use(api, mine, 1)
    await use(api, mine, 2, environment_id=environment.id)
    await use(api, another, 4, environment_id=environment.id)
    await use(api, its, 8, environment_id=environment.id)
    await use(api, api.admin.key, 16)
    assert await requests(api.admin, f"/accounts/{user.ref}/usage?by=key") == [
        (mine.ref, 3),
        (another.ref, 4),
    ]
    assert await requests(api.admin, f"/projects/{environment.ref}/usage?by=key") == [
        (mine.ref, 2),
        (another.ref, 4),
        (its.ref, 8),
    ]
    assert await requests(api.admin, "/usage?by=environment") == [(None, 17), (environment.ref, 14)]
    inside = f"/projects/{environment.ref}"
    assert await requests(api.admin, f"{inside}/apikeys/{its.ref}/usage?by=") == [(8,)]
    assert await requests(api.admin, f"{inside}/projects/{environment.ref}/usage?by=") == [(14,)]
    for path in (f"apikeys/{mine.ref}/usage", "projects/1a99/usage"):
        assert (await api.admin.get(f"{V2}{inside}/{path}")).status == 404


async def test_who_may_see_a_resource_may_see_its_usage(api: AdminApi) -> None:
    """To others it looks as if it did not exist. The usage of all is for who may see the audit
    log."""
    user, stranger = await api.account(), await api.account()
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    environment = await api.environment({user: Role.READONLY})
    key, of_environment = await api.key(user), await api.key(environment)
    paths = (
        f"/apikeys/{key.key.ref}/usage",
        f"/apikeys/{of_environment.key.ref}/usage",
        f"/accounts/{user.ref}/usage",
        f"/projects/{environment.ref}/usage",
        "/usage",
    )
    for presented, expected in (
        (api.admin, [200, 200, 200, 200, 200]),
        (auditor, [200, 200, 200, 200, 200]),
        (key, [200, 200, 200, 200, 403]),
        (of_environment, [404, 200, 404, 200, 403]),
        (await api.key(stranger), [404, 404, 404, 404, 403]),
    ):
        assert [(await presented.get(V2 + path)).status for path in paths] == expected


async def test_keys_that_one_may_not_see_are_summed_up(api: AdminApi) -> None:
    """Members of an environment see its own keys and their own, by their names; who may list the
    keys of all accounts sees all of them."""
    user, other = await api.account(), await api.account()
    environment = await api.environment({user: Role.READONLY, other: Role.OWNER})
    mine, its = await api.key(user), await api.key(environment)
    others = [await api.key(other), await api.key(other)]
    named = await api.admin.put(f"{V2}/apikeys/{its.key.ref}", {"name": "scanner"})
    assert named.status == 200
    for number, presented in enumerate((mine, its, *others)):
        await use(api, presented.key, 10**number, environment_id=environment.id)
    await use(api, others[1].key, 5, environment_id=environment.id, status=4, reason="read-only")
    path = f"/projects/{environment.ref}/usage"
    assert await requests(mine, f"{path}?by=key") == [
        ("others", 1105),
        (mine.key.ref, 1),
        (its.key.ref, 10),
    ]
    told = {row["key"]: row["keyName"] for row in await rows(mine, f"{path}?by=key")}
    assert told == {
        "others": None,
        mine.key.ref: mine.key.access_key,
        its.key.ref: "scanner",
    }
    assert await requests(mine, f"{path}?by=status,key") == [
        ("2xx", "others", 1100),
        ("2xx", mine.key.ref, 1),
        ("2xx", its.key.ref, 10),
        ("4xx", "others", 5),
    ]
    assert await requests(mine, f"{path}?by=") == [(1116,)]
    found = {row["key"]: row["keyName"] for row in await rows(api.admin, f"{path}?by=key")}
    assert set(found) == {each.key.ref for each in (mine, its, *others)}
    assert found[others[0].key.ref] == others[0].key.access_key


async def test_a_removed_key_still_has_usage_and_a_purged_one_has_none(api: AdminApi) -> None:
    """That of its account has both."""
    user = await api.account()
    key = (await api.key(user)).key
    await use(api, key, 7)
    path = f"/apikeys/{key.ref}"
    for action, status in (("deactivate", 200), ("remove", 200), ("purge", 404)):
        assert (await api.admin.post(f"{V2}{path}/?action={action}")).status == 202
        assert (await api.admin.get(f"{V2}{path}/usage")).status == status
        assert await requests(api.admin, f"/accounts/{user.ref}/usage?by=") == [(7,)]
    assert (await api.store.get_key(key.id) or key).state is State.PURGED


async def test_usage_is_found_under_both_versions_and_from_the_links(api: AdminApi) -> None:
    """Of each resource that has some."""
    await api.environment()
    for path in ("apikeys/1c1", "projects/1a2", "accounts/1a1"):
        for version in ("v1", "v2-beta"):
            link = (await api.admin.get(f"/{version}/{path}")).body["links"]["usage"]
            assert link == str(api.client.make_url(f"/{version}/{path}/usage"))
            for url in (f"/{version}/{path}/usage", f"/{version}/{path}/usage/"):
                answer = await api.admin.get(url)
                assert answer.body["links"]["self"].startswith(f"{link}?from=")
    for path in ("settings/access_control", "auditlogs/1", "projectmembers/1m1"):
        assert (await api.admin.get(f"{V2}/{path}/usage")).status == 404
    assert (await api.admin.post(f"{V2}/usage", {})).status == 405


async def test_a_report_with_too_many_rows_is_refused(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how to ask for fewer."""
    monkeypatch.setattr(service, "MAX_ROWS", 3)
    for ago in range(4):
        await use(api, api.admin.key, 1, ago=ago * HOUR)
    assert (await api.admin.get(f"{V2}/usage?from=-2h")).status == 200
    answer = await api.admin.get(f"{V2}/usage")
    assert answer.code == "400 TooManyRows"
    assert answer.body["detail"] == "ask for a shorter time, or for less in `by`"


async def test_a_report_that_takes_too_long_is_given_up(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how to ask for less."""
    monkeypatch.setattr("proxy.store.sqlite.connection.MOST_SECONDS", 0.1)
    monkeypatch.setattr("proxy.store.sql.usage.sums", lambda _query: (ENDLESS, []))
    answer = await api.admin.get(f"{V2}/usage")
    assert answer.code == "400 ListTooCostly"
    assert answer.body["detail"] == "ask for a shorter time, or for less in `by`"


@pytest.mark.parametrize("presented", range(2))
async def test_the_usage_of_what_does_not_exist_is_not_found(api: AdminApi, presented: int) -> None:
    """Whoever asks."""
    await api.key(await api.account())
    for path in ("apikeys/1c99", "accounts/1a99", "projects/1a99", "projects/1a1", "apikeys/x"):
        assert (await api.keys[presented].get(f"{V2}/{path}/usage")).status == 404


async def test_a_browser_gets_a_report_as_a_page(api: AdminApi) -> None:
    """With the schema of its rows."""
    await use(api, api.admin.key, 3)
    headers = {"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*"}
    for path in ("apikeys/1c1/usage", "accounts/1a1/usage?by=day", "usage?by="):
        answer = await api.admin.get(f"{V2}/{path}", headers=headers)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "/v2-beta/schemas/usage" in answer.text
