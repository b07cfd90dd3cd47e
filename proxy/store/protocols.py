"""The interfaces of a store: what the gateway may read, and what the admin server may change.

Every change increases one global revision in its own transaction. Listeners are called in the same
uncancellable step as the commit, before the caller goes on. The contract suite in
`tests/proxy/store/contract` says what an adapter must do; it is where these interfaces are tested.

Tested, with each adapter, by the suite in `tests/proxy/store/contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from proxy.domain.audit import Audited, Entry
from proxy.domain.errors import WardgateError
from proxy.domain.model import Account, Environment, Key, Membership
from proxy.domain.quota import Quota
from proxy.domain.session import Identity, Session
from proxy.domain.usage import Series, Sums, UsageQuery, UsageRow
from proxy.store.feed import ClusterWriter, Feed
from proxy.store.outbox import OutboxReader, OutboxWriter
from proxy.store.query import Page, Query
from proxy.store.rate_granter import RateGranter

Record: TypeAlias = Account | Environment | Key | Membership
Counter: TypeAlias = Literal["account", "key", "membership"]


class StoreError(WardgateError):
    """The store cannot be used at all: it is missing, damaged, of a newer version, or in use."""


class StoreInUse(StoreError):
    """Another process holds the store."""

    def __init__(self, store: object, pid: str, holder: str) -> None:
        super().__init__(f"store {store} is in use by process {pid or '?'} ({holder or 'unknown'})")
        self.holder = holder


@dataclass(slots=True)
class Changes:
    """What one transaction changed: the records as they are since `revision`."""

    revision: int = 0
    accounts: list[Account] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    memberships: list[tuple[int, int, Membership | None]] = field(default_factory=list)
    """(account id, environment id, the membership or None if it ended)."""
    settings: dict[str, str] = field(default_factory=dict)
    audited: list[Audited] = field(default_factory=list)


Listener: TypeAlias = Callable[[Changes | None], None]
"""Called with every committed change. None: the outcome of a commit is unknown, so that records in
memory may be wrong and have to be dropped."""


class KeyReader(Protocol):
    """What the gateway reads. Each load returns (the revision that it saw, the record or None).

    Removed and purged records count as None. Raises `StoreUnavailable`.
    """

    async def load_key(self, access_key: str) -> tuple[int, Key | None]: ...
    async def load_account(self, account_id: int) -> tuple[int, Account | None]: ...
    async def load_environment(self, environment_id: int) -> tuple[int, Environment | None]: ...
    async def load_slug(self, slug: str) -> tuple[int, int | None]:
        """The id of the environment with this slug, compared exactly."""
        ...

    async def load_membership(self, pair: tuple[int, int]) -> tuple[int, Membership | None]:
        """The membership of (account id, environment id)."""
        ...

    async def load_settings(self) -> tuple[int, dict[str, str]]: ...
    async def unsealed_rounds(self) -> int:
        """The highest bcrypt cost of a secret without a seal, 0 if there is none."""
        ...


MOST_NETWORKS: Final = 16
"""Of a key, that are known."""


class SecretRef(NamedTuple):
    """One of the secrets of a key."""

    key_id: int
    rotated: int | None = None
    """When the key was last rotated, as of the use: a later rotation begins to count anew."""
    previous: bool = False
    """Whether it is the secret before that rotation."""


@dataclass(slots=True)
class Uses:
    """Uses of one secret: the times of the first and the last one, where that came from, and how
    many there were. Times are milliseconds since the Unix epoch."""

    first: int
    last: int
    address: str
    count: int
    networks: set[str] = field(default_factory=set, compare=False)
    """The networks from which they came; `*` for more than `MOST_NETWORKS`."""


class UsageSink(Protocol):
    """Where uses of keys and the usage are recorded: all that the gateway writes, but for what is
    granted of quotas."""

    async def record_usage(
        self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
    ) -> None:
        """Add the uses of each secret, and what was counted, in one transaction. This makes no
        revision, because no decision depends on it. Raises `StoreUnavailable`."""
        ...


class QuotaDemand(NamedTuple):
    """How much of a quota is wanted, to be spent soon."""

    quota: Quota
    wanted: int


class QuotaGrant(NamedTuple):
    """A part of a quota: whoever has it may let so many requests through."""

    granted: int
    left: int
    """How much could still be granted, after this."""
    ends: int
    """When the grant ends, with its day in UTC; in milliseconds since the epoch."""


class QuotaRefund(NamedTuple):
    """A part of a grant that was not spent."""

    subject: str
    time: int
    """A moment of the day of its grant, in milliseconds since the epoch."""
    unspent: int


class QuotaGranter(Protocol):
    """Where quotas are granted, ahead of the requests that spend them: one place for all."""

    async def grant_quotas(
        self, demands: Mapping[str, QuotaDemand], refunds: Sequence[QuotaRefund], now: int
    ) -> dict[str, QuotaGrant]:
        """Take the refunds back, and grant at most what each demand wants and its quota has left.
        `demands` has the ids on the wire of the holders of the quotas. All grants of a period are
        never more than the quota, whatever it was before. They are durable when this returns, and
        make no revision. `now` is in milliseconds since the epoch. Raises `StoreUnavailable`."""
        ...


class Reader(OutboxReader, Protocol):
    """What the admin server reads: records in any state, unless a method says otherwise.

    Raises `StoreUnavailable`; lists also `ListTooCostly`.
    """

    async def get_account(self, account_id: int) -> Account | None: ...
    async def get_environment(self, environment_id: int) -> Environment | None: ...
    async def get_key(self, key_id: int) -> Key | None: ...
    async def get_membership(self, account_id: int, environment_id: int) -> Membership | None: ...
    async def get_owners(self, ids: Collection[int]) -> dict[int, Account | Environment]:
        """The accounts and environments with these ids, by id. Ids of none are left out."""
        ...

    async def get_keys(self, ids: Collection[int]) -> dict[int, Key]:
        """The keys with these ids, by id."""
        ...

    async def get_memberships(
        self, account_id: int, environment_ids: Collection[int]
    ) -> dict[int, Membership]:
        """The memberships of an account in these environments, by the environment's id."""
        ...

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
        """Environments that are not removed; with `member`, those which that account belongs to."""
        ...

    async def list_keys(self, query: Query, *, owner: int | None = None) -> Page[Key]:
        """Keys that are not removed; with `owner`, those of one account or environment."""
        ...

    async def list_quiet(self, now: int, most: int) -> list[Key]:
        """Keys whose previous secret is valid at `now` and has gone unused for as long as their
        `quiet` says: so many at most."""
        ...

    async def count_expiring(self, now: int, moments: Sequence[int]) -> list[int]:
        """How many active keys are valid at `now` and have expired by each of the moments, of which
        the last is the latest."""
        ...

    async def list_memberships(
        self, query: Query, *, account: int | None = None, environment: int | None = None
    ) -> Page[Membership]:
        """Memberships: all, those of one account, or those in one environment."""
        ...

    async def list_audit(self, query: Query) -> Page[Audited]:
        """The audit log; the columns are named as in `domain.audit`."""
        ...

    async def find_audited(self, sequence: int) -> Audited | None:
        """One entry of the audit log."""
        ...

    async def sum_usage(self, query: UsageQuery) -> list[UsageRow]:
        """The usage in the order of its values; no row has no requests, unless it is the only
        one."""
        ...

    async def list_networks(self, key_id: int, since: int) -> list[tuple[str, int]]:
        """The networks from which a key was used since then, each with the time of its last use:
        one more than `MOST_NETWORKS` at most, or `*`, where there are more."""
        ...

    async def networks_since(self) -> int:
        """Since when networks are noted, in milliseconds since the epoch."""
        ...

    async def settings(self) -> dict[str, str]:
        """The settings that were ever set, by name."""
        ...

    async def count_owners(self, environment_id: int) -> int:
        """Members of the environment with the role owner, whose accounts are active."""
        ...

    async def administered_until(self) -> int:
        """The last moment (milliseconds since the epoch) at which a key can administer: one that is
        active, has the owner role and belongs to an active admin account. 0 if there is none; the
        greatest possible moment if one of them does not expire."""
        ...

    async def has_admin(self) -> bool:
        """Whether any admin account exists that is not removed."""
        ...

    async def find_session(self, digest: bytes) -> Session | None:
        """The session whose token has this digest."""
        ...

    async def get_session(self, session_id: int) -> Session | None: ...

    async def list_sessions(
        self,
        *,
        account: int | None = None,
        key: int | None = None,
        identity: Identity | None = None,
    ) -> list[Session]:
        """The sessions of an account, of one key or of one person: the latest first, 100 at
        most."""
        ...


class Transaction(Reader, OutboxWriter, ClusterWriter, Protocol):
    """One change: its reads see its own writes. If it is left by an exception, nothing is kept."""

    def now(self, clock: Callable[[], int]) -> int:
        """The time of the change, in milliseconds since the epoch: by the store's own clock where
        several nodes share it, so that no change is older than the one before, else by `clock`."""
        ...

    async def next_id(self, counter: Counter) -> int:
        """An id that was never given before."""
        ...

    async def take_id(self, counter: Counter, number: int) -> bool:
        """Reserve the id `number`, so that `next_id` never gives it. False if a record has it."""
        ...

    async def put(self, record: Record) -> None:
        """Insert the record, or replace the one with its id. Raises `NotUnique`,
        `StoreUnavailable`."""
        ...

    async def end_membership(self, membership: Membership) -> None: ...
    async def put_setting(self, name: str, value: str) -> None: ...

    async def record(self, entry: Entry) -> None:
        """Append to the audit log, and announce it (`domain.events.event_of`)."""
        ...

    async def prune_audit(self, before: int, most: int, now: int) -> int:
        """Delete the entries at the beginning of the audit log that are all older than `before`, at
        most so many, and record that. Returns how many. Times are milliseconds since the epoch."""
        ...

    async def prune_usage(self, before: int, most: int) -> int:
        """Delete the usage of the oldest hours that begin before `before`, in milliseconds since
        the epoch: at most so many counters. Returns how many."""
        ...

    async def add_session(self, session: Session) -> Session:
        """Insert a session; its id is a new one. Like uses, sessions make no revision."""
        ...

    async def note_session(self, session_id: int, now: int) -> None:
        """Note that a session was used."""
        ...

    async def end_session(self, session_id: int) -> None: ...
    async def end_sessions(
        self,
        *,
        account: int | None = None,
        key: int | None = None,
        identity: Identity | None = None,
        but: int | None = None,
    ) -> int:
        """End the sessions of an account, of one key or of one person, but for one. Returns how
        many."""
        ...

    async def end_old_sessions(self, *, created: int, last_seen: int) -> None:
        """End all sessions that are older, or that were last used before."""
        ...

    async def end_surplus_sessions(self, session: Session, most: int) -> None:
        """End all sessions of the same key or person but the latest so many."""
        ...


class Store(KeyReader, UsageSink, QuotaGranter, RateGranter, Reader, Protocol):
    """A store that is open."""

    seal_key: bytes
    """The server key under which seals are made. It never leaves this process."""

    @property
    def feed(self) -> Feed | None:
        """How the changes of other nodes are followed; None: there are no others."""
        ...

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called in the event loop at each commit."""
        ...

    def announce_to(
        self, wanting: Callable[[str], Sequence[str]], wake: Callable[[], None]
    ) -> None:
        """From now on, write messages of events, in the transaction of what they tell. `wanting`
        returns the names of the webhooks that want events of a type; `wake` is called in the event
        loop at each commit with new messages."""
        ...

    def watch(self, report: Callable[[str | None], None]) -> None:
        """Have `report` called in the event loop after each change: with the cause where it could
        not be written, else with None."""
        ...

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a change; entering waits for the change before. Raises `StoreUnavailable`."""
        ...

    async def close(self) -> None:
        """Close the store and release its lock."""
        ...
