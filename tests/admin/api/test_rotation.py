"""Rotation over HTTP: a second secret for the same key, and an end of the first by the clock."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from proxy.domain import secret
from proxy.domain.model import Role, State
from tests.admin.admin_api import ROUNDS, AdminApi, Answer, Presented

KEYS = "/v2-beta/apikeys"
HOUR = 60 * 60 * 1000


async def rotate(api: AdminApi, key: Presented, overlap: str | None = None) -> Answer:
    """Have the admin rotate a key."""
    body = {} if overlap is None else {"overlap": overlap}
    return await api.admin.post(f"{KEYS}/{key.key.ref}/?action=rotate", body)


async def a_key(api: AdminApi, **more: Any) -> Presented:
    """A key of a new account."""
    return await api.key(await api.account(), **more)


async def works(key: Presented) -> bool:
    """Whether the admin server takes it now."""
    status = (await key.get("/v2-beta")).status
    assert status in {200, 401}
    return status == 200


async def test_rotate(api: AdminApi) -> None:
    """The answer tells a new secret and until when the old one stays good; all else stays."""
    key = await a_key(api)
    before = (await api.admin.get(f"{KEYS}/{key.key.ref}")).body
    answer = await rotate(api, key)
    told = answer.body["secretValue"]
    assert answer.status == 202
    assert re.fullmatch("wgs_[1-9A-HJ-NP-Za-km-z]{40}", told)
    assert told != key.secret
    until = api.clock() + 24 * HOUR
    assert answer.body["previousSecretExpires"].endswith("Z")
    changed = {"previousSecretExpires": answer.body["previousSecretExpires"]}
    changed |= {"previousSecretExpiresTS": until}
    assert answer.body == before | changed | {"secretValue": told}
    again = await api.admin.get(f"{KEYS}/{key.key.ref}")
    assert again.body == before | changed
    assert told not in again.text


async def test_the_overlap_ends_by_the_clock(api: AdminApi) -> None:
    """Both secrets work until its last millisecond, then the new one alone."""
    old = await a_key(api)
    new = api.with_secret(await rotate(api, old, "30m"))
    assert await works(old)
    assert await works(new)
    api.clock.now += 30 * 60 * 1000 - 1
    assert await works(old)
    assert await works(new)
    api.clock.now += 1
    assert not await works(old)
    assert await works(new)


async def test_a_secret_that_was_not_used_before_the_rotation(api: AdminApi) -> None:
    """It works in the overlap too, and no longer."""
    old, idle = await a_key(api), await a_key(api)
    for key in (old, idle):
        await rotate(api, key, "1h")
    assert await works(old)
    api.clock.now += HOUR
    assert not await works(old)
    assert not await works(idle)


@pytest.mark.parametrize("overlap", ["0", "0s", "0d"])
async def test_no_overlap(api: AdminApi, overlap: str) -> None:
    """With an overlap of 0 the old secret ends at once, though it was used a moment ago."""
    old = await a_key(api)
    assert await works(old)
    answer = await rotate(api, old, overlap)
    assert answer.body["previousSecretExpires"] is None
    assert not await works(old)
    assert await works(api.with_secret(answer))


async def test_rotating_twice_ends_the_oldest(api: AdminApi) -> None:
    """At most two secrets are good: the third takes the place of the first at once."""
    first = await a_key(api)
    second = api.with_secret(await rotate(api, first))
    assert await works(first)
    assert await works(second)
    third = api.with_secret(await rotate(api, first))
    assert [await works(key) for key in (first, second, third)] == [False, True, True]
    fourth = api.with_secret(await rotate(api, first, "0"))
    assert [await works(key) for key in (first, second, third, fourth)] == [False] * 3 + [True]


async def test_the_setting(api: AdminApi) -> None:
    """Where no overlap is asked for, the setting is in force as it is then."""
    key = await a_key(api)
    path = "/v2-beta/settings/rotation_overlap"
    await api.admin.put(path, {"value": "1h"})
    answer = await rotate(api, key)
    assert answer.body["previousSecretExpiresTS"] == api.clock() + HOUR
    await api.admin.put(path, {"value": "0"})
    assert (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretExpiresTS"]
    assert (await rotate(api, key)).body["previousSecretExpiresTS"] is None


@pytest.mark.parametrize(
    ("overlap", "code"),
    [
        ("soon", "422 InvalidFormat overlap"),
        ("", "422 InvalidFormat overlap"),
        ("-1h", "422 InvalidFormat overlap"),
        ("36501d", "422 InvalidFormat overlap"),
        (24, "422 InvalidType overlap"),
        (None, "422 InvalidType overlap"),
        (["24h"], "422 InvalidType overlap"),
    ],
)
async def test_bad_overlaps(api: AdminApi, overlap: object, code: str) -> None:
    """An overlap is a duration; what is none changes nothing."""
    key = await a_key(api)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    assert (await api.admin.post(path, {"overlap": overlap})).code == code
    assert (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretExpires"] is None
    assert await works(key)


async def test_state_covers_both(api: AdminApi) -> None:
    """A deactivated key has no good secret, an active one again both; an inactive one rotates."""
    old = await a_key(api)
    path = f"{KEYS}/{old.key.ref}"
    new = api.with_secret(await rotate(api, old))
    await api.admin.post(f"{path}?action=deactivate")
    assert [await works(key) for key in (old, new)] == [False, False]
    newer = api.with_secret(await rotate(api, old))
    assert not await works(newer)
    await api.admin.post(f"{path}?action=activate")
    assert [await works(key) for key in (old, new, newer)] == [False, True, True]
    await api.admin.post(f"{path}?action=deactivate")
    await api.admin.delete(path)
    assert [await works(key) for key in (old, new, newer)] == [False] * 3
    answer = await rotate(api, old)
    assert answer.code == "422 ActionNotAvailable action"


async def test_expiry_covers_both(api: AdminApi) -> None:
    """A key's end is the end of both secrets, however long the overlap."""
    old = await a_key(api, expires=api.clock() + HOUR)
    new = api.with_secret(await rotate(api, old, "24h"))
    api.clock.now += HOUR - 1
    assert [await works(key) for key in (old, new)] == [True, True]
    api.clock.now += 1
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_the_owner_covers_both(api: AdminApi) -> None:
    """While its account is inactive neither secret works."""
    old = await a_key(api)
    new = api.with_secret(await rotate(api, old))
    account = f"/v2-beta/accounts/1a{old.key.account_id}"
    await api.admin.post(f"{account}?action=deactivate")
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_a_key_rotates_itself(api: AdminApi) -> None:
    """Whoever holds a key can renew its secret with it, and go on with the old one meanwhile."""
    key = await a_key(api)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    new = api.with_secret(await key.post(path, {"overlap": "1h"}))
    assert await works(key)
    newer = api.with_secret(await new.post(path, {"overlap": "0"}))
    assert [await works(each) for each in (key, new, newer)] == [False, False, True]


async def test_nobody_takes_over_a_stronger_key(api: AdminApi) -> None:
    """A new secret for a stronger or longer lived key is not had with a weaker or shorter one."""
    account = await api.account()
    strong = await api.key(account)
    weak = await api.key(account, Role.MEMBER)
    short = await api.key(account, expires=api.clock() + HOUR)
    path = f"{KEYS}/{strong.key.ref}"
    assert (await weak.post(f"{path}?action=rotate")).code == "403 Forbidden role"
    assert (await short.post(f"{path}?action=rotate")).code == "403 Forbidden expires"
    for key in (weak, short):
        assert "rotate" not in (await key.get(path)).body["actions"]
    assert await works(strong)


async def test_an_imported_key_becomes_sealed(api: AdminApi) -> None:
    """Its password works until the overlap ends, and from then on it has a secret of ours alone."""
    account = await api.account()
    stored = secret.hash_secret(b"pass:word", ROUNDS)
    body = {"publicValue": "ada", "secretHash": stored.decode(), "accountId": account.ref}
    made = (await api.admin.post(f"{KEYS}/?action=import", body)).body
    old = Presented(api.client, replace(api.admin.key, access_key="ada"), "pass:word")
    assert await works(old)
    answer = await api.admin.post(f"{KEYS}/{made['id']}/?action=rotate", {"overlap": "1h"})
    new = api.with_secret(answer)
    assert answer.body["publicValue"] == "ada"
    assert [await works(key) for key in (old, new)] == [True, True]
    kept = await api.store.get_key(int(made["id"][2:]))
    assert kept is not None
    assert (kept.sealed, kept.previous_sealed) == (True, False)
    api.clock.now += HOUR
    assert [await works(key) for key in (old, new)] == [False, True]
    await api.admin.post(f"{KEYS}/{made['id']}/?action=rotate", {"overlap": "0"})
    assert not await api.store.unsealed_rounds()


async def test_purge(api: AdminApi) -> None:
    """A purged key keeps neither of its secrets' hashes."""
    key = await a_key(api)
    await rotate(api, key)
    path = f"{KEYS}/{key.key.ref}"
    for action in ("deactivate", "remove", "purge"):
        await api.admin.post(f"{path}?action={action}")
    kept = await api.store.get_key(key.key.id)
    assert kept is not None
    assert (kept.state, kept.secret_hash, kept.previous_hash) == (State.PURGED, b"", None)


async def test_audit(api: AdminApi) -> None:
    """A rotation leaves until when the old secret was good, and neither secret nor a hash."""
    key = await a_key(api)
    told = (await rotate(api, key, "1h")).body["secretValue"]
    (entry,) = api.audit()
    assert (entry["act"], entry["subject"]) == ("key.rotate", key.key.ref)
    until = api.clock() + HOUR
    assert (entry["before"], entry["after"]) == (
        {"previous_until": None},
        {"previous_until": until},
    )
    for value in (told, key.secret, "$2b$"):
        assert value not in repr(entry)


async def test_a_wrong_secret_while_two_are_good(api: AdminApi) -> None:
    """A third one is refused."""
    old = await a_key(api)
    await rotate(api, old)
    wrong = secret.generate(old.key.access_key, api.store.seal_key)
    assert not await works(Presented(api.client, old.key, wrong))
    assert not await works(Presented(api.client, old.key, str(uuid4())))
