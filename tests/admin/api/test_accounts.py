"""Accounts over HTTP, and the resource of the API's version."""

from __future__ import annotations

import base64

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, ask

ACCOUNTS = "/v2-beta/accounts"


async def test_the_version_links_to_every_collection(api: AdminApi) -> None:
    """The links are under the version that the request names."""
    for version in ("v1", "v2-beta"):
        url = str(api.client.make_url(f"/{version}"))
        expected = {
            "id": version,
            "type": "apiVersion",
            "links": {
                "self": url,
                "schemas": f"{url}/schemas",
                "apiKeys": f"{url}/apikeys",
                "projects": f"{url}/projects",
                "accounts": f"{url}/accounts",
                "projectMembers": f"{url}/projectmembers",
                "settings": f"{url}/settings",
                "upstreams": f"{url}/upstreams",
                "nodes": f"{url}/nodes",
                "revisions": f"{url}/revisions",
                "auditLogs": f"{url}/auditlogs",
                "webhookMessages": f"{url}/webhookmessages",
                "usage": f"{url}/usage",
            },
            "actions": {},
        }
        assert (await api.admin.get(f"/{version}")).body == expected
        assert (await api.admin.get(f"/{version}/")).body == expected


async def test_an_admin_creates_accounts_of_every_kind(api: AdminApi) -> None:
    """An admin makes an account of a kind."""
    answer = await api.admin.post(ACCOUNTS, {"name": "Ada", "kind": "user", "description": "d"})
    url = str(api.client.make_url(f"{ACCOUNTS}/1a2"))
    body = answer.body
    assert answer.status == 201
    assert body.pop("uuid")
    assert body.pop("created")
    assert body == {
        "id": "1a2",
        "type": "account",
        "baseType": "account",
        "links": {"self": url, "usage": f"{url}/usage"},
        "actions": {
            "update": f"{url}/?action=update",
            "deactivate": f"{url}/?action=deactivate",
        },
        "name": "Ada",
        "description": "d",
        "kind": "user",
        "state": "active",
        "createdTS": api.clock(),
        "removed": None,
        "removedTS": None,
        "transitioning": "no",
        "transitioningMessage": None,
        "transitioningProgress": None,
        "limits": {},
    }


async def test_an_account_is_edited_deactivated_activated_and_removed(api: AdminApi) -> None:
    """Only an inactive account can be removed."""
    path = f"{ACCOUNTS}/{(await api.account()).ref}"
    edited = await api.admin.put(path, {"name": "new", "kind": "admin"})
    assert (edited.body["name"], edited.body["kind"]) == ("new", "user")
    assert (await api.admin.delete(path)).code == "405 MethodNotAllowed"
    assert (await api.admin.post(f"{path}?action=deactivate")).body["state"] == "inactive"
    assert (await api.admin.post(f"{path}/?action=activate")).body["state"] == "active"
    await api.admin.post(f"{path}?action=deactivate")
    assert (await api.admin.delete(path)).body["state"] == "removed"
    assert (await api.admin.get(path)).body["state"] == "removed"
    assert [one["id"] for one in (await api.admin.get(ACCOUNTS)).body["data"]] == ["1a1"]


async def test_the_keys_of_an_inactive_account_are_refused(api: AdminApi) -> None:
    """They work again once it is active again."""
    account = await api.account()
    key = await api.key(account)
    await api.admin.post(f"{ACCOUNTS}/{account.ref}?action=deactivate")
    assert (await key.get("/v2-beta")).status == 401
    await api.admin.post(f"{ACCOUNTS}/{account.ref}?action=activate")
    assert (await key.get("/v2-beta")).status == 200


async def test_a_user_sees_its_own_account_and_changes_none(api: AdminApi) -> None:
    """Other accounts do not exist for it."""
    account = await api.account()
    key = await api.key(account)
    listing = (await key.get(ACCOUNTS)).body
    assert [one["id"] for one in listing["data"]] == [account.ref]
    assert listing["createTypes"] == {}
    own, others = f"{ACCOUNTS}/{account.ref}", f"{ACCOUNTS}/1a1"
    assert (await key.get(own)).body["actions"] == {}
    assert (await key.get(others)).code == "404 NotFound"
    assert (await key.put(own, {"name": "n"})).code == "403 Forbidden"
    assert (await key.put(others, {"name": "n"})).code == "404 NotFound"
    assert (await key.post(f"{own}?action=deactivate")).code == "403 Forbidden"
    assert (await key.post(ACCOUNTS, {"name": "n", "kind": "admin"})).code == "403 Forbidden"


async def test_the_last_active_admin_with_an_active_key_stays_active(api: AdminApi) -> None:
    """The last active admin account that has an active key stays active."""
    other = await api.account(AccountKind.ADMIN)
    await api.key(other, state=State.INACTIVE)
    deactivate = f"{ACCOUNTS}/1a1/?action=deactivate"
    assert (await api.admin.post(deactivate)).code == "409 LastAdminKey"
    assert (await api.admin.post(f"{ACCOUNTS}/{other.ref}?action=deactivate")).status == 202
    assert (await api.admin.post(f"{ACCOUNTS}/{other.ref}?action=activate")).status == 202
    key = await api.key(other)
    assert (await api.admin.post(deactivate)).status == 202
    assert (await api.admin.get("/v2-beta")).status == 401
    answer = await key.post(f"{ACCOUNTS}/{other.ref}?action=deactivate")
    assert answer.code == "409 LastAdminKey"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.RESTRICTED, Role.READONLY])
async def test_an_admin_key_without_the_role_owner_changes_no_account(
    api: AdminApi, role: Role
) -> None:
    """An admin's key that is no owner changes no accounts."""
    key = await api.key(await api.account(AccountKind.ADMIN), role)
    assert (await key.get(ACCOUNTS)).status == 200
    assert (await key.post(ACCOUNTS, {"name": "n", "kind": "user"})).code == "403 Forbidden"
    assert (await key.put(f"{ACCOUNTS}/1a1", {"name": "n"})).code == "403 Forbidden"


async def test_an_account_can_be_created_with_a_first_key(api: AdminApi) -> None:
    """The key is in the answer and works at once."""
    answer = await api.admin.post(ACCOUNTS, {"name": "n", "kind": "user", "createKey": True})
    first = answer.body["apiKey"]
    assert (first["accountId"], first["creatorId"], first["role"]) == ("1a2", "1a1", "owner")
    pair = f"{first['publicValue']}:{first['secretValue']}".encode()
    authorization = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    root = await ask(api.client, "GET", "/v2-beta", headers=authorization)
    assert (root.status, root.headers["X-Api-User-Id"]) == (200, "1a2")
    assert "apiKey" not in (await api.admin.get(f"{ACCOUNTS}/1a2")).body
    actions = [(entry["act"], entry["subject"]) for entry in api.audit()]
    assert actions == [("account.create", "1a2"), ("key.create", first["id"])]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "422 MissingRequired name"),
        ({"name": "n"}, "422 MissingRequired kind"),
        ({"name": "n", "kind": "root"}, "422 InvalidOption kind"),
        ({"name": 5, "kind": "user"}, "422 InvalidType name"),
        ({"name": "x" * 256, "kind": "user"}, "422 MaxLengthExceeded name"),
        ({"name": "n", "kind": "user", "createKey": "yes"}, "422 InvalidType createKey"),
    ],
)
async def test_a_malformed_account_is_refused_with_the_field_to_blame(
    api: AdminApi, body: dict[str, object], code: str
) -> None:
    """A body that cannot be an account's is refused, with the field that is to blame."""
    assert (await api.admin.post(ACCOUNTS, body)).code == code


async def test_each_action_on_an_account_leaves_an_audit_entry(api: AdminApi) -> None:
    """Each act upon an account leaves its entry."""
    await api.admin.post(ACCOUNTS, {"name": "n", "kind": "user"})
    await api.admin.put(f"{ACCOUNTS}/1a2", {"name": "m"})
    await api.admin.post(f"{ACCOUNTS}/1a2?action=deactivate")
    entries = [(entry["act"], entry["subject"], entry["after"]) for entry in api.audit()]
    assert entries == [
        ("account.create", "1a2", {"kind": "user", "name": "n", "state": "active"}),
        ("account.update", "1a2", {"name": "m"}),
        ("account.deactivate", "1a2", {"state": "inactive"}),
    ]


async def test_read_admins_and_readonly_keys_read_everything_and_change_nothing(
    api: AdminApi,
) -> None:
    """A readonly key of an admin is as good as a readAdmin's."""
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    reader = await api.key(await api.account(AccountKind.ADMIN), Role.READONLY)
    for key in (auditor, reader):
        for path in ("/v2-beta/apikeys", "/v2-beta/projects", "/v2-beta/accounts"):
            listing = await key.get(path)
            assert (listing.status, listing.body["createTypes"]) == (200, {})
            body = {"name": "n", "kind": "user"}
            assert (await key.post(path, body)).code == "403 Forbidden"
        one = await key.get("/v2-beta/apikeys/1c1")
        assert (one.status, list(one.body["actions"])) == (200, ["explain"])
        assert (await key.delete("/v2-beta/apikeys/1c1")).code == "403 Forbidden"
        assert (await key.put("/v2-beta/accounts/1a1", {})).code == "403 Forbidden"
