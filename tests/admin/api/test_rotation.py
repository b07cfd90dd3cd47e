"""Rotation over HTTP: a key gets a second secret, and the first one ends after a while."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from proxy.auth import password_hash
from proxy.domain import secret
from proxy.domain.model import Role, State
from tests.admin.admin_api import ROUNDS, AdminApi, Answer, Presented
from tests.support.seed import used

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
    """Whether the admin server accepts the key now."""
    status = (await key.get("/v2-beta")).status
    assert status in {200, 401}
    return status == 200


async def test_a_rotation_answers_the_new_secret_and_the_end_of_the_old_one(api: AdminApi) -> None:
    """Everything else about the key stays."""
    key = await a_key(api)
    before = (await api.admin.get(f"{KEYS}/{key.key.ref}")).body
    answer = await rotate(api, key)
    new_secret = answer.body["secretValue"]
    assert answer.status == 202
    assert re.fullmatch("wgs_[1-9A-HJ-NP-Za-km-z]{40}", new_secret)
    assert new_secret != key.secret
    until = api.clock() + 24 * HOUR
    assert answer.body["previousSecretExpires"].endswith("Z")
    changed = {"previousSecretExpires": answer.body["previousSecretExpires"]}
    changed |= {"previousSecretExpiresTS": until, "secrets": answer.body["secrets"]}
    assert answer.body == before | changed | {"secretValue": new_secret}
    again = await api.admin.get(f"{KEYS}/{key.key.ref}")
    assert again.body == before | changed
    assert new_secret not in again.text


async def test_both_secrets_work_until_the_last_millisecond_of_the_overlap(api: AdminApi) -> None:
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


async def test_an_old_secret_works_in_the_overlap_even_if_it_was_never_used_before(
    api: AdminApi,
) -> None:
    """And no longer."""
    old, idle = await a_key(api), await a_key(api)
    for key in (old, idle):
        await rotate(api, key, "1h")
    assert await works(old)
    api.clock.now += HOUR
    assert not await works(old)
    assert not await works(idle)


@pytest.mark.parametrize("overlap", ["0", "0s", "0d"])
async def test_with_an_overlap_of_0_the_old_secret_ends_at_once(
    api: AdminApi, overlap: str
) -> None:
    """Even though it was just used."""
    old = await a_key(api)
    assert await works(old)
    answer = await rotate(api, old, overlap)
    assert answer.body["previousSecretExpires"] is None
    assert not await works(old)
    assert await works(api.with_secret(answer))


async def test_the_last_use_of_the_old_secret_is_shown_during_the_overlap(api: AdminApi) -> None:
    """It is null where there was none since the last rotation, and once the overlap is over."""
    key = await a_key(api)

    async def last_use() -> int | None:
        shown = (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretLastUsedTS"]
        return None if shown is None else int(shown)

    async def use() -> int:
        now = api.clock()
        await api.store.record_usage(used(key.key.id, now, rotated=now, previous=True), {})
        return now

    await rotate(api, key, "1h")
    assert await last_use() is None
    await use()
    await rotate(api, key, "1h")
    assert await last_use() is None
    time = await use()
    assert await last_use() == time
    api.clock.now += HOUR
    assert await last_use() is None


async def test_a_second_rotation_ends_the_oldest_secret(api: AdminApi) -> None:
    """At most two secrets work."""
    first = await a_key(api)
    second = api.with_secret(await rotate(api, first))
    assert await works(first)
    assert await works(second)
    third = api.with_secret(await rotate(api, first))
    assert [await works(key) for key in (first, second, third)] == [False, True, True]
    fourth = api.with_secret(await rotate(api, first, "0"))
    assert [await works(key) for key in (first, second, third, fourth)] == [False] * 3 + [True]


async def test_without_an_overlap_the_setting_counts(api: AdminApi) -> None:
    """As it is at the time of the rotation."""
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
        (None, "422 NotNullable overlap"),
        (["24h"], "422 InvalidType overlap"),
    ],
)
async def test_an_overlap_that_is_no_duration_is_refused(
    api: AdminApi, overlap: object, code: str
) -> None:
    """It changes nothing."""
    key = await a_key(api)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    assert (await api.admin.post(path, {"overlap": overlap})).code == code
    assert (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretExpires"] is None
    assert await works(key)


async def test_both_secrets_end_and_return_with_the_state_of_their_key(api: AdminApi) -> None:
    """An inactive key can be rotated, a removed one cannot."""
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


async def test_both_secrets_end_with_their_key(api: AdminApi) -> None:
    """However long the overlap is."""
    old = await a_key(api, expires=api.clock() + HOUR)
    new = api.with_secret(await rotate(api, old, "24h"))
    api.clock.now += HOUR - 1
    assert [await works(key) for key in (old, new)] == [True, True]
    api.clock.now += 1
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_neither_secret_works_while_the_account_is_inactive(api: AdminApi) -> None:
    """While its account is inactive neither secret works."""
    old = await a_key(api)
    new = api.with_secret(await rotate(api, old))
    account = f"/v2-beta/accounts/1a{old.key.account_id}"
    await api.admin.post(f"{account}?action=deactivate")
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_a_key_can_rotate_itself(api: AdminApi) -> None:
    """Its old secret works meanwhile."""
    key = await a_key(api)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    new = api.with_secret(await key.post(path, {"overlap": "1h"}))
    assert await works(key)
    newer = api.with_secret(await new.post(path, {"overlap": "0"}))
    assert [await works(each) for each in (key, new, newer)] == [False, False, True]


async def test_a_key_cannot_rotate_a_stronger_or_longer_lived_one(api: AdminApi) -> None:
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


async def test_a_rotation_gives_an_imported_key_a_sealed_secret(api: AdminApi) -> None:
    """Its password works until the overlap ends."""
    account = await api.account()
    stored = password_hash.hash_secret(b"pass:word", ROUNDS)
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


async def test_a_purged_key_keeps_neither_hash(api: AdminApi) -> None:
    """A purged key keeps neither of its secrets' hashes."""
    key = await a_key(api)
    await rotate(api, key)
    path = f"{KEYS}/{key.key.ref}"
    for action in ("deactivate", "remove", "purge"):
        await api.admin.post(f"{path}?action={action}")
    kept = await api.store.get_key(key.key.id)
    assert kept is not None
    assert (kept.state, kept.secret_hash, kept.previous_hash) == (State.PURGED, b"", None)


async def test_a_rotation_leaves_an_audit_entry_without_secrets(api: AdminApi) -> None:
    """It says until when the old secret works."""
    key = await a_key(api)
    new_secret = (await rotate(api, key, "1h")).body["secretValue"]
    (entry,) = api.audit()
    assert (entry["act"], entry["subject"]) == ("key.rotate", key.key.ref)
    until = api.clock() + HOUR
    assert (entry["before"], entry["after"]) == (
        {"previous_until": None},
        {"previous_until": until},
    )
    for value in (new_secret, key.secret, "$2b$"):
        assert value not in repr(entry)


async def test_a_third_secret_is_refused_while_two_work(api: AdminApi) -> None:
    """A third one is refused."""
    old = await a_key(api)
    await rotate(api, old)
    wrong = secret.generate(old.key.access_key, api.store.seal_key)
    assert not await works(Presented(api.client, old.key, wrong))
    assert not await works(Presented(api.client, old.key, str(uuid4())))
