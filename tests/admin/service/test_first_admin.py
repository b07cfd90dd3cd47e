"""The first admin and its key, and a new admin key where every one is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from admin.service import AdminExists, UnfitCredentials, create_first_admin, recover_admin_key
from proxy.auth.password_hash import verify
from proxy.domain.audit import Actor
from proxy.domain.model import Account, AccountKind, Key, Role, State
from proxy.domain.secret import seal_fits
from proxy.store.protocols import Store
from tests.admin.admin_api import ROUNDS, audit_of

NOW = 1_800_000_000_000


async def create(
    store: Store, access_key: str | None = None, secret: bytes | None = None
) -> tuple[Key, str]:
    return await create_first_admin(
        store,
        access_key=access_key,
        secret=secret,
        bcrypt_rounds=ROUNDS,
        actor=Actor(),
        clock=lambda: NOW,
    )


async def recover(store: Store) -> Key:
    key, secret = await recover_admin_key(
        store, bcrypt_rounds=ROUNDS, actor=Actor(), clock=lambda: NOW
    )
    assert verify(secret.encode(), key.secret_hash)
    assert await store.get_key(key.id) == key
    return key


async def get(store: Store, account_id: int | None) -> Account:
    account = await store.get_account(account_id or 0)
    assert account is not None
    return account


async def test_the_first_admin_gets_an_account_and_a_key(store: Store, store_file: Path) -> None:
    """Each with its audit entry."""
    key, secret = await create(store)
    assert (key.ref, key.account_id, key.role, key.state) == ("1c1", 1, Role.OWNER, State.ACTIVE)
    assert seal_fits(key.access_key.encode(), secret.encode(), store.seal_key)
    assert verify(secret.encode(), key.secret_hash)
    assert key.sealed
    account = await get(store, 1)
    assert (account.kind, account.state) == (AccountKind.ADMIN, State.ACTIVE)
    assert (await store.load_key(key.access_key))[1] == key
    actions = [(entry["act"], entry["subject"]) for entry in audit_of(store_file)]
    assert actions == [("account.create", "1a1"), ("key.create", "1c1")]
    assert secret not in repr(audit_of(store_file))


async def test_there_is_only_one_first_admin(store: Store) -> None:
    """Even where that admin is inactive."""
    await create(store)
    async with store.write() as tx:
        await tx.put(replace(await get(store, 1), state=State.INACTIVE))
    with pytest.raises(AdminExists):
        await create(store)
    assert await store.get_account(2) is None


async def test_a_given_pair_becomes_the_first_key_without_a_seal(store: Store) -> None:
    """A pair that is brought along becomes the key's, as one without our seal."""
    key, secret = await create(store, "deploy@example", b"correct-horse-battery")
    assert (key.access_key, secret) == ("deploy@example", "correct-horse-battery")
    assert verify(b"correct-horse-battery", key.secret_hash)
    assert not key.sealed
    assert await store.unsealed_rounds() == ROUNDS


async def test_a_given_access_key_alone_gets_a_sealed_secret(store: Store) -> None:
    """An access key that is brought along alone gets a sealed secret."""
    key, secret = await create(store, "deploy")
    assert key.access_key == "deploy"
    assert key.sealed
    assert seal_fits(b"deploy", secret.encode(), store.seal_key)


@pytest.mark.parametrize("access_key", ["", "a b", "a:b", "ä", "x" * 65, "a\n"])
async def test_a_given_access_key_that_basic_cannot_carry_is_refused(
    store: Store, access_key: str
) -> None:
    """Nothing is created."""
    with pytest.raises(UnfitCredentials, match="access key"):
        await create(store, access_key)
    assert not await store.has_admin()


@pytest.mark.parametrize(
    "secret", [b"", b"x" * 19, b"x" * 73, b"x" * 20 + b"\n", b"x y" * 8, b"x" * 20 + b"\xff"]
)
async def test_a_given_secret_that_is_short_long_or_invisible_is_refused(
    store: Store, secret: bytes
) -> None:
    """The error does not repeat it."""
    with pytest.raises(UnfitCredentials) as caught:
        await create(store, "deploy", secret)
    assert not secret or secret.decode("latin-1") not in str(caught.value)
    assert not await store.has_admin()


async def test_recovery_gives_the_admin_account_a_new_key(store: Store, store_file: Path) -> None:
    """The audit log has an entry for it."""
    first, _ = await create(store)
    key = await recover(store)
    assert (key.account_id, key.role, key.creator_id) == (first.account_id, Role.OWNER, None)
    assert [entry["act"] for entry in audit_of(store_file)][2:] == ["key.recover"]


async def test_recovery_activates_the_lowest_inactive_admin_where_none_is_active(
    store: Store, store_file: Path
) -> None:
    """Where no admin is active, the lowest inactive one is activated."""
    await create(store)
    admin = await get(store, 1)
    async with store.write() as tx:
        await tx.put(replace(admin, state=State.INACTIVE))
        await tx.put(replace(admin, id=2, uuid="u2", state=State.INACTIVE))
    key = await recover(store)
    assert key.account_id == 1
    assert (await get(store, 1)).state is State.ACTIVE
    assert (await get(store, 2)).state is State.INACTIVE
    actions = [entry["act"] for entry in audit_of(store_file)]
    assert actions[2:] == ["account.activate", "key.recover"]


async def test_recovery_prefers_an_active_admin_to_an_inactive_one_with_a_lower_id(
    store: Store,
) -> None:
    """An active admin is taken before an inactive one with a lower id."""
    await create(store)
    admin = await get(store, 1)
    async with store.write() as tx:
        await tx.put(replace(admin, state=State.INACTIVE))
        await tx.put(replace(admin, id=2, uuid="u2", kind=AccountKind.USER))
        await tx.put(replace(admin, id=3, uuid="u3"))
    assert (await recover(store)).account_id == 3


async def test_recovery_creates_an_admin_where_every_one_was_removed(
    store: Store, store_file: Path
) -> None:
    """Where every admin was removed, a new one is made."""
    await create(store)
    async with store.write() as tx:
        await tx.put(replace(await get(store, 1), state=State.REMOVED, removed=NOW))
    key = await recover(store)
    account = await get(store, key.account_id)
    assert (account.id, account.kind, account.state) == (2, AccountKind.ADMIN, State.ACTIVE)
    actions = [entry["act"] for entry in audit_of(store_file)]
    assert actions[2:] == ["account.create", "key.recover"]
