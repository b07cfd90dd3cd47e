"""The first admin, and the way back in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from admin.service import AdminExists, UnfitCredentials, create_first_admin, recover_admin_key
from proxy.domain.audit import Actor
from proxy.domain.model import Account, AccountKind, Key, Role, State
from proxy.domain.secret import seal_fits, verify
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


async def test_the_first_admin(store: Store, store_file: Path) -> None:
    """A new store gets an admin account and its key, each with its audit entry."""
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


async def test_there_is_one_first_admin(store: Store) -> None:
    """Where an admin exists, active or not, there is no second first one."""
    await create(store)
    async with store.write() as tx:
        await tx.put(replace(await get(store, 1), state=State.INACTIVE))
    with pytest.raises(AdminExists):
        await create(store)
    assert await store.get_account(2) is None


async def test_ready_credentials(store: Store) -> None:
    """A pair that is brought along becomes the key's, as one without our seal."""
    key, secret = await create(store, "deploy@example", b"correct-horse-battery")
    assert (key.access_key, secret) == ("deploy@example", "correct-horse-battery")
    assert verify(b"correct-horse-battery", key.secret_hash)
    assert not key.sealed
    assert await store.unsealed_rounds() == ROUNDS


async def test_a_ready_access_key(store: Store) -> None:
    """An access key that is brought along alone gets a sealed secret."""
    key, secret = await create(store, "deploy")
    assert key.access_key == "deploy"
    assert key.sealed
    assert seal_fits(b"deploy", secret.encode(), store.seal_key)


@pytest.mark.parametrize("access_key", ["", "a b", "a:b", "ä", "x" * 65, "a\n"])
async def test_unfit_access_keys(store: Store, access_key: str) -> None:
    """An access key that no header could carry is refused, and nothing is made."""
    with pytest.raises(UnfitCredentials, match="access key"):
        await create(store, access_key)
    assert not await store.has_admin()


@pytest.mark.parametrize(
    "secret", [b"", b"x" * 19, b"x" * 73, b"x" * 20 + b"\n", b"x y" * 8, b"x" * 20 + b"\xff"]
)
async def test_unfit_secrets(store: Store, secret: bytes) -> None:
    """A secret that is short, too long for bcrypt or not visible is refused, and not repeated."""
    with pytest.raises(UnfitCredentials) as caught:
        await create(store, "deploy", secret)
    assert not secret or secret.decode("latin-1") not in str(caught.value)
    assert not await store.has_admin()


async def test_recovery(store: Store, store_file: Path) -> None:
    """A lost admin key is made up for by a new one of the same account, and the audit log says
    so."""
    first, _ = await create(store)
    key = await recover(store)
    assert (key.account_id, key.role, key.creator_id) == (first.account_id, Role.OWNER, None)
    assert [entry["act"] for entry in audit_of(store_file)][2:] == ["key.recover"]


async def test_recovery_of_an_inactive_admin(store: Store, store_file: Path) -> None:
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


async def test_recovery_prefers_the_active(store: Store) -> None:
    """An active admin is taken before an inactive one with a lower id."""
    await create(store)
    admin = await get(store, 1)
    async with store.write() as tx:
        await tx.put(replace(admin, state=State.INACTIVE))
        await tx.put(replace(admin, id=2, uuid="u2", kind=AccountKind.USER))
        await tx.put(replace(admin, id=3, uuid="u3"))
    assert (await recover(store)).account_id == 3


async def test_recovery_without_any_admin(store: Store, store_file: Path) -> None:
    """Where every admin was removed, a new one is made."""
    await create(store)
    async with store.write() as tx:
        await tx.put(replace(await get(store, 1), state=State.REMOVED, removed=NOW))
    key = await recover(store)
    account = await get(store, key.account_id)
    assert (account.id, account.kind, account.state) == (2, AccountKind.ADMIN, State.ACTIVE)
    actions = [entry["act"] for entry in audit_of(store_file)]
    assert actions[2:] == ["account.create", "key.recover"]
