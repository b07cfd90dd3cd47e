"""Records for a store as the admin server makes them: accounts, environments, keys with secrets.

A record has plain values in all fields, which `changes` replaces by name. Ids are the caller's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.auth import password_hash
from proxy.domain import secret
from proxy.domain.model import Account, AccountKind, Environment, Key, Role, State
from proxy.store.protocols import SecretRef, Store, Uses
from tests.support.credentials import Credentials

LOWEST_COST: Final = 4
"""The lowest cost that bcrypt has: tests hash many secrets."""


def account(number: int, kind: AccountKind, **changes: Any) -> Account:
    """An active account."""
    plain = Account(number, f"u{number}", kind, f"account {number}", None, State.ACTIVE, 0)
    return replace(plain, **changes)


def environment(number: int, slug: str, **changes: Any) -> Environment:
    """An active environment."""
    return replace(Environment(number, f"u{number}", slug, slug, None, State.ACTIVE, 0), **changes)


def key(number: int, access_key: str, stored: bytes, **changes: Any) -> Key:
    """An active key with the sealed secret whose hash is `stored`, created now.

    `changes` must set `account_id` or `environment_id`.
    """
    plain = Key(
        id=number,
        uuid=f"k{number}",
        access_key=access_key,
        secret_hash=stored,
        sealed=True,
        account_id=None,
        environment_id=None,
        creator_id=None,
        role=Role.OWNER,
        name=None,
        description=None,
        state=State.ACTIVE,
        created=time.time_ns() // 1_000_000,
    )
    return replace(plain, **changes)


def new_credentials(seal_key: bytes) -> Credentials:
    """A new access key and a secret that is sealed under `seal_key`."""
    access_key = secret.new_access_key()
    return Credentials(access_key, secret.generate(access_key, seal_key))


@dataclass(frozen=True)
class Pair:
    """A key's record and its secret."""

    key: Key
    secret: str

    @property
    def credentials(self) -> Credentials:
        """What a client presents."""
        return Credentials(self.key.access_key, self.secret)

    @property
    def basic(self) -> bytes:
        """The whole Authorization field, with its CRLF."""
        return self.credentials.basic


def new_key(store: Store, number: int, **changes: Any) -> Pair:
    """A key for `store`, which the caller has yet to put there."""
    made = new_credentials(store.seal_key)
    stored = password_hash.hash_secret(made.secret.encode(), LOWEST_COST)
    return Pair(key(number, made.access_key, stored, **changes), made.secret)


def used(
    number: int,
    time: int,
    *,
    address: str = "192.0.2.1",
    count: int = 1,
    rotated: int | None = None,
    previous: bool = False,
) -> dict[SecretRef, Uses]:
    """Uses of a key, all at `time`, as the usage recorder writes them."""
    return {SecretRef(number, rotated, previous): Uses(time, time, address, count)}
