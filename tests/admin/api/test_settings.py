"""Settings over HTTP: their values, who may change them, and that they are in force at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi

SETTINGS = "/v2-beta/settings"
DEFAULTS = {
    "access_control": "on",
    "default_key_lifetime": "none",
    "maximum_key_lifetime": "none",
    "rotation_overlap": "24h",
}


async def test_all_settings_exist_from_the_start_with_their_defaults(api: AdminApi) -> None:
    """Each has a value, a default and a description."""
    body = (await api.admin.get(SETTINGS)).body
    assert {each["name"]: each["value"] for each in body["data"]} == DEFAULTS
    assert {each["name"]: each["default"] for each in body["data"]} == DEFAULTS
    assert all(each["description"] for each in body["data"])
    assert (body["createTypes"], body["pagination"]["next"]) == ({}, None)


async def test_the_id_of_a_setting_is_its_name(api: AdminApi) -> None:
    """A setting is found by its name, which is its id."""
    path = f"{SETTINGS}/rotation_overlap"
    url = str(api.client.make_url(path))
    body = (await api.admin.get(path)).body
    assert body.pop("description")
    assert body == {
        "id": "rotation_overlap",
        "type": "setting",
        "baseType": "setting",
        "links": {"self": url},
        "actions": {"update": f"{url}/?action=update"},
        "name": "rotation_overlap",
        "value": "24h",
        "default": "24h",
    }


@pytest.mark.parametrize("name", ["nothing", "Access_Control", "1", "access_control%20", "x" * 50])
async def test_an_unknown_setting_is_not_found_and_cannot_be_set(api: AdminApi, name: str) -> None:
    """A name that is no setting's is not found, and becomes none."""
    path = f"{SETTINGS}/{name}"
    assert (await api.admin.get(path)).code == "404 NotFound"
    assert (await api.admin.put(path, {"value": "on"})).code == "404 NotFound"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_control", "off"),
        ("access_control", "on"),
        ("default_key_lifetime", "90d"),
        ("default_key_lifetime", "3600s"),
        ("default_key_lifetime", "none"),
        ("maximum_key_lifetime", "36500d"),
        ("rotation_overlap", "30m"),
        ("rotation_overlap", "0"),
        ("rotation_overlap", "0s"),
    ],
)
async def test_a_setting_that_was_set_is_shown_from_then_on(
    api: AdminApi, name: str, value: str
) -> None:
    """It is set by PUT or by the action `update`."""
    path = f"{SETTINGS}/{name}"
    edited = await api.admin.put(path, {"value": value, "default": "x", "name": "y"})
    assert (edited.status, edited.body["value"]) == (200, value)
    assert (edited.body["default"], edited.body["name"]) == (DEFAULTS[name], name)
    assert (await api.admin.get(path)).body == edited.body
    by_action = await api.admin.post(f"{path}/?action=update", {"value": DEFAULTS[name]})
    assert (by_action.status, by_action.body["value"]) == (202, DEFAULTS[name])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("access_control", "ON", "InvalidFormat"),
        ("access_control", "false", "InvalidFormat"),
        ("access_control", "", "MinLengthExceeded"),
        ("access_control", False, "InvalidType"),
        ("access_control", None, "NotNullable"),
        ("default_key_lifetime", "0", "InvalidFormat"),
        ("default_key_lifetime", "-1d", "InvalidFormat"),
        ("default_key_lifetime", "1 d", "InvalidFormat"),
        ("default_key_lifetime", "1w", "InvalidFormat"),
        ("default_key_lifetime", "36501d", "InvalidFormat"),
        ("default_key_lifetime", "١d", "InvalidFormat"),
        ("maximum_key_lifetime", "0d", "InvalidFormat"),
        ("maximum_key_lifetime", "9" * 41, "MaxLengthExceeded"),
        ("maximum_key_lifetime", 5, "InvalidType"),
        ("rotation_overlap", "none", "InvalidFormat"),
        ("rotation_overlap", "24", "InvalidFormat"),
        ("rotation_overlap", "24h\n", "InvalidCharacters"),
    ],
)
async def test_a_setting_refuses_a_value_that_it_cannot_have(
    api: AdminApi, name: str, value: object, code: str
) -> None:
    """It keeps the value before, and the audit log has no entry."""
    answer = await api.admin.put(f"{SETTINGS}/{name}", {"value": value})
    assert answer.code == f"422 {code} value"
    assert (await api.admin.get(f"{SETTINGS}/{name}")).body["value"] == DEFAULTS[name]
    assert api.audit() == []


async def test_an_edit_of_a_setting_needs_a_value(api: AdminApi) -> None:
    """An edit without a value is none."""
    answer = await api.admin.put(f"{SETTINGS}/access_control", {"name": "x"})
    assert answer.code == "422 MissingRequired value"


async def test_a_setting_cannot_be_created_or_removed(api: AdminApi) -> None:
    """There are these settings and no others."""
    assert (await api.admin.post(SETTINGS, {"name": "x"})).code == "405 MethodNotAllowed"
    path = f"{SETTINGS}/access_control"
    assert (await api.admin.delete(path)).code == "405 MethodNotAllowed"
    for action in ("activate", "deactivate", "remove", "purge", "explode"):
        answer = await api.admin.post(f"{path}/?action={action}")
        assert answer.code == "422 InvalidAction action"


async def test_admins_set_settings_read_admins_see_them_and_others_may_not(api: AdminApi) -> None:
    """An admin needs a key of the role owner."""
    path = f"{SETTINGS}/rotation_overlap"
    body = {"value": "1h"}
    weak = await api.key(await api.account(AccountKind.ADMIN), Role.MEMBER)
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    for key in (weak, auditor):
        assert (await key.get(path)).body["actions"] == {}
        assert (await key.put(path, body)).code == "403 Forbidden"
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})
    for key in (await api.key(user), await api.key(environment)):
        for answer in (await key.get(SETTINGS), await key.get(path), await key.put(path, body)):
            assert answer.code == "403 Forbidden"


async def test_each_change_of_a_setting_leaves_an_audit_entry(api: AdminApi) -> None:
    """It holds the values before and after."""
    for value in ("off", "on"):
        await api.admin.put(f"{SETTINGS}/access_control", {"value": value})
    entries = [
        (entry["act"], entry["subject"], entry["before"], entry["after"]) for entry in api.audit()
    ]
    assert entries == [
        ("setting.update", "access_control", {"value": "on"}, {"value": "off"}),
        ("setting.update", "access_control", {"value": "off"}, {"value": "on"}),
    ]


async def test_without_access_control_the_admin_server_still_requires_a_key(api: AdminApi) -> None:
    """The setting `access_control` is about the gateway alone."""
    await api.admin.put(f"{SETTINGS}/access_control", {"value": "off"})
    wrong = {"Authorization": "Basic eDp5"}
    assert (await api.admin.get("/v2-beta", headers=wrong)).code == "401 Unauthorized"


# --- how long keys last --------------------------------------------------------------------------

KEYS = "/v2-beta/apikeys"
DAY = 24 * 60 * 60 * 1000


async def setting(api: AdminApi, **values: str) -> None:
    """Set settings."""
    for name, value in values.items():
        assert (await api.admin.put(f"{SETTINGS}/{name}", {"value": value})).status == 200


def date(milliseconds: int) -> str:
    """A time in the form of the API, to the millisecond."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


async def test_a_key_without_an_expiry_gets_the_default_lifetime(api: AdminApi) -> None:
    """An expiry of null is a request for none."""
    await setting(api, default_key_lifetime="90d")
    now = api.clock()
    assert (await api.admin.post(KEYS)).body["expiresTS"] == now + 90 * DAY
    assert (await api.admin.post(KEYS, {"expires": None})).body["expires"] is None
    made = await api.admin.post(KEYS, {"expires": date(now + 100 * DAY)})
    assert made.body["expiresTS"] == now + 100 * DAY
    environment = await api.environment()
    made = await api.admin.post(f"/v2-beta/projects/{environment.ref}/apikeys")
    assert made.body["expiresTS"] == now + 90 * DAY


async def test_no_key_can_exceed_the_maximum_lifetime(api: AdminApi) -> None:
    """A key without an expiry gets the maximum; an expiry of null, which means none, is refused."""
    await setting(api, maximum_key_lifetime="30d")
    now = api.clock()
    made = await api.admin.post(KEYS, {"expires": date(now + 30 * DAY)})
    assert (made.status, made.body["expiresTS"]) == (201, now + 30 * DAY)
    for expires in (date(now + 30 * DAY + 1), None):
        answer = await api.admin.post(KEYS, {"expires": expires})
        assert answer.code == "422 MaxLimitExceeded expires"
    assert (await api.admin.post(KEYS)).body["expiresTS"] == now + 30 * DAY


@pytest.mark.parametrize(("usual", "longest", "days"), [("90d", "30d", 30), ("7d", "30d", 7)])
async def test_the_shorter_of_default_and_maximum_lifetime_counts(
    api: AdminApi, usual: str, longest: str, days: int
) -> None:
    """Where both are set, what asks for nothing gets the shorter."""
    await setting(api, default_key_lifetime=usual, maximum_key_lifetime=longest)
    made = await api.admin.post(KEYS)
    assert made.body["expiresTS"] == api.clock() + days * DAY


async def test_a_change_of_lifetimes_does_not_shorten_existing_keys(api: AdminApi) -> None:
    """Settings shorten no key that is there already."""
    made = api.with_secret(await api.admin.post(KEYS))
    await setting(api, default_key_lifetime="1d", maximum_key_lifetime="1d")
    api.clock.now += 2 * DAY
    assert (await made.get(KEYS)).status == 200


async def test_a_key_ends_with_the_presented_one_if_the_default_lifetime_is_longer(
    api: AdminApi,
) -> None:
    """The presented key is a user's."""
    await setting(api, default_key_lifetime="90d")
    end = api.clock() + DAY
    user = await api.key(await api.account(), expires=end)
    assert (await user.post(KEYS)).body["expiresTS"] == end


async def test_the_first_key_of_an_account_gets_the_default_lifetime(api: AdminApi) -> None:
    """The first key of a new account lasts as long as any other."""
    await setting(api, default_key_lifetime="90d")
    body = {"name": "n", "kind": "user", "createKey": True}
    made = (await api.admin.post("/v2-beta/accounts", body)).body["apiKey"]
    assert made["expiresTS"] == api.clock() + 90 * DAY


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "InvalidDateFormat"),
        ("tomorrow", "InvalidDateFormat"),
        ("2030-01-01", "InvalidDateFormat"),
        ("2030-01-01T00:00:00", "InvalidDateFormat"),
        ("2030-13-01T00:00:00Z", "InvalidDateFormat"),
        ("2000-01-01T00:00:00Z", "MinLimitExceeded"),
        (1893456000000, "InvalidType"),
        (False, "InvalidType"),
    ],
)
async def test_an_expiry_must_be_a_future_time_with_its_offset(
    api: AdminApi, value: object, code: str
) -> None:
    """An expiry is a moment to come, with its offset."""
    answer = await api.admin.post(KEYS, {"expires": value})
    assert answer.code == f"422 {code} expires"
