"""Uses of keys and usage, gathered in memory and written at intervals, never for each request.

Uses: when and from where a key was last used, and how often. Usage: counters of all requests
(`proxy.domain.usage`). A crash loses what was gathered since the last write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from proxy.domain.addresses import network_of
from proxy.domain.errors import StoreUnavailable
from proxy.domain.methods import REGISTERED
from proxy.domain.model import Key
from proxy.domain.reasons import BaseReason
from proxy.domain.usage import HOUR, OTHER_METHOD, Series, Sums
from proxy.store.protocols import MOST_NETWORKS, SecretRef, UsageSink, Uses

MAX_GATHERED: Final = 65_536
"""Secrets, and counters, that wait to be written at most, where the store is away; more are
lost."""
BATCH: Final = 2_000
"""Secrets, and counters, that are written in one transaction, for which changes wait: some 30 ms,
or 80 ms where all counters are new."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Counter(Sums):
    """A counter to which requests add themselves, as long as it is open.

    Whoever keeps it for the next request looks at `until` and `status` and adds to it, without a
    call. When it is closed, `UsageRecorder.counter` has another.
    """

    status: int = 0
    """The hundreds of the status of its requests."""
    until: int = 0
    """When its hour ends, in milliseconds since the epoch; 0: it is closed."""


@dataclass(slots=True)
class OpenUses(Uses):
    """Uses of a secret, to which requests add theirs as long as they are open.

    Whoever keeps them for the next request looks at `open` and `address` and adds to `count` and
    `last`, without a call. When they are closed, `UsageRecorder.note` has others.
    """

    open: bool = True


class UsageRecorder:
    """Counts since the last write. All methods are called in the event loop."""

    def __init__(self, sink: UsageSink) -> None:
        self._sink = sink
        self._writing = asyncio.Lock()
        self._uses: dict[tuple[int, int | None, bool], OpenUses] = {}
        """By the values of a `SecretRef`."""
        self._usage: dict[tuple[int, int, int, str, str, int, str], Counter] = {}
        """By the values of a `Series`: a plain tuple is made in a third of the time."""
        self.settle: Callable[[], None] = lambda: None
        """Called before counters are closed: to count what was passed on with them."""
        self.lost = 0
        """Requests so far that are missing from the usage, since too many counters waited."""

    def note(self, key: Key, time: int, address: str, previous: bool = False) -> OpenUses:
        """Count a use of a key at `time`, in milliseconds since the epoch, from `address`.
        `previous`: with the secret before its last rotation. Returns that with which it counts."""
        secret = key.id, key.rotation.rotated, previous
        use = self._uses.get(secret)
        if use is not None:
            use.count += 1
            use.last = time
            if use.address != address:
                use.address = address
                _note_network(use, address)
            return use
        use = OpenUses(time, time, address, 1)
        _note_network(use, address)
        if len(self._uses) < MAX_GATHERED:
            self._uses[secret] = use
        else:
            use.open = False
        return use

    def counter(
        self,
        now: int,
        status: int,
        reason: BaseReason | None = None,
        *,
        key_id: int = 0,
        environment_id: int = 0,
        route: str = "",
        method: str = OTHER_METHOD,
    ) -> Counter:
        """The counter for one request that ended at `now`, in milliseconds since the epoch, with
        `status`. The others are as in `Series`; `method` may be any."""
        hour = now - now % HOUR
        known = method if method in REGISTERED else OTHER_METHOD
        code = "" if reason is None else reason.code
        hundreds = status // 100
        values = hour, key_id, environment_id, route, known, hundreds, code
        counter = self._usage.get(values)
        if counter is None:
            counter = Counter(status=hundreds)
            if len(self._usage) >= MAX_GATHERED:
                self.lost += 1
                return counter
            self._usage[values] = counter
            counter.until = hour + HOUR
        return counter

    async def write(self) -> None:
        """Write what was counted before. Raises `StoreUnavailable`; what is not written is kept
        then."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        self.settle()
        uses = {SecretRef(*values): use for values, use in self._uses.items()}
        for use in self._uses.values():
            use.open = False
        self._uses = {}
        usage = {Series(*values): counter for values, counter in self._usage.items()}
        self._usage = {}
        for counter in usage.values():
            counter.until = 0
        try:
            while uses or usage:
                some_uses, some_usage = _first(uses), _first(usage)
                await self._sink.record_usage(some_uses, some_usage)
                _drop(uses, some_uses)
                _drop(usage, some_usage)
        except StoreUnavailable:
            self._keep_uses(uses)
            self._keep_usage(usage)
            raise

    def _keep_uses(self, uses: dict[SecretRef, OpenUses]) -> None:
        for secret, use in uses.items():
            later = self._uses.setdefault(secret, use)
            if later is use:
                use.open = True
            else:
                later.count += use.count
                later.first = use.first
                later.networks |= use.networks

    def _keep_usage(self, usage: dict[Series, Counter]) -> None:
        for series, counter in usage.items():
            later = self._usage.get(series)
            if later is not None:
                later.add(counter)
            elif len(self._usage) < MAX_GATHERED:
                self._usage[series] = counter
                counter.until = series.hour + HOUR
            else:
                self.lost += counter.requests


def _note_network(use: Uses, address: str) -> None:
    """Note the network of a client: the /24 of an IPv4 address, the /64 of an IPv6 one."""
    network = network_of(address)
    use.networks.add(network if len(use.networks) <= MOST_NETWORKS else "*")


def _first(gathered: dict[K, V]) -> dict[K, V]:
    """A batch of what is to be written."""
    return dict(islice(gathered.items(), BATCH))


def _drop(gathered: dict[K, V], written: dict[K, V]) -> None:
    for key in written:
        del gathered[key]
