"""`explain` over HTTP: what the gate would decide on a request with a key, and why."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.office import Answer, Office, Presented

ENVIRONMENTS = "/v1/projects/{environment}/**"
NOTHING = dict.fromkeys(
    ("decision", "status", "reason", "route", "access", "upstream", "environment", "role")
)


async def explained(
    office: Office, key: Presented, path: str, method: str | None = None
) -> dict[str, Any]:
    """What the admin is told."""
    answer = await asked(office, key, {"path": path} | ({"method": method} if method else {}))
    assert answer.status == 202, answer.text
    body: dict[str, Any] = answer.body
    assert {body.pop(name) for name in ("type",)} == {"explanation"}
    assert (body.pop("links"), body.pop("actions")) == ({}, {})
    return body


async def asked(office: Office, key: Presented, body: object) -> Answer:
    """Have the admin ask."""
    return await office.admin.post(f"/v2-beta/apikeys/{key.key.ref}/?action=explain", body)


def denied(status: int, reason: str, route: str | None = None, access: str | None = None) -> Any:
    """A refusal, on a route or before one is found."""
    told = {"decision": "deny", "status": status, "reason": reason}
    if route is not None:
        told |= {"route": route, "access": access, "upstream": "default"}
    return NOTHING | told


async def test_permits(office: Office) -> None:
    """A permit tells route, environment and the role that the request would have there."""
    account = await office.account()
    environment = await office.environment({account: Role.MEMBER})
    path = f"/v1/projects/{environment.slug}/hosts?limit=1"
    permit = NOTHING | {"decision": "permit", "route": ENVIRONMENTS, "access": "environment"}
    permit |= {"upstream": "default", "environment": environment.slug}
    assert await explained(office, await office.key(account), path) == permit | {"role": "member"}
    key = await office.key(environment, Role.READONLY)
    assert await explained(office, key, path, "HEAD") == permit | {"role": "readonly"}
    told = await explained(office, await office.key(account), "/other")
    assert (told["decision"], told["route"], told["environment"]) == ("permit", "/**", None)


async def test_refusals(office: Office) -> None:
    """A refusal tells its status and the word for it in the access log."""
    account = await office.account()
    mine = await office.environment({account: Role.READONLY})
    other = await office.environment()
    key, tied = await office.key(account), await office.key(mine)
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
        assert await explained(office, caller, path, method) == expected, (path, method)


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
        ("http://gate/x", "GET"),
    ],
)
async def test_what_is_no_request(office: Office, path: str, method: str) -> None:
    """What the gate would refuse unread is explained as such, or refused, and never fails."""
    answer = await asked(office, office.admin, {"path": path, "method": method})
    if answer.status == 422:
        assert answer.code in {"422 InvalidCharacters path", "422 InvalidCharacters method"}
    else:
        assert (answer.status, answer.body["decision"]) == (202, "deny")
        assert answer.body["status"] in {400, 405, 414, 501}


async def test_states(office: Office) -> None:
    """What keeps a key from working is told, and what it would be good for is not."""
    account = await office.account()
    inactive = await office.key(account, state=State.INACTIVE)
    expired = await office.key(account, expires=office.clock() - 1)
    told = await explained(office, inactive, "/x")
    assert (told["status"], told["reason"]) == (401, "key-inactive")
    told = await explained(office, expired, "/x")
    assert (told["status"], told["reason"]) == (401, "key-expired")
    live = await office.key(account)
    await office.admin.post(f"/v2-beta/accounts/{account.ref}?action=deactivate")
    told = await explained(office, live, "/x")
    assert (told["status"], told["reason"]) == (401, "owner-inactive")


async def test_removed_keys(office: Office) -> None:
    """A removed key is not offered an explanation, and where it is asked for one, is inactive."""
    key = await office.key(await office.account(), state=State.REMOVED)
    path = f"/v2-beta/apikeys/{key.key.ref}"
    assert "explain" not in (await office.admin.get(path)).body["actions"]
    told = await explained(office, key, "/x")
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
async def test_bad_bodies(office: Office, body: object, code: str) -> None:
    """A path is required, a method is GET where none is told."""
    assert (await asked(office, office.admin, body)).code == code


async def test_who_may_ask(office: Office) -> None:
    """Whoever sees a key may ask, a key about itself too; nothing is written for it."""
    user = await office.account()
    environment = await office.environment({user: Role.READONLY})
    tied = await office.key(environment)
    auditor = await office.key(await office.account(AccountKind.READ_ADMIN))
    for caller in (tied, auditor, await office.key(user, Role.READONLY)):
        path = f"/v2-beta/apikeys/{tied.key.ref}/?action=explain"
        assert (await caller.post(path, {"path": "/x"})).status == 202
    stranger = await office.key(await office.account())
    assert (await stranger.post(path, {"path": "/x"})).code == "404 NotFound"
    assert office.audit() == []
