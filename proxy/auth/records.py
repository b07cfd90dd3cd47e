"""The records that the gateway decides by, as they are now, in bounded memory.

A record is loaded when it is first asked for and replaced in the same step as the commit that
changed it. A load that raced with a change loses to it: changes are remembered while loads are in
flight, and the later revision wins, so no late answer of the store brings anything back to life.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from proxy.auth.single_flight import SingleFlight
from proxy.domain.model import Account, Environment, Key, Membership, State, StoreUnavailable
from proxy.domain.settings import ACCESS_CONTROL
from proxy.store.protocols import Changes, KeyReader

log = logging.getLogger("wardgate")

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

MAX_RECORDS: Final = 65_536
"""Of each sort in memory. A key is about 1 KB: at most some 100 MB, however many are stored."""
MAX_ABSENT: Final = 4_096
"""Remembered as not there, apart from the records, which they therefore cannot push out."""


class NotLoaded(Exception):
    """What was asked for is not in memory. `load` it and ask again."""

    def __init__(self, load: Callable[[], Awaitable[None]]) -> None:
        super().__init__("not in memory")
        self.load = load


async def loaded(ask: Callable[[], T]) -> T:
    """What `ask` says once every record that it asks for is in memory. It is asked again after each
    load, since the others may have changed meanwhile. Raises `StoreUnavailable`."""
    while True:
        try:
            return ask()
        except NotLoaded as missing:
            await missing.load()


class RecordCache(Generic[K, V]):
    """Records of one sort by what they are asked for with; None where the store has none."""

    __slots__ = ("_absent", "_changed", "_generation", "_load", "_loading", "_running", "present")

    def __init__(self, load: Callable[[K], Awaitable[tuple[int, V | None]]]) -> None:
        self.present: dict[K, V] = {}
        """To be read directly where a hit is likely; a miss says nothing."""
        self._absent: dict[K, None] = {}
        self._load = load
        self._loading = 0
        self._running: SingleFlight[K, None] = SingleFlight()
        self._changed: dict[K, tuple[int, V | None]] = {}
        self._generation = 0

    def get(self, key: K) -> V | None:
        """The record as it is now. Raises `NotLoaded` where memory cannot tell."""
        value = self.present.get(key)
        if value is None and key not in self._absent:
            raise NotLoaded(lambda: self.load(key))
        return value

    async def find(self, key: K) -> V | None:
        """The record as it is now, loaded if need be. Raises `StoreUnavailable`."""
        return await loaded(lambda: self.get(key))

    async def load(self, key: K) -> None:
        """Read the record from the store into memory, once for all who wait for it. Raises
        `StoreUnavailable`."""
        if key not in self._running:
            self._loading += 1  # from now on, not from when the task begins
        generation = self._generation
        await self._running.run(key, lambda: self._load_now(key, generation))

    async def _load_now(self, key: K, generation: int) -> None:
        try:
            revision, value = await self._load(key)
            if generation != self._generation:
                return  # everything was dropped meanwhile: whoever still wants it asks again
            changed = self._changed.get(key)
            if changed is not None and changed[0] > revision:
                value = changed[1]
            self._keep(key, value)
        finally:
            self._loading -= 1
            if not self._loading:
                self._changed.clear()

    def apply(self, revision: int, key: K, value: V | None) -> None:
        """From `revision` on, the record is `value`."""
        if self._loading:
            self._changed[key] = (revision, value)
        if key in self.present or key in self._absent:
            self._keep(key, value)

    def drop(self) -> None:
        """Forget everything, loads in flight too."""
        self._generation += 1
        self.present.clear()
        self._absent.clear()

    def _keep(self, key: K, value: V | None) -> None:
        if value is None:
            self.present.pop(key, None)
            _bound(self._absent, MAX_ABSENT)
            self._absent[key] = None
        else:
            self._absent.pop(key, None)
            if key not in self.present:
                _bound(self.present, MAX_RECORDS)
            self.present[key] = value


def _bound(table: dict[K, V], most: int) -> None:
    """Make room for one more: what came first goes first."""
    if len(table) >= most:
        del table[next(iter(table))]


class CachedRecords:
    """All tables of one node, and the settings. `apply` listens to the store."""

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
        self.access_control = True
        self.unsealed_rounds = 0
        """The highest bcrypt cost of a key without our seal; 0 while there is none, so that none is
        looked for."""
        self.version = 0
        """Counts every change that was applied: what was decided at another one is decided anew.
        It is this process's own number, so that not even a change of unknown outcome, after which
        the store may have the same revision as before, leaves it as it was."""
        self.ready = False
        self._store = store
        self._restart: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Read what must be in memory before the first request. Raises `StoreUnavailable`."""
        _, settings = await self._store.load_settings()
        self.version += 1
        self._settings(settings)
        self.unsealed_rounds = await self._store.unsealed_rounds()
        self.ready = True

    def apply(self, changes: Changes | None) -> None:
        """Take over a committed change; None: trust nothing and read again when asked."""
        if changes is None:
            self._drop()
            self._restart = asyncio.ensure_future(self._start_again())
            return
        self.version += 1
        revision = changes.revision
        for key in changes.keys:
            self.keys.apply(revision, key.access_key, _live(key))
            self.unsealed_rounds = max(self.unsealed_rounds, key.unsealed_rounds)
        for account in changes.accounts:
            self.accounts.apply(revision, account.id, _live(account))
        for environment in changes.environments:
            live = _live(environment)
            self.environments.apply(revision, environment.id, live)
            # One that is purged gave its slug up before, perhaps to another.
            if environment.state is not State.PURGED:
                self.slugs.apply(revision, environment.slug, live.id if live else None)
        for account_id, environment_id, membership in changes.memberships:
            self.memberships.apply(revision, (account_id, environment_id), membership)
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
        for table in (self.keys, self.accounts, self.environments, self.slugs, self.memberships):
            table.drop()


R = TypeVar("R", Key, Account, Environment)


def _live(record: R) -> R | None:
    """None for what the gateway treats as not there."""
    return record if record.state in {State.ACTIVE, State.INACTIVE} else None
