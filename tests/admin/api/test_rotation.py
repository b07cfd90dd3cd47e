"""Rotation over HTTP: a second secret for the same key, and an end of the first by the clock."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from proxy.domain import secret
from proxy.domain.model import Role, State
from tests.admin.office import ROUNDS, Answer, Office, Presented

KEYS = "/v2-beta/apikeys"
HOUR = 60 * 60 * 1000


async def rotate(office: Office, key: Presented, overlap: str | None = None) -> Answer:
    """Have the admin rotate a key."""
    body = {} if overlap is None else {"overlap": overlap}
    return await office.admin.post(f"{KEYS}/{key.key.ref}/?action=rotate", body)


async def a_key(office: Office, **more: Any) -> Presented:
    """A key of a new account."""
    return await office.key(await office.account(), **more)


async def works(key: Presented) -> bool:
    """Whether the office takes it now."""
    status = (await key.get("/v2-beta")).status
    assert status in {200, 401}
    return status == 200


async def test_rotate(office: Office) -> None:
    """The answer tells a new secret and until when the old one stays good; all else stays."""
    key = await a_key(office)
    before = (await office.admin.get(f"{KEYS}/{key.key.ref}")).body
    answer = await rotate(office, key)
    told = answer.body["secretValue"]
    assert answer.status == 202
    assert re.fullmatch("wgs_[1-9A-HJ-NP-Za-km-z]{40}", told)
    assert told != key.secret
    until = office.clock() + 24 * HOUR
    assert answer.body["previousSecretExpires"].endswith("Z")
    changed = {"previousSecretExpires": answer.body["previousSecretExpires"]}
    changed |= {"previousSecretExpiresTS": until}
    assert answer.body == before | changed | {"secretValue": told}
    again = await office.admin.get(f"{KEYS}/{key.key.ref}")
    assert again.body == before | changed
    assert told not in again.text


async def test_the_overlap_ends_by_the_clock(office: Office) -> None:
    """Both secrets work until its last millisecond, then the new one alone."""
    old = await a_key(office)
    new = office.with_secret(await rotate(office, old, "30m"))
    assert await works(old)
    assert await works(new)
    office.clock.now += 30 * 60 * 1000 - 1
    assert await works(old)
    assert await works(new)
    office.clock.now += 1
    assert not await works(old)
    assert await works(new)


async def test_a_secret_that_was_not_used_before_the_rotation(office: Office) -> None:
    """It works in the overlap too, and no longer."""
    old, idle = await a_key(office), await a_key(office)
    for key in (old, idle):
        await rotate(office, key, "1h")
    assert await works(old)
    office.clock.now += HOUR
    assert not await works(old)
    assert not await works(idle)


@pytest.mark.parametrize("overlap", ["0", "0s", "0d"])
async def test_no_overlap(office: Office, overlap: str) -> None:
    """With an overlap of 0 the old secret ends at once, though it was used a moment ago."""
    old = await a_key(office)
    assert await works(old)
    answer = await rotate(office, old, overlap)
    assert answer.body["previousSecretExpires"] is None
    assert not await works(old)
    assert await works(office.with_secret(answer))


async def test_rotating_twice_ends_the_oldest(office: Office) -> None:
    """At most two secrets are good: the third takes the place of the first at once."""
    first = await a_key(office)
    second = office.with_secret(await rotate(office, first))
    assert await works(first)
    assert await works(second)
    third = office.with_secret(await rotate(office, first))
    assert [await works(key) for key in (first, second, third)] == [False, True, True]
    fourth = office.with_secret(await rotate(office, first, "0"))
    assert [await works(key) for key in (first, second, third, fourth)] == [False] * 3 + [True]


async def test_the_setting(office: Office) -> None:
    """Where no overlap is asked for, the setting is in force as it is then."""
    key = await a_key(office)
    path = "/v2-beta/settings/rotation_overlap"
    await office.admin.put(path, {"value": "1h"})
    answer = await rotate(office, key)
    assert answer.body["previousSecretExpiresTS"] == office.clock() + HOUR
    await office.admin.put(path, {"value": "0"})
    assert (await office.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretExpiresTS"]
    assert (await rotate(office, key)).body["previousSecretExpiresTS"] is None


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
async def test_bad_overlaps(office: Office, overlap: object, code: str) -> None:
    """An overlap is a duration; what is none changes nothing."""
    key = await a_key(office)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    assert (await office.admin.post(path, {"overlap": overlap})).code == code
    assert (await office.admin.get(f"{KEYS}/{key.key.ref}")).body["previousSecretExpires"] is None
    assert await works(key)


async def test_state_covers_both(office: Office) -> None:
    """A deactivated key has no good secret, an active one again both; an inactive one rotates."""
    old = await a_key(office)
    path = f"{KEYS}/{old.key.ref}"
    new = office.with_secret(await rotate(office, old))
    await office.admin.post(f"{path}?action=deactivate")
    assert [await works(key) for key in (old, new)] == [False, False]
    newer = office.with_secret(await rotate(office, old))
    assert not await works(newer)
    await office.admin.post(f"{path}?action=activate")
    assert [await works(key) for key in (old, new, newer)] == [False, True, True]
    await office.admin.post(f"{path}?action=deactivate")
    await office.admin.delete(path)
    assert [await works(key) for key in (old, new, newer)] == [False] * 3
    answer = await rotate(office, old)
    assert answer.code == "422 ActionNotAvailable action"


async def test_expiry_covers_both(office: Office) -> None:
    """A key's end is the end of both secrets, however long the overlap."""
    old = await a_key(office, expires=office.clock() + HOUR)
    new = office.with_secret(await rotate(office, old, "24h"))
    office.clock.now += HOUR - 1
    assert [await works(key) for key in (old, new)] == [True, True]
    office.clock.now += 1
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_the_owner_covers_both(office: Office) -> None:
    """While its account is inactive neither secret works."""
    old = await a_key(office)
    new = office.with_secret(await rotate(office, old))
    account = f"/v2-beta/accounts/1a{old.key.account_id}"
    await office.admin.post(f"{account}?action=deactivate")
    assert [await works(key) for key in (old, new)] == [False, False]


async def test_a_key_rotates_itself(office: Office) -> None:
    """Whoever holds a key can renew its secret with it, and go on with the old one meanwhile."""
    key = await a_key(office)
    path = f"{KEYS}/{key.key.ref}/?action=rotate"
    new = office.with_secret(await key.post(path, {"overlap": "1h"}))
    assert await works(key)
    newer = office.with_secret(await new.post(path, {"overlap": "0"}))
    assert [await works(each) for each in (key, new, newer)] == [False, False, True]


async def test_nobody_takes_over_a_stronger_key(office: Office) -> None:
    """A new secret for a stronger or longer lived key is not had with a weaker or shorter one."""
    account = await office.account()
    strong = await office.key(account)
    weak = await office.key(account, Role.MEMBER)
    short = await office.key(account, expires=office.clock() + HOUR)
    path = f"{KEYS}/{strong.key.ref}"
    assert (await weak.post(f"{path}?action=rotate")).code == "403 Forbidden role"
    assert (await short.post(f"{path}?action=rotate")).code == "403 Forbidden expires"
    for key in (weak, short):
        assert "rotate" not in (await key.get(path)).body["actions"]
    assert await works(strong)


async def test_an_imported_key_becomes_sealed(office: Office) -> None:
    """Its password works until the overlap ends, and from then on it has a secret of ours alone."""
    account = await office.account()
    stored = secret.hash_secret(b"pass:word", ROUNDS)
    body = {"publicValue": "ada", "secretHash": stored.decode(), "accountId": account.ref}
    made = (await office.admin.post(f"{KEYS}/?action=import", body)).body
    old = Presented(office.client, replace(office.admin.key, access_key="ada"), "pass:word")
    assert await works(old)
    answer = await office.admin.post(f"{KEYS}/{made['id']}/?action=rotate", {"overlap": "1h"})
    new = office.with_secret(answer)
    assert answer.body["publicValue"] == "ada"
    assert [await works(key) for key in (old, new)] == [True, True]
    kept = await office.store.get_key(int(made["id"][2:]))
    assert kept is not None
    assert (kept.sealed, kept.previous_sealed) == (True, False)
    office.clock.now += HOUR
    assert [await works(key) for key in (old, new)] == [False, True]
    await office.admin.post(f"{KEYS}/{made['id']}/?action=rotate", {"overlap": "0"})
    assert not await office.store.unsealed_rounds()


async def test_purge(office: Office) -> None:
    """A purged key keeps neither of its secrets' hashes."""
    key = await a_key(office)
    await rotate(office, key)
    path = f"{KEYS}/{key.key.ref}"
    for action in ("deactivate", "remove", "purge"):
        await office.admin.post(f"{path}?action={action}")
    kept = await office.store.get_key(key.key.id)
    assert kept is not None
    assert (kept.state, kept.secret_hash, kept.previous_hash) == (State.PURGED, b"", None)


async def test_audit(office: Office) -> None:
    """A rotation leaves until when the old secret was good, and neither secret nor a hash."""
    key = await a_key(office)
    told = (await rotate(office, key, "1h")).body["secretValue"]
    (entry,) = office.audit()
    assert (entry["act"], entry["subject"]) == ("key.rotate", key.key.ref)
    until = office.clock() + HOUR
    assert (entry["before"], entry["after"]) == (
        {"previous_until": None},
        {"previous_until": until},
    )
    for value in (told, key.secret, "$2b$"):
        assert value not in repr(entry)


async def test_a_wrong_secret_while_two_are_good(office: Office) -> None:
    """A third one is refused."""
    old = await a_key(office)
    await rotate(office, old)
    wrong = secret.generate(old.key.access_key, office.store.seal_key)
    assert not await works(Presented(office.client, old.key, wrong))
    assert not await works(Presented(office.client, old.key, str(uuid4())))
