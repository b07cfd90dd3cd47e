"""Advice over HTTP: what a key was used for, and the limits that would have sufficed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from admin.service import Place
from proxy.domain.model import AccountKind, Role
from proxy.domain.usage import DAY, Series, Sums
from proxy.store.protocols import SecretRef, Uses
from tests.admin.admin_api import AdminApi, Presented

KEYS = "/v2-beta/apikeys"
PROJECTS = "/v1/projects/{environment}/**"


@pytest.fixture
def places() -> Callable[[], Sequence[Place]]:
    """The routes of the configuration."""
    routes = [(PROJECTS, "environment"), ("/ping", "public"), ("/admin", "admin")]
    routes += [("/any", "any"), ("/**", "account"), ("/any", "any")]
    return lambda: [Place(*each) for each in routes]


async def use(
    api: AdminApi,
    key: Presented,
    route: str,
    method: str = "GET",
    *,
    environment: int = 0,
    reason: str = "",
    days: int = 0,
) -> None:
    """A request with a key, so many days ago."""
    hour = api.clock.now - api.clock.now % 3_600_000 - days * DAY
    series = Series(hour, key.key.id, environment, route, method, 4 if reason else 2, reason)
    await api.store.record_usage({}, {series: Sums(1)})


async def came_from(api: AdminApi, key: Presented, *networks: str) -> None:
    """A use from these networks."""
    now = api.clock.now
    uses = Uses(now, now, "192.0.2.1", 1, set(networks))
    await api.store.record_usage({SecretRef(key.key.id): uses}, {})


async def advice(api: AdminApi, key: Presented, query: str = "") -> dict[str, Any]:
    """The advice on a key."""
    answer = await api.admin.get(f"{KEYS}/{key.key.ref}/advice{query}")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


async def test_advice_is_what_would_have_sufficed(api: AdminApi) -> None:
    """Applied as it is, it makes the key narrower, and then there is nothing more to advise."""
    user = await api.account()
    prod, test = (
        await api.environment({user: Role.OWNER}),
        await api.environment({user: Role.OWNER}),
    )
    key = await api.key(user)
    await use(api, key, PROJECTS, environment=prod.id)
    await use(api, key, PROJECTS, "POST", environment=prod.id)
    await use(api, key, "/**", "DELETE", reason="scope")  # refused: nobody needs it
    await use(api, key, "/any", reason="upstream-timeout")
    await came_from(api, key, "192.0.2.0/24")
    shown = await advice(api, key)
    assert shown["observedSinceTS"] >= key.key.created
    assert shown["requests"] == 3
    assert [(each["route"], each["method"], each["environment"]) for each in shown["used"]] == [
        ("/any", "GET", None),
        (PROJECTS, "GET", prod.slug),
        (PROJECTS, "POST", prod.slug),
    ]
    assert shown["unusedRoutes"] == ["/**"]
    assert shown["unusedEnvironments"] == [test.slug]
    assert shown["limits"] == {
        "networks": ["192.0.2.0/24"],
        "scopes": ["GET /any", f"GET,POST /v1/projects/{prod.slug}/**"],
    }
    assert shown["narrower"] is True
    applied = await api.admin.put(f"{KEYS}/{key.key.ref}", {"limits": shown["limits"]})
    assert applied.body["limits"] == shown["limits"]
    again = await advice(api, key)
    assert (again["limits"], again["narrower"]) == (shown["limits"], False)


async def test_advice_looks_back_for_some_days_and_never_before_the_key_was_made(
    api: AdminApi,
) -> None:
    """It says since when it knows the key."""
    key = await api.key(await api.account())
    api.clock.now += 50 * DAY
    await use(api, key, "/any", days=40)
    await use(api, key, "/**", days=5)
    assert (await advice(api, key))["observedSinceTS"] >= key.key.created
    assert (await advice(api, key))["requests"] == 2
    lately = await advice(api, key, "?days=30")
    assert (lately["requests"], lately["limits"]) == (1, {"scopes": ["GET /**"]})
    assert lately["observedSinceTS"] == api.clock.now - 30 * DAY


async def test_use_is_known_for_no_longer_than_it_is_kept(api: AdminApi) -> None:
    """However far back one asks."""
    key = await api.key(await api.account())
    api.clock.now += 300 * DAY
    shown = await advice(api, key, "?days=365")
    assert shown["observedSinceTS"] == api.clock.now - 90 * DAY


async def test_a_key_that_is_used_at_once_was_used_from_somewhere(api: AdminApi) -> None:
    """The gateway's clock of uses goes by seconds, and so may be behind the key's creation."""
    key = await api.key(await api.account())
    await api.put(replace(key.key, created=api.clock.now + 900))
    await came_from(api, key, "192.0.2.0/24")
    assert [each["network"] for each in (await advice(api, key))["networks"]] == ["192.0.2.0/24"]


async def test_too_many_networks_are_no_advice(api: AdminApi) -> None:
    """Nor are addresses that are none."""
    key = await api.key(await api.account())
    await came_from(api, key, *(f"10.0.{number}.0/24" for number in range(17)))
    shown = await advice(api, key)
    assert (shown["networks"], shown["limits"]) == (None, {})
    other = await api.key(await api.account())
    await came_from(api, other, "192.0.2.0/24", "*")
    assert (await advice(api, other))["networks"] is None


async def test_an_environments_key_keeps_the_placeholder_of_nothing(api: AdminApi) -> None:
    """Its only environment is named; routes for accounts are not open to it."""
    environment = await api.environment()
    key = await api.key(environment)
    await use(api, key, PROJECTS, environment=environment.id)
    shown = await advice(api, key)
    assert shown["limits"]["scopes"] == [f"GET /v1/projects/{environment.slug}/**"]
    assert (shown["unusedRoutes"], shown["unusedEnvironments"]) == (["/any"], [])


async def test_who_may_see_a_key_may_see_its_advice(api: AdminApi) -> None:
    """And nobody else."""
    user = await api.account()
    key = await api.key(user)
    path = f"{KEYS}/{key.key.ref}/advice"
    reader = await api.key(await api.account(AccountKind.READ_ADMIN))
    stranger = await api.key(await api.account())
    weak = await api.key(user, Role.READONLY)
    assert [(await each.get(path)).status for each in (key, weak, reader, stranger)] == [
        *(200, 200, 200, 404)
    ]
    shown = (await key.get(f"{KEYS}/{key.key.ref}")).body
    assert shown["links"]["advice"].endswith(path)


@pytest.mark.parametrize("days", ["0", "367", "x", "-1", "1.5", "9" * 400, ""])
async def test_days_that_are_no_number_are_refused(api: AdminApi, days: str) -> None:
    """From 1 to 366."""
    answer = await api.admin.get(f"{KEYS}/1c1/advice?days={days}")
    assert answer.code == "422 InvalidFormat days"
