"""Keys over HTTP: their whole life, who may lead it, and what the audit log keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, Presented, ask

KEYS = "/v2-beta/apikeys"
DAY = 24 * 60 * 60 * 1000


async def test_a_new_key_has_the_form_that_ranchers_clients_know(api: AdminApi) -> None:
    """A new key is answered with its secret, in the form that Rancher's clients know."""
    answer = await api.admin.post(KEYS, {"name": "ci", "description": "builds"})
    url = str(api.client.make_url(f"{KEYS}/1c2"))
    body = answer.body
    assert answer.status == 201
    assert re.fullmatch("[0-9A-F]{20}", body.pop("publicValue"))
    assert re.fullmatch("wgs_[1-9A-HJ-NP-Za-km-z]{40}", body.pop("secretValue"))
    assert re.fullmatch("[0-9a-f-]{36}", body.pop("uuid"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body.pop("created"))
    assert body == {
        "id": "1c2",
        "type": "apiKey",
        "baseType": "credential",
        "links": {"self": url, "account": f"{url}/account"},
        "actions": {
            action: f"{url}/?action={action}"
            for action in ("update", "rotate", "deactivate", "explain")
        },
        "name": "ci",
        "description": "builds",
        "state": "active",
        "accountId": "1a1",
        "creatorId": "1a1",
        "createdTS": api.clock(),
        "kind": "apiKey",
        "removed": None,
        "removedTS": None,
        "transitioning": "no",
        "transitioningMessage": None,
        "transitioningProgress": None,
        "role": "owner",
        "readOnly": False,
        "expires": None,
        "expiresTS": None,
        "previousSecretExpires": None,
        "previousSecretExpiresTS": None,
        "lastUsed": None,
        "lastUsedTS": None,
        "lastUsedAddress": None,
        "useCount": 0,
        "endpoint": "http://gateway",
    }


async def test_a_new_key_can_be_presented_with_the_next_request(api: AdminApi) -> None:
    """The access key and the secret in the answer are a pair that works at once."""
    made = api.with_secret(await api.admin.post(KEYS))
    answer = await made.get("/v2-beta")
    assert (answer.status, answer.headers["X-Api-User-Id"]) == (200, "1a1")


async def test_only_the_answer_that_creates_a_key_holds_its_secret(api: AdminApi) -> None:
    """No other answer holds the secret, and none the hash."""
    secret = (await api.admin.post(KEYS, {"name": "n"})).body["secretValue"]
    answers = [
        await api.admin.get(KEYS),
        await api.admin.get(f"{KEYS}/1c2"),
        await api.admin.put(f"{KEYS}/1c2", {"name": "m"}),
        await api.admin.post(f"{KEYS}/1c2/?action=deactivate"),
        await api.admin.post(f"{KEYS}/1c2/?action=activate"),
    ]
    for answer in answers:
        assert answer.status in {200, 202}
        assert secret not in answer.text
        assert "$2b$" not in answer.text
        resources = answer.body.get("data") or [answer.body]
        assert {resource["secretValue"] for resource in resources} == {None}


async def test_actions_take_a_key_from_active_to_purged(api: AdminApi) -> None:
    """A key goes from active to inactive and back, then to removed and purged, by its actions."""
    path = (await api.admin.post(KEYS)).body["links"]["self"].partition(KEYS)[2]
    key = KEYS + path
    inactive = await api.admin.post(f"{key}/?action=deactivate", {})
    assert (inactive.status, inactive.body["state"]) == (202, "inactive")
    assert list(inactive.body["actions"]) == ["update", "rotate", "activate", "remove", "explain"]
    active = await api.admin.post(f"{key}?action=activate")
    assert (active.status, active.body["state"]) == (202, "active")
    assert list(active.body["actions"]) == ["update", "rotate", "deactivate", "explain"]
    await api.admin.post(f"{key}?action=deactivate")
    removed = await api.admin.post(f"{key}/?action=remove")
    assert (removed.status, removed.body["state"]) == (202, "removed")
    assert removed.body["removedTS"] == api.clock()
    assert list(removed.body["actions"]) == ["purge"]
    purged = await api.admin.post(f"{key}/?action=purge")
    assert (purged.status, purged.body["state"], purged.body["actions"]) == (202, "purged", {})
    assert purged.body["removedTS"] == api.clock()
    assert (await api.admin.get(key)).code == "404 NotFound"


async def test_a_removed_key_has_an_id_but_stands_in_no_list_and_never_comes_back(
    api: AdminApi,
) -> None:
    """A removed key is found by its id, in no list, and no action brings it back."""
    key = await api.key(await api.account(), state=State.INACTIVE)
    path = f"{KEYS}/{key.key.ref}"
    removed = await api.admin.delete(path)
    assert (removed.status, removed.body["state"]) == (200, "removed")
    assert (await api.admin.get(path)).body["state"] == "removed"
    listing = await api.admin.get(KEYS)
    assert [one["id"] for one in listing.body["data"]] == ["1c1"]
    for action in ("activate", "deactivate", "remove", "update"):
        answer = await api.admin.post(f"{path}/?action={action}")
        assert answer.code == "422 ActionNotAvailable action"
    assert (await api.admin.put(path, {"name": "n"})).code == "405 MethodNotAllowed"
    assert (await api.admin.delete(path)).code == "405 MethodNotAllowed"


async def test_an_active_key_cannot_be_deleted(api: AdminApi) -> None:
    """DELETE takes an inactive key only. For an active one the answer names what is allowed."""
    key = await api.key(await api.account())
    answer = await api.admin.delete(f"{KEYS}/{key.key.ref}")
    assert answer.code == "405 MethodNotAllowed"
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT"
    assert (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["state"] == "active"


@pytest.mark.parametrize("action", ["", "import", "explode", "Deactivate"])
async def test_an_unknown_action_of_a_key_is_refused(api: AdminApi, action: str) -> None:
    """An action that does not exist is refused, with `action` as the field to blame."""
    answer = await api.admin.post(f"{KEYS}/1c1/?action={action}")
    assert answer.code == "422 InvalidAction action"


async def test_only_the_name_and_the_description_of_a_key_can_be_edited(api: AdminApi) -> None:
    """Each can be set alone. Whatever else the body holds is ignored."""
    made = (await api.admin.post(KEYS, {"name": "a", "description": "b"})).body
    path = f"{KEYS}/{made['id']}"
    body = {"name": "c", "publicValue": "X", "accountId": "1a9", "role": "readonly", "state": "x"}
    edited = await api.admin.put(path, body)
    assert edited.status == 200
    assert edited.body == made | {"name": "c", "secretValue": None}
    by_action = await api.admin.post(f"{path}/?action=update", {"description": None})
    assert (by_action.status, by_action.body["name"]) == (202, "c")
    assert by_action.body["description"] is None


@pytest.mark.parametrize(
    "path", ["/v1/apikeys", "/v2-beta/apiKey", "/v2-beta/APIKEYS/", "/v2-beta/apikeys/"]
)
async def test_a_type_is_found_in_any_case_in_singular_and_plural(api: AdminApi, path: str) -> None:
    """Its links are in lower case."""
    listing = await api.admin.get(path)
    version = path.split("/")[1]
    assert listing.body["links"]["self"].endswith(f"/{version}/apikeys")
    one = await api.admin.get(f"{path.rstrip('/')}/1c1/")
    assert one.body["links"]["self"].endswith(f"/{version}/apikeys/1c1")


@pytest.mark.parametrize(
    "ref", ["1c99", "1c0", "1c01", "1C1", "1a1", "x", "1c1%20", "1c" + "9" * 30]
)
async def test_a_malformed_or_unknown_key_id_is_not_found(api: AdminApi, ref: str) -> None:
    """Only the canonical form of an existing id is found."""
    assert (await api.admin.get(f"{KEYS}/{ref}")).code == "404 NotFound"


async def test_the_account_link_of_a_key_leads_to_its_owner(api: AdminApi) -> None:
    """The owner is an account or an environment."""
    environment = await api.environment()
    key = await api.key(environment)
    answer = await api.admin.get(f"{KEYS}/{key.key.ref}/account")
    assert (answer.body["type"], answer.body["id"]) == ("project", environment.ref)
    answer = await api.admin.get(f"{KEYS}/1c1/account")
    assert (answer.body["type"], answer.body["id"]) == ("account", "1a1")


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


# --- no key breeds a stronger or a longer one ----------------------------------------------------


@pytest.mark.parametrize("requested", Role)
@pytest.mark.parametrize("presented", [Role.OWNER, Role.MEMBER])
async def test_a_new_account_key_is_never_stronger_than_the_presented_one(
    api: AdminApi, presented: Role, requested: Role
) -> None:
    """It is as strong as the presented key by default, and weaker on request."""
    for account in (await api.account(), await api.account(AccountKind.ADMIN)):
        key = await api.key(account, presented)
        answer = await key.post(KEYS, {"role": requested})
        if presented.covers(requested):
            assert (answer.status, answer.body["role"]) == (201, requested)
        else:
            assert answer.code == "403 Forbidden role"
        assert (await key.post(KEYS, {"role": None})).body["role"] == presented


@pytest.mark.parametrize("requested", Role)
@pytest.mark.parametrize("membership", [Role.OWNER, Role.MEMBER])
async def test_a_new_environment_key_is_never_stronger_than_the_membership(
    api: AdminApi, membership: Role, requested: Role
) -> None:
    """It has the role member by default."""
    account = await api.account()
    environment = await api.environment({account: membership})
    key = await api.key(account)
    keys = f"/v2-beta/projects/{environment.ref}/apikeys"
    answer = await key.post(keys, {"role": requested})
    expected = "201" if membership.covers(requested) else "403 Forbidden role"
    assert answer.code == expected
    assert (await key.post(keys)).body["role"] == "member"


async def test_a_weaker_key_can_deactivate_a_stronger_one_but_not_revive_it(api: AdminApi) -> None:
    """A key cannot edit or activate a stronger one, nor is that among the actions it is shown."""
    account = await api.account()
    strong = await api.key(account, Role.OWNER)
    weak = await api.key(account, Role.MEMBER)
    path = f"{KEYS}/{strong.key.ref}"
    assert list((await weak.get(path)).body["actions"]) == ["deactivate", "explain"]
    assert (await weak.put(path, {"name": "n"})).code == "403 Forbidden role"
    deactivated = await weak.post(f"{path}?action=deactivate")
    assert (deactivated.status, list(deactivated.body["actions"])) == (202, ["remove", "explain"])
    assert (await weak.post(f"{path}?action=activate")).code == "403 Forbidden role"


async def test_a_key_works_until_its_expiry(api: AdminApi) -> None:
    """The last millisecond before the expiry counts."""
    soon = {"expires": "2030-01-01T00:00:00Z"}
    answer = await api.admin.post(KEYS, soon)
    assert answer.body["expires"] == soon["expires"]
    assert answer.body["expiresTS"] == 1_893_456_000_000
    made = api.with_secret(answer)
    api.clock.now = 1_893_456_000_000 - 1
    assert (await made.get("/v2-beta")).status == 200
    api.clock.now += 1
    assert (await made.get("/v2-beta")).status == 401
    assert (await api.admin.post(KEYS, soon)).code == "422 MinLimitExceeded expires"


async def test_a_key_is_valid_for_no_longer_than_the_key_that_created_it(api: AdminApi) -> None:
    """Except that an admin's key, even one that expires, creates keys without a limit."""
    end = 1_893_456_000_000
    body = {"at": "2030-01-01T00:00:00Z", "later": "2030-01-01T00:00:01Z"}
    user = await api.key(await api.account(), expires=end)
    assert (await user.post(KEYS, {"expires": body["at"]})).status == 201
    assert (await user.post(KEYS, {"expires": body["later"]})).code == "403 Forbidden expires"
    assert (await user.post(KEYS)).body["expiresTS"] == end
    admin = await api.key(await api.account(AccountKind.ADMIN), expires=end)
    assert (await admin.post(KEYS, {"expires": body["later"]})).status == 201
    assert (await admin.post(KEYS)).body["expires"] is None


async def test_the_last_active_key_of_the_admins_stays_active(api: AdminApi) -> None:
    """A second one makes it possible to deactivate the first."""
    deactivate = f"{KEYS}/1c1/?action=deactivate"
    idle = await api.account(AccountKind.ADMIN)
    await api.key(idle, state=State.INACTIVE)
    await api.key(await api.account())
    assert (await api.admin.post(deactivate)).code == "409 LastAdminKey"
    assert (await api.admin.get(f"{KEYS}/1c1")).body["state"] == "active"
    assert [entry["act"] for entry in api.audit()] == []
    await api.key(idle)
    assert (await api.admin.post(deactivate)).status == 202


async def test_an_admin_key_that_expires_soon_does_not_replace_one_that_lasts(
    api: AdminApi,
) -> None:
    """Some admin key stays valid for as long as one was before, or for another day."""
    account, hour = await api.account(AccountKind.ADMIN), 3_600_000
    short = await api.key(account, expires=api.clock() + 23 * hour)
    shorter = await api.key(account, expires=api.clock() + hour)

    def deactivate(presented: Presented) -> str:
        return f"{KEYS}/{presented.key.ref}/?action=deactivate"

    assert (await short.post(deactivate(api.admin))).code == "409 LastAdminKey"
    path = f"/v2-beta/accounts/{account.ref}/?action=deactivate"
    lasting = await api.key(account, expires=api.clock() + 25 * hour)
    assert (await short.post(deactivate(api.admin))).status == 202
    assert (await short.post(path)).code == "409 LastAdminKey"
    api.clock.now += 2 * hour
    assert (await lasting.post(deactivate(short))).status == 202
    assert (await lasting.post(deactivate(shorter))).status == 202
    assert (await lasting.post(deactivate(lasting))).code == "409 LastAdminKey"


# --- lists ---------------------------------------------------------------------------------------


async def test_a_list_of_keys_has_the_form_that_ranchers_clients_know(api: AdminApi) -> None:
    """A list is a collection."""
    body = (await api.admin.get(KEYS)).body
    url = str(api.client.make_url(KEYS))
    assert [key["id"] for key in body.pop("data")] == ["1c1"]
    assert set(body.pop("filters").values()) == {None}
    assert body == {
        "type": "collection",
        "resourceType": "apiKey",
        "links": {"self": url},
        "createTypes": {"apiKey": url},
        "actions": {"import": f"{url}/?action=import"},
        "sortLinks": {
            sort: f"{url}?sort={sort}&order=asc&limit=100"
            for sort in ("id", "name", "state", "created", "expires")
        },
        "pagination": {
            "first": None,
            "previous": None,
            "next": None,
            "limit": 100,
            "total": None,
            "partial": False,
        },
        "sort": {
            "name": "id",
            "order": "asc",
            "reverse": f"{url}?sort=id&order=desc&limit=100",
        },
        "createDefaults": {},
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
async def test_pages_of_keys_hold_each_key_once_whatever_the_limit(
    api: AdminApi, limit: int
) -> None:
    """Following `next` shows every record once, in order."""
    account = await api.account()
    for _ in range(4):
        await api.key(account)
    url, seen, pages = f"{KEYS}?limit={limit}", [], 0
    while url:
        body = (await api.admin.get(url)).body
        assert len(body["data"]) <= body["pagination"]["limit"] == limit
        seen += [key["id"] for key in body["data"]]
        pages += 1
        following = body["pagination"]["next"]
        url = following and following.partition(str(api.client.make_url("")).rstrip("/"))[2]
    assert seen == ["1c1", "1c2", "1c3", "1c4", "1c5"]
    assert pages == -(-5 // limit)


async def test_a_limit_above_1000_is_cut_and_one_that_is_no_number_refused(api: AdminApi) -> None:
    """`pagination.limit` shows the limit that counts."""
    assert (await api.admin.get(f"{KEYS}?limit=5000")).body["pagination"]["limit"] == 1000
    for limit in ("0", "-1", "x", "", "1.5", "%C2%B2", "9" * 30):
        assert (await api.admin.get(f"{KEYS}?limit={limit}")).code == "422 InvalidOption limit"


async def test_a_marker_of_another_collection_is_refused(api: AdminApi) -> None:
    """A marker is valid only for the collection that it came with."""
    environment = await api.environment()
    await api.environment()
    await api.key(environment)
    following: Any = (await api.admin.get(f"{KEYS}?limit=1")).body["pagination"]["next"]
    marker = following.rpartition("marker=")[2]
    assert (await api.admin.get(f"{KEYS}?marker={marker}")).status == 200
    scoped = f"/v2-beta/projects/{environment.ref}/apikeys"
    for path in (scoped, "/v2-beta/projects", "/v2-beta/accounts"):
        answer = await api.admin.get(f"{path}?marker={marker}")
        assert answer.code == "422 InvalidMarker marker"
    for bad in ("", "x", "m1", marker + "A", marker[:-1], "%F0%9F%92%A9", "YXBpS2V5Ly94"):
        answer = await api.admin.get(f"{KEYS}?marker={bad}")
        assert answer.code == "422 InvalidMarker marker"


# --- the audit log -----------------------------------------------------------------------------


async def test_each_action_on_a_key_leaves_an_audit_entry_without_a_secret(api: AdminApi) -> None:
    """An entry says who did what to which key, with the values before and after."""
    headers = {"X-Request-Id": "r1"}
    made = await api.admin.post(KEYS, {"name": "a"}, headers=headers)
    await api.admin.put(f"{KEYS}/1c2", {"name": "b"})
    await api.admin.post(f"{KEYS}/1c2?action=deactivate")
    await api.admin.delete(f"{KEYS}/1c2")
    entries = api.audit()
    assert [(entry["act"], entry["subject"]) for entry in entries] == [
        ("key.create", "1c2"),
        ("key.update", "1c2"),
        ("key.deactivate", "1c2"),
        ("key.remove", "1c2"),
    ]
    first = entries[0]
    assert (first["before"], first["after"]) == (
        None,
        {
            "access_key": made.body["publicValue"],
            "account_id": 1,
            "creator_id": 1,
            "role": "owner",
            "name": "a",
            "state": "active",
        },
    )
    assert (entries[1]["before"], entries[1]["after"]) == ({"name": "a"}, {"name": "b"})
    assert entries[2]["after"] == {"state": "inactive"}
    assert entries[3]["after"] == {"state": "removed", "removed": api.clock()}
    assert {"1a1", "1c1", "127.0.0.1", "r1"} <= {str(value) for value in first.values()}
    audit_log = repr(entries)
    assert made.body["secretValue"] not in audit_log
    assert "$2b$" not in audit_log


async def test_a_refused_action_leaves_no_audit_entry(api: AdminApi) -> None:
    """A refusal must not cost a write."""
    user = await api.key(await api.account())
    await user.post(f"{KEYS}/1c1?action=deactivate")
    await user.post(KEYS, {"name": 5})
    await api.admin.post(f"{KEYS}/1c1?action=activate")
    await ask(api.client, "POST", KEYS)
    assert api.audit() == []
