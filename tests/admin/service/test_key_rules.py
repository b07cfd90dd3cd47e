"""What a key may be, over HTTP: no stronger than the key that creates it, nor valid for longer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi, Presented

KEYS = "/v2-beta/apikeys"


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


@pytest.mark.parametrize("requested", Role)
@pytest.mark.parametrize("presented", [Role.OWNER, Role.MEMBER])
async def test_an_edit_makes_no_key_stronger_than_the_presented_one(
    api: AdminApi, presented: Role, requested: Role
) -> None:
    """Not even the presented key itself. A weaker one it may become."""
    for account in (await api.account(), await api.account(AccountKind.ADMIN)):
        key = await api.key(account, presented)
        for edited in (await api.key(account, Role.READONLY), key):
            answer = await key.put(f"{KEYS}/{edited.key.ref}", {"role": requested})
            if presented.covers(requested):
                assert (answer.status, answer.body["role"]) == (200, requested)
            else:
                assert answer.code == "403 Forbidden role"


async def test_an_edit_makes_no_key_valid_for_longer_than_the_presented_one(api: AdminApi) -> None:
    """Except that admins' keys have no limit, but for the setting."""
    end, later = "2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z"
    account = await api.account()
    key = await api.key(account, expires=1_893_456_000_000)
    other = await api.key(account, expires=1_893_455_000_000)
    for path in (f"{KEYS}/{other.key.ref}", f"{KEYS}/{key.key.ref}"):
        for expires in (later, None):
            assert (await key.put(path, {"expires": expires})).code == "403 Forbidden expires"
        assert (await key.put(path, {"expires": end})).status == 200
        assert (await api.admin.put(path, {"expires": later})).status == 200
    await api.admin.put("/v2-beta/settings/maximum_key_lifetime", {"value": "1d"})
    path = f"{KEYS}/{other.key.ref}"
    for expires in (None, "2099-01-01T00:00:00Z"):
        answer = await api.admin.put(path, {"expires": expires})
        assert answer.code == "422 MaxLimitExceeded expires"


@pytest.mark.parametrize("presented", [Role.RESTRICTED, Role.READONLY])
async def test_a_key_that_may_only_read_edits_no_key(api: AdminApi, presented: Role) -> None:
    """Not even itself."""
    key = await api.key(await api.account(), presented)
    answer = await key.put(f"{KEYS}/{key.key.ref}", {"role": "readonly"})
    assert answer.code == "403 Forbidden"


async def test_an_edit_locks_no_admin_out(api: AdminApi) -> None:
    """Neither by the role of the last admin key, nor by its expiry."""
    path = f"{KEYS}/1c1"
    soon = datetime.fromtimestamp(api.clock() // 1000 + 3600, UTC).isoformat()
    for body in ({"role": "member"}, {"expires": soon}):
        assert (await api.admin.put(path, body)).code == "409 LastAdminKey"
    await api.key(await api.account(AccountKind.ADMIN))
    assert (await api.admin.put(path, {"expires": soon})).status == 200
