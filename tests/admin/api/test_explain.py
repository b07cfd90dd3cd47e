"""`explain` over HTTP: what the gateway would decide on a request with a key, and why."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, Answer, Presented

ENVIRONMENTS = "/v1/projects/{environment}/**"
NOTHING = dict.fromkeys(
    ("decision", "status", "reason", "route", "access", "upstream", "environment", "role")
)


async def explained(
    api: AdminApi, key: Presented, path: str, method: str | None = None
) -> dict[str, Any]:
    """What the admin is told."""
    answer = await asked(api, key, {"path": path} | ({"method": method} if method else {}))
    assert answer.status == 202, answer.text
    body: dict[str, Any] = answer.body
    assert {body.pop(name) for name in ("type",)} == {"explanation"}
    assert (body.pop("links"), body.pop("actions")) == ({}, {})
    sentence = body.pop("explanation")
    assert sentence.endswith(".") if body["decision"] == "deny" else sentence is None
    return body


async def asked(api: AdminApi, key: Presented, body: object) -> Answer:
    """Have the admin ask."""
    return await api.admin.post(f"/v2-beta/apikeys/{key.key.ref}/?action=explain", body)


def denied(status: int, reason: str, route: str | None = None, access: str | None = None) -> Any:
    """A refusal, on a route or before one is found."""
    told = {"decision": "deny", "status": status, "reason": reason}
    if route is not None:
        told |= {"route": route, "access": access, "upstream": "default"}
    return NOTHING | told


async def test_permits(api: AdminApi) -> None:
    """A permit tells route, environment and the role that the request would have there."""
    account = await api.account()
    environment = await api.environment({account: Role.MEMBER})
    path = f"/v1/projects/{environment.slug}/hosts?limit=1"
    permit = NOTHING | {"decision": "permit", "route": ENVIRONMENTS, "access": "environment"}
    permit |= {"upstream": "default", "environment": environment.slug}
    assert await explained(api, await api.key(account), path) == permit | {"role": "member"}
    key = await api.key(environment, Role.READONLY)
    assert await explained(api, key, path, "HEAD") == permit | {"role": "readonly"}
    told = await explained(api, await api.key(account), "/other")
    assert (told["decision"], told["route"], told["environment"]) == ("permit", "/**", None)


async def test_refusals(api: AdminApi) -> None:
    """A refusal tells its status and the word for it in the access log."""
    account = await api.account()
    mine = await api.environment({account: Role.READONLY})
    other = await api.environment()
    key, tied = await api.key(account), await api.key(mine)
    there = f"/v1/projects/{other.slug}/hosts"
    here = f"/v1/projects/{mine.slug}/hosts"
    rows = [
        (key, there, "GET", denied(403, "environment", ENVIRONMENTS, "environment")),
        (tied, there, "GET", denied(403, "environment", ENVIRONMENTS, "environment")),
        (key, here, "POST", denied(403, "read-only", ENVIRONMENTS, "environment")),
        (tied, "/other", "GET", denied(403, "access", "/**", "account")),
        (key, "/v1/projects/%2e%2e/x", "GET", denied(400, "target")),
        (key, "x", "GET", denied(400, "target")),
    ]
    for caller, path, method, expected in rows:
        assert await explained(api, caller, path, method) == expected, (path, method)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/a b", "GET"),
        ("/x\r\nHost: evil", "GET"),
        ("/x HTTP/1.0", "GET"),
        ("/ä", "GET"),
        ("/x#y", "GET"),
        ("/a/../b", "GET"),
        ("/x", "GET /y"),
        ("/x", "G\nT"),
        ("/x", "TRACE"),
        ("/x", "CONNECT"),
        ("http://gateway/x", "GET"),
    ],
)
async def test_what_is_no_request(api: AdminApi, path: str, method: str) -> None:
    """What the gateway would refuse unread is explained as such, or refused, and never fails."""
    answer = await asked(api, api.admin, {"path": path, "method": method})
    if answer.status == 422:
        assert answer.code in {"422 InvalidCharacters path", "422 InvalidCharacters method"}
    else:
        assert (answer.status, answer.body["decision"]) == (202, "deny")
        assert answer.body["status"] in {400, 405, 414, 501}


async def test_states(api: AdminApi) -> None:
    """What keeps a key from working is told, and what it would be good for is not."""
    account = await api.account()
    inactive = await api.key(account, state=State.INACTIVE)
    expired = await api.key(account, expires=api.clock() - 1)
    told = await explained(api, inactive, "/x")
    assert (told["status"], told["reason"]) == (401, "key-inactive")
    told = await explained(api, expired, "/x")
    assert (told["status"], told["reason"]) == (401, "key-expired")
    live = await api.key(account)
    await api.admin.post(f"/v2-beta/accounts/{account.ref}?action=deactivate")
    told = await explained(api, live, "/x")
    assert (told["status"], told["reason"]) == (401, "owner-inactive")


async def test_removed_keys(api: AdminApi) -> None:
    """A removed key is not offered an explanation, and where it is asked for one, is inactive."""
    key = await api.key(await api.account(), state=State.REMOVED)
    path = f"/v2-beta/apikeys/{key.key.ref}"
    assert "explain" not in (await api.admin.get(path)).body["actions"]
    told = await explained(api, key, "/x")
    assert told["reason"] == "key-inactive"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "422 MissingRequired path"),
        ({"path": 5}, "422 InvalidType path"),
        ({"path": None}, "422 InvalidType path"),
        ({"path": "/x", "method": None}, "422 InvalidType method"),
        ({"path": "/x", "method": 5}, "422 InvalidType method"),
    ],
)
async def test_bad_bodies(api: AdminApi, body: object, code: str) -> None:
    """A path is required, a method is GET where none is told."""
    assert (await asked(api, api.admin, body)).code == code


async def test_who_may_ask(api: AdminApi) -> None:
    """Whoever sees a key may ask, a key about itself too; nothing is written for it."""
    user = await api.account()
    environment = await api.environment({user: Role.READONLY})
    tied = await api.key(environment)
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    for caller in (tied, auditor, await api.key(user, Role.READONLY)):
        path = f"/v2-beta/apikeys/{tied.key.ref}/?action=explain"
        assert (await caller.post(path, {"path": "/x"})).status == 202
    stranger = await api.key(await api.account())
    assert (await stranger.post(path, {"path": "/x"})).code == "404 NotFound"
    assert api.audit() == []
