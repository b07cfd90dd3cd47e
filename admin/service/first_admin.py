"""The first admin and its key, and a new admin key where every one is lost.

The rule that lives here: both act on the store's file, which no server has open. Access to that
file is the permission; no key is presented. Each leaves its entries in the audit log.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from admin.service.base import difference, transitioned
from proxy.auth.password_hash import hash_secret
from proxy.domain.audit import Actor, Entry
from proxy.domain.errors import WardgateError
from proxy.domain.model import Account, AccountKind, Action, Key, Role, State
from proxy.domain.names import ACCESS_KEY
from proxy.domain.secret import generate, new_access_key, seal_fits
from proxy.store.protocols import Reader, Store, Transaction
from proxy.store.query import Query

_SECRET: Final = re.compile(rb"[\x21-\x7e]{20,72}")
# 20: a shorter secret, such as a person might invent, is too weak for a key with every right.


class AdminExists(WardgateError):
    """An admin exists already."""


class UnfitCredentials(WardgateError):
    """The given access key or secret key cannot be used."""


@dataclass(frozen=True, slots=True)
class _Credentials:
    """The access key and the secret of a key to create."""

    access_key: str
    secret: bytes
    secret_hash: bytes
    sealed: bool


async def create_first_admin(
    store: Store,
    *,
    access_key: str | None,
    secret: bytes | None,
    bcrypt_rounds: int,
    actor: Actor,
    clock: Callable[[], int],
) -> tuple[Key, str]:
    """Create the first admin account and its key. Returns the key and its secret.

    An access key or a secret that is None is generated. `clock` returns milliseconds since the
    epoch. Raises `AdminExists`, `UnfitCredentials`, `StoreUnavailable`.
    """
    await _require_no_admin(store)
    credentials = await _credentials(store.seal_key, access_key, secret, bcrypt_rounds)
    async with store.write() as tx:
        await _require_no_admin(tx)
        writer = _AuditedWriter(tx, actor, tx.now(clock))
        account = await writer.new_account()
        key = await writer.new_key(account, credentials, "key.create")
    return key, credentials.secret.decode()


async def recover_admin_key(
    store: Store, *, bcrypt_rounds: int, actor: Actor, clock: Callable[[], int]
) -> tuple[Key, str]:
    """Create another admin key. Returns the key and its secret. Raises `StoreUnavailable`.

    It belongs to the active admin account with the lowest id. Where none is active, the inactive
    one with the lowest id is activated; where there is none at all, an account is created.
    """
    credentials = await _credentials(store.seal_key, None, None, bcrypt_rounds)
    async with store.write() as tx:
        writer = _AuditedWriter(tx, actor, tx.now(clock))
        account = await _lowest_admin(tx)
        if account is None:
            account = await writer.new_account()
        elif account.state is State.INACTIVE:
            account = await writer.activated(account)
        key = await writer.new_key(account, credentials, "key.recover")
    return key, credentials.secret.decode()


@dataclass(frozen=True, slots=True)
class _AuditedWriter:
    """Writes records in a transaction, each with its audit entry."""

    tx: Transaction
    actor: Actor
    now: int

    async def new_account(self) -> Account:
        account = Account(
            id=await self.tx.next_id("account"),
            uuid=str(uuid4()),
            kind=AccountKind.ADMIN,
            name="admin",
            description=None,
            state=State.ACTIVE,
            created=self.now,
        )
        await self._put("account.create", account, None)
        return account

    async def activated(self, old: Account) -> Account:
        account = transitioned(old, Action.ACTIVATE, self.now)
        await self._put("account.activate", account, old)
        return account

    async def new_key(self, account: Account, credentials: _Credentials, action: str) -> Key:
        key = Key(
            id=await self.tx.next_id("key"),
            uuid=str(uuid4()),
            access_key=credentials.access_key,
            secret_hash=credentials.secret_hash,
            sealed=credentials.sealed,
            account_id=account.id,
            environment_id=None,
            creator_id=None,
            role=Role.OWNER,
            name="admin",
            description=None,
            state=State.ACTIVE,
            created=self.now,
        )
        await self._put(action, key, None)
        return key

    async def _put(self, action: str, record: Account | Key, old: Account | None) -> None:
        before, after = difference(old, record)
        await self.tx.record(Entry(self.now, self.actor, action, record.ref, before, after))
        await self.tx.put(record)


async def _require_no_admin(reader: Reader) -> None:
    if await reader.has_admin():
        raise AdminExists("an admin exists already; create further keys with its keys")


async def _credentials(
    seal_key: bytes, access_key: str | None, secret: bytes | None, rounds: int
) -> _Credentials:
    """The pair; what is None is generated. Raises `UnfitCredentials`, which holds no secret."""
    if access_key is None:
        access_key = new_access_key()
    elif not ACCESS_KEY.fullmatch(access_key):
        raise UnfitCredentials("access key: 1 to 64 letters, digits and . _ @ + -")
    if secret is None:
        secret = generate(access_key, seal_key).encode()
    elif not _SECRET.fullmatch(secret):
        raise UnfitCredentials("secret key: 20 to 72 visible ASCII characters, no spaces")
    secret_hash = await asyncio.to_thread(hash_secret, secret, rounds)
    sealed = seal_fits(access_key.encode(), secret, seal_key)
    return _Credentials(access_key, secret, secret_hash, sealed)


async def _lowest_admin(reader: Reader) -> Account | None:
    """The active admin account with the lowest id, else the inactive one with it, else None."""
    inactive: Account | None = None
    query = Query(limit=1000)
    while True:
        found = await reader.list_accounts(query)
        for account in found.records:
            if account.kind is AccountKind.ADMIN:
                if account.state is State.ACTIVE:
                    return account
                inactive = inactive or account
        if found.next is None:
            return inactive
        query = replace(query, after=found.next)
