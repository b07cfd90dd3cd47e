"""The action `explain` over HTTP: what the gateway would decide about a request, and why."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, Answer, Presented

ENVIRONMENTS = "/v1/projects/{environment}/**"
NAMES = ("decision", "status", "reason", "route", "access", "upstream", "environment", "role")
NOTHING: dict[str, Any] = dict.fromkeys((*NAMES, "wouldRefuse", "upstreamPath")) | {"limits": []}


async def explained(
    api: AdminApi, key: Presented, path: str, method: str | None = None
) -> dict[str, Any]:
    """The explanation that an admin gets."""
    answer = await request_explanation(
        api, key, {"path": path} | ({"method": method} if method else {})
    )
    assert answer.status == 202, answer.text
    body: dict[str, Any] = answer.body
    assert {body.pop(name) for name in ("type",)} == {"explanation"}
    assert (body.pop("links"), body.pop("actions")) == ({}, {})
    sentence = body.pop("explanation")
    assert sentence.endswith(".") if body["decision"] == "deny" else sentence is None
    return body


async def request_explanation(api: AdminApi, key: Presented, body: object) -> Answer:
    """Request an explanation as the admin."""
    return await api.admin.post(f"/v2-beta/apikeys/{key.key.ref}/?action=explain", body)


def denied(status: int, reason: str, route: str | None = None, access: str | None = None) -> Any:
    """A refusal, by a route or before one is found."""
    explanation = {"decision": "deny", "status": status, "reason": reason}
    if route is not None:
        explanation |= {"route": route, "access": access, "upstream": "default"}
    return NOTHING | explanation


async def test_an_explained_permit_names_the_route_the_environment_and_the_role(
    api: AdminApi,
) -> None:
    """A permit tells route, environment and the role that the request would have there."""
    account = await api.account()
    environment = await api.environment({account: Role.MEMBER})
    path = f"/v1/projects/{environment.slug}/hosts?limit=1"
    permit = NOTHING | {"decision": "permit", "route": ENVIRONMENTS, "access": "environment"}
    permit |= {"upstream": "default", "environment": environment.slug}
    assert await explained(api, await api.key(account), path) == permit | {"role": "member"}
    key = await api.key(environment, Role.READONLY)
    assert await explained(api, key, path, "HEAD") == permit | {"role": "readonly"}
    explanation = await explained(api, await api.key(account), "/other")
    assert (explanation["decision"], explanation["route"], explanation["environment"]) == (
        "permit",
        "/**",
        None,
    )


async def test_an_explained_refusal_has_the_status_and_the_reason_of_the_access_log(
    api: AdminApi,
) -> None:
    """A refusal tells its status and the word for it in the access log."""
    account = await api.account()
    mine = await api.environment({account: Role.READONLY})
    other = await api.environment()
    key, tied = await api.key(account), await api.key(mine)
    there = f"/v1/projects/{other.slug}/hosts"
    here = f"/v1/projects/{mine.slug}/hosts"
    rows = [
        (key, there, "GET", denied(404, "no-environment", ENVIRONMENTS, "environment")),
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
async def test_a_request_that_the_gateway_cannot_read_is_explained_or_refused(
    api: AdminApi, path: str, method: str
) -> None:
    """It never makes the admin server fail."""
    answer = await request_explanation(api, api.admin, {"path": path, "method": method})
    if answer.status == 422:
        assert answer.code in {"422 InvalidCharacters path", "422 InvalidCharacters method"}
    else:
        assert (answer.status, answer.body["decision"]) == (202, "deny")
        assert answer.body["status"] in {400, 405, 414, 501}


async def test_an_explanation_says_why_a_key_does_not_work(api: AdminApi) -> None:
    """It does not say what the key could do if it worked."""
    account = await api.account()
    inactive = await api.key(account, state=State.INACTIVE)
    expired = await api.key(account, expires=api.clock() - 1)
    explanation = await explained(api, inactive, "/x")
    assert (explanation["status"], explanation["reason"]) == (401, "key-inactive")
    explanation = await explained(api, expired, "/x")
    assert (explanation["status"], explanation["reason"]) == (401, "key-expired")
    live = await api.key(account)
    await api.admin.post(f"/v2-beta/accounts/{account.ref}?action=deactivate")
    explanation = await explained(api, live, "/x")
    assert (explanation["status"], explanation["reason"]) == (401, "owner-inactive")


async def test_a_removed_key_is_explained_as_inactive(api: AdminApi) -> None:
    """The action is not shown for it."""
    key = await api.key(await api.account(), state=State.REMOVED)
    path = f"/v2-beta/apikeys/{key.key.ref}"
    assert "explain" not in (await api.admin.get(path)).body["actions"]
    explanation = await explained(api, key, "/x")
    assert explanation["reason"] == "key-inactive"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "422 MissingRequired path"),
        ({"path": 5}, "422 InvalidType path"),
        ({"path": None}, "422 NotNullable path"),
        ({"path": "/x", "method": None}, "422 NotNullable method"),
        ({"path": "/x", "method": 5}, "422 InvalidType method"),
    ],
)
async def test_an_explanation_needs_a_path(api: AdminApi, body: object, code: str) -> None:
    """The method is GET by default."""
    assert (await request_explanation(api, api.admin, body)).code == code


async def test_whoever_sees_a_key_may_have_its_requests_explained(api: AdminApi) -> None:
    """A key may about itself. No audit entry is written."""
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


@pytest.mark.parametrize(
    ("origin", "method", "path", "reason"),
    [
        ("https://app", "GET", "/pages", None),
        ("https://app", "GET", "/pages?x=1", None),
        ("https://other", "GET", "/pages", "preflight-origin"),
        ("null", "GET", "/pages", "preflight-origin"),
        ("https://app", "PUT", "/pages", "preflight-method"),
        ("https://app", "GET", "/other", "no-credentials"),
    ],
)
async def test_an_explanation_may_be_of_a_page_of_another_origin(
    api: AdminApi, origin: str, method: str, path: str, reason: str | None
) -> None:
    """The preflight, which has no key, has to be permitted before the request."""
    key = await api.key(await api.account())
    body = {"path": path, "method": method, "origin": origin}
    explanation = (await request_explanation(api, key, body)).body
    assert explanation["decision"] == ("deny" if reason else "permit")
    assert explanation["reason"] == reason
