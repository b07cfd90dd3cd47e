"""Keys over HTTP: their life from creation to purge, their lists, and their audit entries."""

from __future__ import annotations

import re

import pytest

from proxy.domain.model import State
from tests.admin.admin_api import AdminApi, ask

KEYS = "/v2-beta/apikeys"


async def test_a_new_key_has_the_form_that_ranchers_clients_know(api: AdminApi) -> None:
    """A new key is answered with its secret, in the form that Rancher's clients know."""
    answer = await api.admin.post(KEYS, {"name": "ci", "description": "builds"})
    url = str(api.client.make_url(f"{KEYS}/1c2"))
    body = answer.body
    assert answer.status == 201
    assert re.fullmatch("[0-9A-F]{20}", body.pop("publicValue"))
    assert re.fullmatch("wgs_[1-9A-HJ-NP-Za-km-z]{40}", body.pop("secretValue"))
    assert re.fullmatch("[0-9a-f-]{36}", body.pop("uuid"))
    created = body.pop("created")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)
    assert body == {
        "id": "1c2",
        "type": "apiKey",
        "baseType": "credential",
        "links": {
            "self": url,
            "account": f"{url}/account",
            "usage": f"{url}/usage",
            "advice": f"{url}/advice",
        },
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
        "limits": {},
        "role": "owner",
        "readOnly": False,
        "expires": None,
        "expiresTS": None,
        "expired": False,
        "refusal": None,
        "refusalExplanation": None,
        "previousSecretExpires": None,
        "previousSecretExpiresTS": None,
        "previousSecretLastUsed": None,
        "previousSecretLastUsedTS": None,
        "secrets": [
            {
                "secret": "current",
                "created": created,
                "createdTS": api.clock(),
                **dict.fromkeys(("firstUsed", "firstUsedTS", "lastUsed", "lastUsedTS")),
                "lastUsedAddress": None,
                "useCount": 0,
            }
        ],
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


async def test_name_description_role_and_expiry_of_a_key_can_be_edited(api: AdminApi) -> None:
    """Each can be set alone. Whatever else the body holds is ignored."""
    made = (await api.admin.post(KEYS, {"name": "a", "description": "b"})).body
    path = f"{KEYS}/{made['id']}"
    body = {"name": "c", "publicValue": "X", "accountId": "1a9", "readOnly": True, "state": "x"}
    edited = await api.admin.put(path, body)
    assert edited.status == 200
    assert edited.body == made | {"name": "c", "secretValue": None}
    by_action = await api.admin.post(f"{path}/?action=update", {"description": None})
    assert (by_action.status, by_action.body["name"]) == (202, "c")
    assert by_action.body["description"] is None
    weaker = (await api.admin.put(path, {"role": "readonly"})).body
    assert (weaker["role"], weaker["readOnly"], weaker["expires"]) == ("readonly", True, None)
    dated = (await api.admin.put(path, {"expires": "2099-01-01T00:00:00Z"})).body
    assert (dated["role"], dated["expires"]) == ("readonly", "2099-01-01T00:00:00Z")
    assert (await api.admin.put(path, {"expires": None})).body["expires"] is None
    changes = [(entry["before"], entry["after"]) for entry in api.audit()[-3:]]
    assert changes == [
        ({"role": "owner"}, {"role": "readonly"}),
        ({"expires": None}, {"expires": 4070908800000}),
        ({"expires": 4070908800000}, {"expires": None}),
    ]


async def test_an_edited_role_and_expiry_count_from_the_next_request_on(api: AdminApi) -> None:
    """As the gateway and the admin server read the record that changed."""
    key = await api.key(await api.account())
    path = f"{KEYS}/{key.key.ref}"
    assert (await key.post(KEYS)).status == 201
    await api.admin.put(path, {"role": "readonly", "expires": "2030-01-01T00:00:00Z"})
    assert (await key.post(KEYS)).code == "403 Forbidden"
    api.clock.now = 1_893_456_000_000
    assert (await key.get(KEYS)).status == 401
    await api.admin.put(path, {"expires": None})
    assert (await key.get(KEYS)).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "chief"}, "422 InvalidOption role"),
        ({"role": None}, "422 NotNullable role"),
        ({"expires": "2020-01-01T00:00:00Z"}, "422 MinLimitExceeded expires"),
        ({"expires": "soon"}, "422 InvalidDateFormat expires"),
        ({"expires": 5}, "422 InvalidType expires"),
    ],
)
async def test_a_role_or_expiry_that_no_key_can_have_is_refused(
    api: AdminApi, body: dict[str, object], code: str
) -> None:
    """And nothing changes."""
    key = await api.key(await api.account())
    path = f"{KEYS}/{key.key.ref}"
    before = (await api.admin.get(path)).body
    assert (await api.admin.put(path, body | {"name": "n"})).code == code
    assert (await api.admin.get(path)).body == before


async def test_a_resource_that_is_sent_back_changes_nothing(api: AdminApi) -> None:
    """Neither the milliseconds of its expiry, nor where the key has expired since."""
    user = await api.account()
    own = await api.key(user, expires=api.clock() + 5_123)
    path = f"{KEYS}/{own.key.ref}"
    body = (await own.get(path)).body
    assert (await own.put(path, body | {"name": "n"})).body == body | {"name": "n"}
    assert [entry["after"] for entry in api.audit()] == [{"name": "n"}]
    await api.admin.put("/v2-beta/settings/maximum_key_lifetime", {"value": "1s"})
    api.clock.now += 6_000
    again = await api.admin.put(path, body | {"name": "m"})
    assert (again.status, again.body["expiresTS"]) == (200, body["expiresTS"])


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


# --- why a key does not work ----------------------------------------------------------------------


async def test_a_key_says_why_the_gateway_refuses_it(api: AdminApi) -> None:
    """Alone and in lists: it is inactive, it has expired, or its owner is not active. The decision
    on a request has the same reason."""
    now = api.clock()
    account, idle, gone = [await api.account() for _ in range(3)]
    here, there = [await api.environment() for _ in range(2)]
    keys = [
        (await api.key(account), None),
        (await api.key(here), None),
        (await api.key(account, state=State.INACTIVE), "key-inactive"),
        (await api.key(account, state=State.INACTIVE, expires=now), "key-inactive"),
        (await api.key(account, expires=now), "key-expired"),
        (await api.key(account, expires=now + 1), None),
        (await api.key(idle, expires=now), "key-expired"),
        (await api.key(idle), "owner-inactive"),
        (await api.key(gone), "owner-inactive"),
        (await api.key(there), "owner-inactive"),
    ]
    for owner in (f"accounts/{idle.ref}", f"accounts/{gone.ref}", f"projects/{there.ref}"):
        await api.admin.post(f"/v2-beta/{owner}/?action=deactivate")
    await api.admin.delete(f"/v2-beta/accounts/{gone.ref}")
    listed = {each["id"]: each for each in (await api.admin.get(KEYS)).body["data"]}
    for key, reason in keys:
        path = f"{KEYS}/{key.key.ref}"
        shown = (await api.admin.get(path)).body
        assert listed[key.key.ref] == shown
        assert shown["refusal"] == reason
        assert (shown["refusalExplanation"] is None) is (reason is None)
        assert shown["expired"] is (key.key.expires == now)
        target = f"/v1/projects/{here.slug}/x" if key.key.environment_id else "/x"
        explained = await api.admin.post(f"{path}/?action=explain", {"path": target})
        assert explained.body["reason"] == reason
        assert explained.body["explanation"] == shown["refusalExplanation"]


async def test_lists_of_keys_filter_by_whether_they_have_expired(api: AdminApi) -> None:
    """Whatever their state. The last millisecond before the expiry counts."""
    account, now = await api.account(), api.clock()
    for end in (None, now - 1, now, now + 1):
        for state in (State.ACTIVE, State.INACTIVE):
            await api.key(account, expires=end, state=state)

    async def found(query: str) -> list[str]:
        data = (await api.admin.get(f"{KEYS}?accountId={account.ref}&{query}")).body["data"]
        return sorted(each["id"] for each in data)

    live, ended = ["1c2", "1c3", "1c8", "1c9"], ["1c4", "1c5", "1c6", "1c7"]
    for query, expected in (
        ("expired=true", ended),
        ("expired=TRUE", ended),
        ("expired_ne=false", ended),
        ("expired=false", live),
        ("expired_ne=true", live),
        ("expired=maybe", []),
        ("expired_ne=maybe", sorted(live + ended)),
        ("expired=true&state=active", ended[::2]),
        ("expired=false&state=active", live[::2]),
        ("expired=true&sort=name", ended),
    ):
        assert await found(query) == expected, query
    api.clock.now += 1
    assert await found("expired=true") == [*ended, "1c8", "1c9"]


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


async def test_an_expiry_may_be_a_duration_from_now_by_the_clock_of_the_server(
    api: AdminApi,
) -> None:
    """In a new key and in a change; the clock of a client makes no difference."""
    key = (await api.admin.post(KEYS, {"expires": "90d"})).body
    assert key["expiresTS"] == api.clock() + 90 * 86_400_000
    edited = (await api.admin.put(f"{KEYS}/{key['id']}", {"expires": "2h"})).body
    assert edited["expiresTS"] == api.clock() + 2 * 3_600_000
    for none in ("0", "0d"):
        refused = await api.admin.put(f"{KEYS}/{key['id']}", {"expires": none})
        assert (refused.status, refused.body["code"]) == (422, "MinLimitExceeded")
    await api.admin.put("/v2-beta/settings/maximum_key_lifetime", {"value": "30d"})
    refused = await api.admin.post(KEYS, {"expires": "31d"})
    assert (refused.status, refused.body["code"]) == (422, "MaxLimitExceeded")
