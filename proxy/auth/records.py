"""The current records, which the gateway decides by, cached in bounded memory.

A record is loaded on first use and replaced in the same step as the commit that changes it. Every
answer of the store has the revision that it was read at, and what is in memory is replaced only by
what was so at a later one. So changes may be applied late, and loads may answer late: neither
brings back a removed record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from proxy.auth.single_flight import SingleFlight
from proxy.domain.errors import StoreUnavailable
from proxy.domain.lease import Leasing
from proxy.domain.model import Account, Environment, Key, Membership, State
from proxy.domain.needs import as_known
from proxy.domain.settings import ACCESS_CONTROL
from proxy.store.protocols import Changes, KeyReader

log = logging.getLogger("wardgate")

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

MAX_RECORDS: Final = 65_536
"""Of each type in memory. A key takes about 1 KB: 100 MB at most, however many are stored."""
MAX_ABSENT: Final = 4_096
"""Names remembered as absent. They have a table of their own, so they push out no record."""
LEASE_PAUSE: Final = 0.001
"""Seconds until it looks again at first: what a worker waits for may be on its way."""
COUNTED_FOR: Final = 60_000
"""Milliseconds for which `unsealed_rounds` is believed: a key may expire, or a rotation end."""


class NotLoaded(Exception):
    """A record is not in memory. Await `load` and look it up again."""

    def __init__(self, load: Callable[[], Awaitable[None]]) -> None:
        super().__init__("not in memory")
        self.load = load


async def loaded(compute: Callable[[], T]) -> T:
    """The result of `compute` once every record that it reads is in memory. It starts again after
    each load, since other records may have changed meanwhile. Raises `StoreUnavailable`."""
    while True:
        try:
            return compute()
        except NotLoaded as missing:
            await missing.load()


class RecordCache(Generic[K, V]):
    """The records of one type by key; None where the store has none."""

    __slots__ = (
        "_absent",
        "_ahead",
        "_applied",
        "_changed",
        "_generation",
        "_load",
        "_loading",
        "_running",
        "present",
    )

    def __init__(self, load: Callable[[K], Awaitable[tuple[int, V | None]]]) -> None:
        self.present: dict[K, V] = {}
        """May be read directly, which is faster than `get`; a miss means nothing."""
        self._absent: dict[K, None] = {}
        self._load = load
        self._loading = 0
        self._running: SingleFlight[K, None] = SingleFlight()
        self._changed: dict[K, tuple[int, V | None]] = {}
        """What was applied while loads are in flight: they may have been read before."""
        self._ahead: dict[K, int] = {}
        """The revision that a record was read at, where it is later than all that was applied."""
        self._applied = 0
        self._generation = 0

    def get(self, key: K) -> V | None:
        """The current record. Raises `NotLoaded` where it is not in memory."""
        value = self.present.get(key)
        if value is None and key not in self._absent:
            raise NotLoaded(lambda: self.load(key))
        return value

    async def find(self, key: K) -> V | None:
        """The current record, loaded if needed. Raises `StoreUnavailable`."""
        return await loaded(lambda: self.get(key))

    async def load(self, key: K) -> None:
        """Read the record from the store into memory, once for all who wait for it. Raises
        `StoreUnavailable`, also where the store answers with an earlier state than it has already
        told, as a standby would."""
        if key not in self._running:
            self._loading += 1  # counts from now on, not from the start of the task
        begun = self._generation, self._applied
        await self._running.run(key, lambda: self._load_now(key, *begun))

    async def _load_now(self, key: K, generation: int, applied: int) -> None:
        try:
            revision, value = await self._load(key)
            if generation != self._generation:
                return  # everything was dropped meanwhile; `loaded` loads it again
            if revision < max(applied, self._ahead.get(key, 0)):
                raise StoreUnavailable(f"the store is behind: at revision {revision}")
            changed = self._changed.get(key)
            if changed is not None and changed[0] > revision:
                value = changed[1]
            self._keep(key, value)
            if revision > self._applied:
                self._ahead[key] = revision
        finally:
            self._loading -= 1
            if not self._loading:
                self._changed.clear()

    def apply(self, revision: int, key: K, value: V | None) -> None:
        """The record is `value`, as of `revision`: replace what is older."""
        if self._loading:
            self._changed[key] = (revision, value)
        known = key in self.present or key in self._absent
        if known and revision >= self._ahead.get(key, 0):
            self._keep(key, value)

    def applied(self, revision: int) -> None:
        """All changes up to `revision` were applied."""
        self._applied = revision
        if self._ahead:
            self._ahead = {key: at for key, at in self._ahead.items() if at > revision}

    def drop(self) -> None:
        """Forget everything, and the results of loads in flight too."""
        self._generation += 1
        self._applied = 0  # what comes may be of another history
        self.present.clear()
        self._absent.clear()
        self._ahead.clear()
        self._changed.clear()

    def _keep(self, key: K, value: V | None) -> None:
        value = None if value is None else as_known(value)
        if value is None:
            self.present.pop(key, None)
            self._bound(self._absent, MAX_ABSENT)
            self._absent[key] = None
        else:
            self._absent.pop(key, None)
            if key not in self.present:
                self._bound(self.present, MAX_RECORDS)
            self.present[key] = value

    def _bound(self, table: dict[K, V] | dict[K, None], most: int) -> None:
        """Make room for one more entry: the oldest leaves first."""
        if len(table) >= most:
            oldest = next(iter(table))
            del table[oldest]
            self._ahead.pop(oldest, None)


class CachedRecords:
    """The record caches and settings of one node. `apply` is to be called for each commit."""

    def __init__(self, store: KeyReader) -> None:
        self.keys: RecordCache[str, Key] = RecordCache(store.load_key)
        """By access key."""
        self.accounts: RecordCache[int, Account] = RecordCache(store.load_account)
        self.environments: RecordCache[int, Environment] = RecordCache(store.load_environment)
        self.slugs: RecordCache[str, int] = RecordCache(store.load_slug)
        """Slug → environment id, compared exactly."""
        self.memberships: RecordCache[tuple[int, int], Membership] = RecordCache(
            store.load_membership
        )
        """By (account id, environment id)."""
        self._tables: tuple[RecordCache[Any, Any], ...] = (
            self.keys,
            self.accounts,
            self.environments,
            self.slugs,
            self.memberships,
        )
        self.access_control = True
        self.unsealed_rounds = 0
        """The highest bcrypt cost of a secret without a seal, or a higher one that was stored until
        lately; 0: there is none, so that secrets without a valid seal need no look-up."""
        self._counted = (-1, 0)
        """The version, and the time, of which `unsealed_rounds` was read from the store."""
        self.version = 0
        """The number of changes applied so far: a verdict of another version is out of date. It is
        not the store's revision, which may stay the same after a commit of unknown outcome."""
        self.ready = False
        self.lease: Leasing | None = None
        """Until when these records may be gone by; None: nobody else changes them."""
        self._store = store
        self._restart: asyncio.Future[None] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """How many records of each type are in memory."""
        tables = ("keys", "accounts", "environments", "slugs", "memberships")
        return {name: len(getattr(self, name).present) for name in tables}

    @property
    def leased(self) -> bool:
        """Whether these records may be gone by."""
        return self.lease is None or self.lease.holds()

    def require_lease(self) -> None:
        """Raises `NotLoaded` where they may not be gone by until the store has been asked."""
        if self.lease is not None and not self.lease.holds():
            raise NotLoaded(self.await_lease)

    async def await_lease(self) -> None:
        """Wait a little for the lease. Raises `StoreUnavailable` where it does not come."""
        pause, waited = LEASE_PAUSE, 0.0
        while self.lease is not None and not self.leased and waited < self.lease.patience:
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 50 * LEASE_PAUSE)
        if self.leased:
            return
        raise StoreUnavailable("the store has not been reached for as long as the lease lasts")

    async def start(self) -> None:
        """Read what must be in memory before the first request. Raises `StoreUnavailable`.

        A change that is applied meanwhile may be newer than what was read: then it is read again.
        """
        version = -1
        while version != self.version:
            version = self.version
            _, settings = await self._store.load_settings()
            rounds = await self._store.unsealed_rounds()
        self.version += 1
        self._settings(settings)
        self.unsealed_rounds = rounds
        self.ready = True

    async def count_unsealed(self, now: int) -> int:
        """`unsealed_rounds`, read from the store again where a change or the time may have lowered
        it. `now` is in milliseconds since the epoch. Raises `StoreUnavailable`.

        It is called for guesses that are about to be verified, so it need not be read at once when
        the last key without a seal goes.
        """
        version, time = self._counted
        while version != self.version or not 0 <= now - time < COUNTED_FOR:
            version, time = self.version, now
            rounds = await self._store.unsealed_rounds()
            if version == self.version:
                self.unsealed_rounds, self._counted = rounds, (version, now)
        return self.unsealed_rounds

    def apply(self, changes: Changes | None) -> None:
        """Apply a committed change. None: the outcome of a commit is unknown, so drop
        everything."""
        if changes is None:
            self._drop()
            if self._restart is None or self._restart.done():
                self._restart = asyncio.ensure_future(self._start_again())
            return
        self.version += 1
        revision = changes.revision
        for key in changes.keys:
            self.keys.apply(revision, key.access_key, _live(key))
            if _live(key):
                self.unsealed_rounds = max(self.unsealed_rounds, key.unsealed_rounds)
        for account in changes.accounts:
            self.accounts.apply(revision, account.id, _live(account))
        for environment in changes.environments:
            live = _live(environment)
            self.environments.apply(revision, environment.id, live)
            # A purged environment gave up its slug before, and another one may have it now.
            if environment.state is not State.PURGED:
                self.slugs.apply(revision, environment.slug, live.id if live else None)
        for account_id, environment_id, membership in changes.memberships:
            self.memberships.apply(revision, (account_id, environment_id), membership)
        for table in self._tables:
            table.applied(revision)
        self._settings(changes.settings)

    def _settings(self, settings: dict[str, str]) -> None:
        if ACCESS_CONTROL not in settings:
            return
        before, self.access_control = self.access_control, settings[ACCESS_CONTROL] != "off"
        if before != self.access_control:
            log.warning("access control is now %s", settings[ACCESS_CONTROL])

    async def _start_again(self) -> None:
        while not self.ready:
            try:
                await self.start()
            except StoreUnavailable:
                await asyncio.sleep(1)

    def _drop(self) -> None:
        self.ready = False
        self.version += 1
        self.unsealed_rounds = max(self.unsealed_rounds, 4)
        self.access_control = True
        for table in self._tables:
            table.drop()


R = TypeVar("R", Key, Account, Environment)


def _live(record: R) -> R | None:
    """The record, or None where the gateway treats it as absent."""
    return record if record.state in {State.ACTIVE, State.INACTIVE} else None
