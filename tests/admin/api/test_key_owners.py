"""Keys of others over HTTP: those of users, of environments and of everyone."""

from __future__ import annotations

import pytest

from proxy.domain.model import Role
from tests.admin.admin_api import AdminApi

KEYS = "/v2-beta/apikeys"


# --- keys of others ------------------------------------------------------------------------------


async def test_a_user_sees_and_creates_only_its_own_keys(api: AdminApi) -> None:
    """Keys of others are not found."""
    one = await api.key(await api.account())
    other = await api.key(await api.account())
    await one.post(KEYS, {"name": "mine"})
    listing = await one.get(KEYS)
    assert {key["accountId"] for key in listing.body["data"]} == {f"1a{one.key.account_id}"}
    assert len(listing.body["data"]) == 2
    path = f"{KEYS}/{other.key.ref}"
    for method, more in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "?action=deactivate")):
        assert (await one.ask(method, path + more)).code == "404 NotFound"
    assert (await one.get(f"{path}/account")).code == "404 NotFound"


async def test_an_admin_sees_the_keys_of_everyone(api: AdminApi) -> None:
    """An admin's list holds the keys of all accounts and environments, with their endpoints."""
    await api.key(await api.account())
    environment = await api.environment()
    await api.key(environment)
    data = (await api.admin.get(KEYS)).body["data"]
    assert [key["id"] for key in data] == ["1c1", "1c2", "1c3"]
    assert [key["endpoint"] for key in data] == [
        "http://gateway",
        "http://gateway",
        f"http://gateway/v1/projects/{environment.slug}",
    ]


async def test_an_admin_creates_keys_for_others_by_account_id(api: AdminApi) -> None:
    """`accountId` names the account or the environment that the new key is for."""
    user, environment = await api.account(), await api.environment()
    for ref in (user.ref, environment.ref):
        made = await api.admin.post(KEYS, {"accountId": ref})
        assert (made.status, made.body["accountId"]) == (201, ref)
    one = await api.key(user)
    for ref in ("1a1", "1a99", environment.ref):
        assert (await one.post(KEYS, {"accountId": ref})).code == "422 InvalidReference accountId"


async def test_a_removed_environment_gets_no_new_keys(api: AdminApi) -> None:
    """Neither by its path nor by `accountId`."""
    environment = await api.environment()
    path = f"/v2-beta/projects/{environment.ref}"
    await api.admin.post(f"{path}?action=deactivate")
    await api.admin.delete(path)
    assert (await api.admin.post(f"{path}/apikeys")).code == "404 NotFound"
    answer = await api.admin.post(KEYS, {"accountId": environment.ref})
    assert answer.code == "422 InvalidReference accountId"


# --- keys of an environment ----------------------------------------------------------------------


async def test_within_an_environment_its_keys_are_created_and_listed(api: AdminApi) -> None:
    """All links of the answers stay within the environment."""
    environment = await api.environment()
    keys = f"/v2-beta/projects/{environment.ref}/apikeys"
    made = await api.admin.post(keys, {"name": "n", "accountId": "1a1"})
    assert (made.status, made.body["accountId"]) == (201, environment.ref)
    assert made.body["role"] == "member"
    assert made.body["endpoint"] == f"http://gateway/v1/projects/{environment.slug}"
    assert made.body["links"]["self"] == str(api.client.make_url(f"{keys}/1c2"))
    assert made.body["actions"]["deactivate"].endswith(f"{keys}/1c2/?action=deactivate")
    listing = (await api.admin.get(keys)).body
    assert [key["id"] for key in listing["data"]] == ["1c2"]
    assert listing["createTypes"]["apiKey"] == str(api.client.make_url(keys))
    assert (await api.admin.get(f"{keys}/1c2")).status == 200
    assert (await api.admin.post(f"{keys}/1c2?action=deactivate")).status == 202
    assert (await api.admin.delete(f"{keys}/1c2")).status == 200


async def test_a_key_of_another_owner_is_not_found_within_an_environment(api: AdminApi) -> None:
    """Another owner is an account or another environment."""
    here, there = await api.environment(), await api.environment()
    other = await api.key(there)
    for ref in ("1c1", other.key.ref):
        path = f"/v2-beta/projects/{here.ref}/apikeys/{ref}"
        assert (await api.admin.get(path)).code == "404 NotFound"
        assert (await api.admin.post(f"{path}?action=deactivate")).code == "404 NotFound"
    for ref in ("1a99", "1a1", "1a0", "x"):
        path = f"/v2-beta/projects/{ref}/apikeys"
        assert (await api.admin.get(path)).code == "404 NotFound"
        assert (await api.admin.post(path)).code == "404 NotFound"


@pytest.mark.parametrize(
    ("membership", "presented", "look", "make", "change"),
    [
        (Role.OWNER, Role.OWNER, 200, 201, 202),
        (Role.OWNER, Role.MEMBER, 200, 201, 202),
        (Role.OWNER, Role.RESTRICTED, 200, 403, 403),
        (Role.OWNER, Role.READONLY, 200, 403, 403),
        (Role.MEMBER, Role.OWNER, 200, 201, 202),
        (Role.RESTRICTED, Role.OWNER, 200, 403, 403),
        (Role.READONLY, Role.OWNER, 200, 403, 403),
        (None, Role.OWNER, 404, 404, 404),
    ],
)
async def test_membership_and_presented_role_decide_what_members_do_with_keys(
    api: AdminApi, membership: Role | None, presented: Role, look: int, make: int, change: int
) -> None:
    """What a member may do with the environment's keys depends on its role and on its key's."""
    account = await api.account()
    environment = await api.environment({account: membership} if membership else {})
    existing = await api.key(environment, Role.READONLY)
    key = await api.key(account, presented)
    keys = f"/v2-beta/projects/{environment.ref}/apikeys"
    for path in (f"{keys}/{existing.key.ref}", f"{KEYS}/{existing.key.ref}"):
        assert (await key.get(path)).status == look
        assert (await key.put(path, {"name": "n"})).status == {202: 200}.get(change, change)
        assert (await key.post(f"{path}?action=deactivate")).status == change
        assert (await key.post(f"{path}?action=activate")).status == change
    assert (await key.get(keys)).status == look
    assert (await key.post(keys)).status == make
