"""Keys over HTTP: their whole life, who may lead it, and what the audit log keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, Presented, ask

KEYS = "/v2-beta/apikeys"
DAY = 24 * 60 * 60 * 1000


async def test_create(api: AdminApi) -> None:
    """A new key is told with its secret, in the shape that Rancher's clients know."""
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


async def test_the_new_key_works(api: AdminApi) -> None:
    """What the answer tells is a key that the next request can present."""
    made = api.with_secret(await api.admin.post(KEYS))
    answer = await made.get("/v2-beta")
    assert (answer.status, answer.headers["X-Api-User-Id"]) == (200, "1a1")


async def test_the_secret_is_told_once(api: AdminApi) -> None:
    """No answer but the one to the creation holds the secret, and none its hash."""
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


async def test_life(api: AdminApi) -> None:
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


async def test_removed_keys(api: AdminApi) -> None:
    """A removed key is still there by its id, in no list, and nothing brings it back."""
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


async def test_an_active_key_is_not_deleted(api: AdminApi) -> None:
    """DELETE takes an inactive key only; of an active one it says what the path takes instead."""
    key = await api.key(await api.account())
    answer = await api.admin.delete(f"{KEYS}/{key.key.ref}")
    assert answer.code == "405 MethodNotAllowed"
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT"
    assert (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["state"] == "active"


@pytest.mark.parametrize("action", ["", "import", "explode", "Deactivate"])
async def test_unknown_actions(api: AdminApi, action: str) -> None:
    """An action that there is not is refused by name."""
    answer = await api.admin.post(f"{KEYS}/1c1/?action={action}")
    assert answer.code == "422 InvalidAction action"


async def test_edit(api: AdminApi) -> None:
    """Name and description can be set, each alone; whatever else the body holds is ignored."""
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
async def test_spellings(api: AdminApi, path: str) -> None:
    """A type is found in any case, singular or plural, and its links are in lower case."""
    listing = await api.admin.get(path)
    version = path.split("/")[1]
    assert listing.body["links"]["self"].endswith(f"/{version}/apikeys")
    one = await api.admin.get(f"{path.rstrip('/')}/1c1/")
    assert one.body["links"]["self"].endswith(f"/{version}/apikeys/1c1")


@pytest.mark.parametrize(
    "ref", ["1c99", "1c0", "1c01", "1C1", "1a1", "x", "1c1%20", "1c" + "9" * 30]
)
async def test_unknown_ids(api: AdminApi, ref: str) -> None:
    """An id that is none, or nobody's, is not found."""
    assert (await api.admin.get(f"{KEYS}/{ref}")).code == "404 NotFound"


async def test_account_link(api: AdminApi) -> None:
    """A key's account link leads to whom it belongs to."""
    environment = await api.environment()
    key = await api.key(environment)
    answer = await api.admin.get(f"{KEYS}/{key.key.ref}/account")
    assert (answer.body["type"], answer.body["id"]) == ("project", environment.ref)
    answer = await api.admin.get(f"{KEYS}/1c1/account")
    assert (answer.body["type"], answer.body["id"]) == ("account", "1a1")


# --- keys of others ------------------------------------------------------------------------------


async def test_users_have_their_own_keys(api: AdminApi) -> None:
    """A user sees and makes its own keys; others' are not there for it."""
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


async def test_admins_see_everyones_keys(api: AdminApi) -> None:
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


async def test_admins_make_keys_for_others(api: AdminApi) -> None:
    """accountId names another account or an environment that the new key is for."""
    user, environment = await api.account(), await api.environment()
    for ref in (user.ref, environment.ref):
        made = await api.admin.post(KEYS, {"accountId": ref})
        assert (made.status, made.body["accountId"]) == (201, ref)
    one = await api.key(user)
    for ref in ("1a1", "1a99", environment.ref):
        assert (await one.post(KEYS, {"accountId": ref})).code == "422 InvalidReference accountId"


async def test_no_keys_for_the_removed(api: AdminApi) -> None:
    """What is removed gets no more keys."""
    environment = await api.environment()
    path = f"/v2-beta/projects/{environment.ref}"
    await api.admin.post(f"{path}?action=deactivate")
    await api.admin.delete(path)
    assert (await api.admin.post(f"{path}/apikeys")).code == "404 NotFound"
    answer = await api.admin.post(KEYS, {"accountId": environment.ref})
    assert answer.code == "422 InvalidReference accountId"


# --- keys of an environment ----------------------------------------------------------------------


async def test_scope(api: AdminApi) -> None:
    """Within an environment its keys are made and listed, and all links stay within."""
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


async def test_a_scope_holds_only_its_own(api: AdminApi) -> None:
    """A key of an account or of another environment is not found within an environment."""
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
async def test_members(
    api: AdminApi, membership: Role | None, presented: Role, look: int, make: int, change: int
) -> None:
    """What members may do to their environment's keys is for their role and their key's to say."""
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


@pytest.mark.parametrize("asked", Role)
@pytest.mark.parametrize("presented", [Role.OWNER, Role.MEMBER])
async def test_roles_of_account_keys(api: AdminApi, presented: Role, asked: Role) -> None:
    """A new key is as strong as the presented one unless asked to be weaker, never stronger."""
    for account in (await api.account(), await api.account(AccountKind.ADMIN)):
        key = await api.key(account, presented)
        answer = await key.post(KEYS, {"role": asked})
        if presented.covers(asked):
            assert (answer.status, answer.body["role"]) == (201, asked)
        else:
            assert answer.code == "403 Forbidden role"
        assert (await key.post(KEYS, {"role": None})).body["role"] == presented


@pytest.mark.parametrize("asked", Role)
@pytest.mark.parametrize("membership", [Role.OWNER, Role.MEMBER])
async def test_roles_of_environment_keys(api: AdminApi, membership: Role, asked: Role) -> None:
    """A new key of an environment is a member unless asked otherwise, never above its maker."""
    account = await api.account()
    environment = await api.environment({account: membership})
    key = await api.key(account)
    keys = f"/v2-beta/projects/{environment.ref}/apikeys"
    answer = await key.post(keys, {"role": asked})
    expected = "201" if membership.covers(asked) else "403 Forbidden role"
    assert answer.code == expected
    assert (await key.post(keys)).body["role"] == "member"


async def test_stronger_keys_are_not_revived(api: AdminApi) -> None:
    """A key cannot edit or activate a stronger one, and is not offered to; it can deactivate it."""
    account = await api.account()
    strong = await api.key(account, Role.OWNER)
    weak = await api.key(account, Role.MEMBER)
    path = f"{KEYS}/{strong.key.ref}"
    assert list((await weak.get(path)).body["actions"]) == ["deactivate", "explain"]
    assert (await weak.put(path, {"name": "n"})).code == "403 Forbidden role"
    deactivated = await weak.post(f"{path}?action=deactivate")
    assert (deactivated.status, list(deactivated.body["actions"])) == (202, ["remove", "explain"])
    assert (await weak.post(f"{path}?action=activate")).code == "403 Forbidden role"


async def test_expiry(api: AdminApi) -> None:
    """A key works until the moment that its creation names."""
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


async def test_no_key_outlives_its_maker(api: AdminApi) -> None:
    """A user's key that expires makes keys that expire no later, an admin's makes any."""
    end = 1_893_456_000_000
    body = {"at": "2030-01-01T00:00:00Z", "later": "2030-01-01T00:00:01Z"}
    user = await api.key(await api.account(), expires=end)
    assert (await user.post(KEYS, {"expires": body["at"]})).status == 201
    assert (await user.post(KEYS, {"expires": body["later"]})).code == "403 Forbidden expires"
    assert (await user.post(KEYS)).body["expiresTS"] == end
    admin = await api.key(await api.account(AccountKind.ADMIN), expires=end)
    assert (await admin.post(KEYS, {"expires": body["later"]})).status == 201
    assert (await admin.post(KEYS)).body["expires"] is None


async def test_the_last_admin_key(api: AdminApi) -> None:
    """The last active key of an active admin account stays active, as long as it is the last."""
    deactivate = f"{KEYS}/1c1/?action=deactivate"
    idle = await api.account(AccountKind.ADMIN)
    await api.key(idle, state=State.INACTIVE)
    await api.key(await api.account())
    assert (await api.admin.post(deactivate)).code == "409 LastAdminKey"
    assert (await api.admin.get(f"{KEYS}/1c1")).body["state"] == "active"
    assert [entry["act"] for entry in api.audit()] == []
    await api.key(idle)
    assert (await api.admin.post(deactivate)).status == 202


async def test_what_is_left_of_admin_keys_lasts(api: AdminApi) -> None:
    """As long as before, or a day: one that is about to expire does not stand in for another."""
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


async def test_collection(api: AdminApi) -> None:
    """A list is a collection in the shape that Rancher's clients know."""
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
async def test_pages(api: AdminApi, limit: int) -> None:
    """Following `next` shows every record once, in order, whatever the limit."""
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


async def test_limits(api: AdminApi) -> None:
    """A limit above 1000 is cut to that and said so; what is no positive number is refused."""
    assert (await api.admin.get(f"{KEYS}?limit=5000")).body["pagination"]["limit"] == 1000
    for limit in ("0", "-1", "x", "", "1.5", "%C2%B2", "9" * 30):
        assert (await api.admin.get(f"{KEYS}?limit={limit}")).code == "422 InvalidOption limit"


async def test_markers(api: AdminApi) -> None:
    """A marker serves the collection that gave it and no other."""
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


async def test_audit(api: AdminApi) -> None:
    """Each act leaves who did what to which key, before and after, and never a secret."""
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


async def test_refusals_leave_no_trace_in_the_audit_log(api: AdminApi) -> None:
    """What was refused did not happen, and costs no write."""
    user = await api.key(await api.account())
    await user.post(f"{KEYS}/1c1?action=deactivate")
    await user.post(KEYS, {"name": 5})
    await api.admin.post(f"{KEYS}/1c1?action=activate")
    await ask(api.client, "POST", KEYS)
    assert api.audit() == []
