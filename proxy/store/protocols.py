"""What the gateway may read of the store and the admin server may change, as interfaces.

Every change bumps one global revision in its own transaction, and reaches the listeners in the same
uncancellable step as its commit, before the caller goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from proxy.domain.audit import Audited, Entry
from proxy.domain.model import Account, Environment, Key, Membership, WardgateError
from proxy.store.query import Page, Query

Record: TypeAlias = Account | Environment | Key | Membership
Counter: TypeAlias = Literal["account", "key", "membership"]


class StoreError(WardgateError):
    """The store cannot be used at all: missing, damaged, of a newer version, held by another."""


class StoreInUse(StoreError):
    """Another process holds the store."""

    def __init__(self, store: object, pid: str, holder: str) -> None:
        super().__init__(f"store {store} is in use by process {pid or '?'} ({holder or 'unknown'})")
        self.holder = holder


@dataclass(slots=True)
class Changes:
    """What one transaction changed: the records as they are from `revision` on."""

    revision: int = 0
    accounts: list[Account] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    memberships: list[tuple[int, int, Membership | None]] = field(default_factory=list)
    """(account id, environment id, the membership or None where it ended)."""
    settings: dict[str, str] = field(default_factory=dict)
    audited: list[Audited] = field(default_factory=list)


Listener: TypeAlias = Callable[[Changes | None], None]
"""Told of every committed change. None: a commit's outcome is unknown, trust nothing in memory."""


class KeyReader(Protocol):
    """What the gateway reads. Each load answers (revision it saw, record or None).

    Removed and purged records are None here. Raises `StoreUnavailable`.
    """

    async def load_key(self, access_key: str) -> tuple[int, Key | None]: ...
    async def load_account(self, account_id: int) -> tuple[int, Account | None]: ...
    async def load_environment(self, environment_id: int) -> tuple[int, Environment | None]: ...
    async def load_slug(self, slug: str) -> tuple[int, int | None]:
        """The id of the environment that `slug` stands for, compared exactly."""
        ...

    async def load_membership(self, pair: tuple[int, int]) -> tuple[int, Membership | None]:
        """The membership of (account id, environment id)."""
        ...

    async def load_settings(self) -> tuple[int, dict[str, str]]: ...
    async def unsealed_rounds(self) -> int:
        """The highest bcrypt cost of a secret without our seal, 0 where there is none."""
        ...


@dataclass(slots=True)
class Usage:
    """Uses of one key: when the last one was, from where, and how many there were."""

    time: int
    address: str
    count: int


class UsageSink(Protocol):
    """Where uses of keys are reported: the one thing that the gateway writes."""

    async def record_usage(self, uses: Mapping[int, Usage]) -> None:
        """Write down key id → uses since the last time. No revision: nothing that decides
        changes. Raises `StoreUnavailable`."""
        ...


class Reader(Protocol):
    """What the admin server reads: any state, removed ones too unless said otherwise."""

    async def get_account(self, account_id: int) -> Account | None: ...
    async def get_environment(self, environment_id: int) -> Environment | None: ...
    async def get_key(self, key_id: int) -> Key | None: ...
    async def get_membership(self, account_id: int, environment_id: int) -> Membership | None: ...

    async def find_environment(self, slug: str) -> Environment | None:
        """The environment that is not removed with this slug, compared without regard to case."""
        ...

    async def find_membership(self, membership_id: int) -> Membership | None:
        """The membership with this id."""
        ...

    async def list_accounts(self, query: Query) -> Page[Account]:
        """Accounts that are not removed."""
        ...

    async def list_environments(
        self, query: Query, *, member: int | None = None
    ) -> Page[Environment]:
        """Environments that are not removed; with `member`, those that account is a member of."""
        ...

    async def list_keys(self, query: Query, *, owner: int | None = None) -> Page[Key]:
        """Keys that are not removed; of one account or environment where given."""
        ...

    async def list_memberships(
        self, query: Query, *, account: int | None = None, environment: int | None = None
    ) -> Page[Membership]:
        """Memberships; of one account, in one environment, where given."""
        ...

    async def list_audit(self, query: Query) -> Page[Audited]:
        """The audit log; its columns are those of `domain.audit`."""
        ...

    async def find_audited(self, sequence: int) -> Audited | None:
        """One entry of the audit log."""
        ...

    async def settings(self) -> dict[str, str]:
        """Those that were ever set."""
        ...

    async def count_owners(self, environment_id: int) -> int:
        """Members of the environment with the role owner, whose accounts are active."""
        ...

    async def administered_until(self) -> int:
        """The last moment at which a key can administer: active, of the owner role, and of an
        active admin account. 0 where none can; without an expiry, the last that there is."""
        ...

    async def has_admin(self) -> bool:
        """Whether any admin account exists that is not removed."""
        ...


class Transaction(Reader, Protocol):
    """One change: reads see its own writes. Left by an exception, nothing of it happened."""

    async def next_id(self, counter: Counter) -> int:
        """A number never given before."""
        ...

    async def take_id(self, counter: Counter, number: int) -> bool:
        """Take `number` and move the counter beyond it. False where it is taken already."""
        ...

    async def put(self, record: Record) -> None:
        """Insert the record, or replace the one with its id. Raises `NotUnique`."""
        ...

    async def end_membership(self, membership: Membership) -> None: ...
    async def put_setting(self, name: str, value: str) -> None: ...

    async def record(self, entry: Entry) -> None:
        """Append to the audit log."""
        ...


class Store(KeyReader, UsageSink, Reader, Protocol):
    """A store that is open."""

    seal_key: bytes
    """The server key under which seals are made. Never leaves the store's owner."""

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called in the event loop at each commit."""
        ...

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a change. Raises `StoreUnavailable`; on entry, waits for the one before."""
        ...

    async def close(self) -> None:
        """Close the store and let go of its lock."""
        ...
