"""Behind a trusted proxy, the client of a request is the one that the proxy names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.auth.ratelimit import GuessLimiter
from proxy.domain.limits import parse_limits
from tests.admin.admin_api import AdminApi, ask
from tests.admin.console.browser import NAMED
from tests.harness import running_world

CHAINS: list[tuple[Mapping[str, str], str]] = [
    ({}, "127.0.0.1"),
    ({"X-Forwarded-For": "192.0.2.7"}, "192.0.2.7"),
    ({"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}, "192.0.2.7"),
    ({"X-Forwarded-For": "192.0.2.7, 10.0.0.1"}, "192.0.2.7"),
    ({"X-Forwarded-For": "[2001:db8::1]:99"}, "2001:db8::1"),
    ({"X-Forwarded-For": "::ffff:192.0.2.7"}, "192.0.2.7"),
    ({"X-Forwarded-For": "unknown"}, "127.0.0.1"),
    ({"X-Forwarded-For": "\xe9, 192.0.2.7"}, "192.0.2.7"),
    ({"Forwarded": 'for="[2001:db8::7]:4711"'}, "2001:db8::7"),
    ({"Forwarded": "for=192.0.2.8", "X-Forwarded-For": "192.0.2.7"}, "192.0.2.7"),
]


@pytest.mark.parametrize(("fields", "client"), CHAINS)
async def test_a_trusted_proxy_names_the_client(
    api: AdminApi, fields: Mapping[str, str], client: str
) -> None:
    """In the answer, and in the audit log. What a client says itself counts for nothing."""
    answer = await api.admin.post("/v2-beta/apikeys", {}, headers=fields)
    assert answer.headers["X-Api-Client-Ip"] == "127.0.0.1"
    api.proxies = ["127.0.0.1", "10.0.0.1"]
    answer = await api.admin.post("/v2-beta/apikeys", {}, headers=fields)
    assert answer.headers["X-Api-Client-Ip"] == client
    assert [each["address"] for each in api.audit()[-2:]] == ["127.0.0.1", client]


@pytest.mark.parametrize(("fields", "client"), CHAINS)
async def test_the_admin_server_finds_the_client_that_the_gateway_finds(
    tmp_path: Path, fields: Mapping[str, str], client: str
) -> None:
    """By the same setting, in a running server."""
    options: dict[str, Any] = {
        "admin": {"listen": "127.0.0.1:0"},
        "trusted_proxies": ["127.0.0.1", "10.0.0.1"],
    }
    async with running_world(tmp_path, **options) as world:
        lines = [f"{name}: {value}".encode("latin-1") for name, value in fields.items()]
        await world.send(world.request(b"/v1/projects/a/x", *lines))
        assert world.log()[0]["client"] == client
        headers = {"Authorization": world.admin.credentials.authorization, **fields}
        async with (
            ClientSession(world.node.admin_urls[0]) as session,
            session.get("/v2-beta", headers=headers) as answer,
        ):
            assert answer.headers["X-Api-Client-Ip"] == client


async def test_a_chain_that_is_too_long_is_refused(api: AdminApi) -> None:
    """As the gateway refuses it; without a trusted proxy nobody reads it."""
    fields = {"X-Forwarded-For": ",".join(["192.0.2.7"] * 300)}
    assert (await api.admin.get("/v2-beta", headers=fields)).status == 200
    api.proxies = ["127.0.0.1"]
    answer = await api.admin.get("/v2-beta", headers=fields)
    assert answer.code == "400 BadRequest"


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No budget of guesses grows, however slow the machine is."""
    monkeypatch.setattr(
        "proxy.auth.authenticator.GuessLimiter", lambda cells: GuessLimiter(lambda: 0.0, cells)
    )


@pytest.mark.usefixtures("still")
async def test_clients_behind_a_proxy_have_budgets_of_their_own(api: AdminApi) -> None:
    """One that guesses keeps no other one out."""
    key = (await api.key(await api.account())).key
    await api.put(replace(key, sealed=False))
    api.proxies = ["127.0.0.1"]

    async def guess(client: str, access: str) -> int:
        form = {"access": access, "secret": "wrong"}
        headers = NAMED | {"X-Forwarded-For": client}
        return (await ask(api.client, "POST", "/login", form, headers=headers)).status

    statuses = [await guess("192.0.2.7", f"guess{number}") for number in range(25)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert await guess("192.0.2.8", "guess") == 401


async def test_the_networks_of_a_key_are_those_of_the_client(api: AdminApi) -> None:
    """Not of the proxy."""
    presented = await api.key(await api.account())
    await api.put(replace(presented.key, limits=parse_limits({"networks": ["192.0.2.0/24"]})))
    inside = {"X-Forwarded-For": "192.0.2.7"}
    assert (await presented.get("/v2-beta", headers=inside)).status == 403
    api.proxies = ["127.0.0.1"]
    assert (await presented.get("/v2-beta", headers=inside)).status == 200
    assert (await presented.get("/v2-beta")).status == 403


@pytest.mark.parametrize("trusted", [True, False])
async def test_behind_a_proxy_that_ends_tls_cookies_are_secure(
    api: AdminApi, trusted: bool
) -> None:
    """Without a public_url too, where the proxy says how it was asked: the login works, and its
    cookie is bound to TLS and to this host."""
    api.proxies = ["127.0.0.1"] if trusted else []
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret}
    headers = {"X-Forwarded-Proto": "https", "Host": "admin.example"}
    headers |= {"Origin": "https://admin.example"} if trusted else {}
    async with api.client.post(
        "/login", data=form, headers=NAMED | headers, allow_redirects=False
    ) as answer:
        assert answer.status == 303
        (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-wardgate=" if trusted else "wardgate=")
    assert ("Secure" in cookie) is trusted
    schemas = (await api.admin.get("/v2-beta", headers=headers)).headers["X-API-Schemas"]
    scheme = "https" if trusted else "http"
    assert schemas == f"{scheme}://admin.example/v2-beta/schemas"


async def test_a_forwarded_host_is_not_served_in_place_of_host(api: AdminApi) -> None:
    """A page of another name could set the field."""
    api.proxies = ["127.0.0.1"]
    headers = {"Host": "evil.example", "X-Forwarded-Host": "admin.example"}
    assert (await api.admin.get("/v2-beta", headers=headers)).status == 421
