"""Counts the requests that limits are about, each of them once.

The rule that lives here: a request uses up all of its limits or none. Where one of them has nothing
left, it is refused, and no other limit is charged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from proxy.domain.clock import now_ms
from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import SECOND, Rate
from proxy.domain.limiting import Metered, Reading
from proxy.domain.model import Reason
from proxy.domain.quota import Quota
from proxy.gateway.quota_meters import QuotaMeters
from proxy.gateway.rate_meters import RateMeters
from proxy.http1.ratelimit import ratelimit_lines, refusal_lines
from proxy.store.protocols import QuotaGranter

MAX_ADDRESSES: Final = 65_536
"""Addresses that each public route with a rate counts at once. One takes about 300 bytes."""
IDLE: Final = 60
"""Ticks without a request after which a block of a quota is given back, or up to twice as many."""


class Taken(NamedTuple):
    """What became of a request."""

    refused: Sequence[Metered] = ()
    """The limits that have nothing left."""
    would_refuse: Reason | None = None
    """Why a limit that is not enforced would refuse it."""
    pending: bool = False
    """Whether a part of a quota has to be granted first (`Limiter.fetch`)."""


PASSED: Final = Taken()
PENDING: Final = Taken(pending=True)


class Limiter:
    """The limits in use on one node."""

    def __init__(
        self,
        granter: QuotaGranter,
        clock: Callable[[], int] = lambda: time.monotonic_ns() // 1_000,
        wall: Callable[[], int] = now_ms,
    ) -> None:
        """`clock` returns microseconds and never goes back; `wall` returns milliseconds since the
        epoch."""
        self.clock = clock
        self.wall = wall
        self._rates = RateMeters()
        self._of_routes: dict[str, RateMeters] = {}
        self._quotas = QuotaMeters(granter, self._now)
        self._ticks = 0

    def _now(self) -> int:
        return self.wall()

    def take(self, metered: Sequence[Metered]) -> Taken:
        """Let a request through, if all of its limits do."""
        now, wall, arrivals = self.clock(), 0, []
        refused: list[Metered] = []
        quotas, would_refuse = [], None
        for each in metered:
            subject, limit = each.subject, each.limit
            if isinstance(limit, Rate):
                table = self._table(each) if each.table else self._rates
                arrival = limit.take(table.arrival(subject, limit, now), now)
                if arrival is not None:
                    arrivals.append((table, subject, limit, arrival))
                    continue
            else:
                wall = wall or self.wall()
                left = self._quotas.left(subject, limit, wall)
                if left is None and refused:
                    continue  # a refusal is worth no question to the store
                if left is None:
                    return PENDING
                if left:
                    quotas.append(subject)
                    continue
            if each.enforced:
                refused.append(each)
            else:
                would_refuse = would_refuse or each.reason
        if refused:
            return Taken(refused)
        for table, subject, rate, arrival in arrivals:
            table.put(subject, rate, arrival)
        for subject in quotas:
            self._quotas.spend(subject)
        return PASSED if would_refuse is None else Taken((), would_refuse)

    async def fetch(self, metered: Sequence[Metered]) -> Sequence[Metered]:
        """Have quotas granted as far as that is needed. Returns the limits to take: those that are
        not enforced are left out where they cannot be granted. Raises `StoreUnavailable`."""
        fetched = await asyncio.gather(*map(self._fetch, metered), return_exceptions=True)
        taken = []
        for each, error in zip(metered, fetched, strict=True):
            if error is None:
                taken.append(each)
            elif each.enforced or not isinstance(error, StoreUnavailable):
                raise error
        return taken

    async def _fetch(self, each: Metered) -> None:
        subject, limit, now = each.subject, each.limit, self.wall()
        if isinstance(limit, Quota) and self._quotas.left(subject, limit, now) is None:
            await self._quotas.fetch(subject, limit, now)

    # --- what is left ---

    def lines(self, metered: Sequence[Metered]) -> bytes:
        """The field lines that tell a client what is left of limits that it has just used."""
        return ratelimit_lines(self._readings(metered))

    def refusal_lines(self, metered: Sequence[Metered], refused: Sequence[Metered]) -> bytes:
        """The field lines of a refusal by `refused`, which are some of the limits."""
        readings = self._readings(metered)
        return refusal_lines(readings, [each for each in readings if each.metered in refused])

    def _readings(self, metered: Sequence[Metered]) -> list[Reading]:
        """What is left of limits in use. Those that are not enforced are nobody's business."""
        return [
            self._of_rate(each, each.limit)
            if isinstance(each.limit, Rate)
            else self._of_quota(each, each.limit, self._quotas.known(each.subject))
            for each in metered
            if each.enforced
        ]

    async def look(self, metered: Sequence[Metered]) -> list[Reading]:
        """What is left of any limits. Raises `StoreUnavailable`."""
        found = []
        for each in metered:
            limit = each.limit
            if isinstance(limit, Rate):
                found.append(self._of_rate(each, limit))
            else:
                left = await self._quotas.look(each.subject, limit, self.wall())
                found.append(self._of_quota(each, limit, left))
        return found

    def _of_rate(self, each: Metered, rate: Rate) -> Reading:
        now = self.clock()
        arrival = (self._table(each) if each.table else self._rates).arrival(
            each.subject, rate, now
        )
        seconds = -(-rate.wait(arrival, now) // SECOND)
        left = rate.left(arrival, now)
        return Reading(each, rate.count_in_window, rate.window, left, seconds)

    def _of_quota(self, each: Metered, quota: Quota, left: int) -> Reading:
        now = self.wall()
        begins, ends = quota.period.begins(now), quota.period.ends(now)
        return Reading(each, quota.count, (ends - begins) // 1000, left, -((now - ends) // 1000))

    def _table(self, each: Metered) -> RateMeters:
        """The meters of a public route."""
        table = self._of_routes.get(each.table)
        if table is None:
            table = self._of_routes[each.table] = RateMeters(MAX_ADDRESSES)
        return table

    @property
    def sizes(self) -> dict[str, int]:
        """How many of each kind are in use."""
        addresses = sum(len(table) for table in self._of_routes.values())
        return {"rate": len(self._rates), "quota": len(self._quotas), "address": addresses}

    # --- time ---

    def tick(self) -> None:
        """Forget what is not in use any more. Called about once a second."""
        now = self.clock()
        self._rates.forget_full(now)
        for table in self._of_routes.values():
            table.forget_full(now)
        self._of_routes = {name: table for name, table in self._of_routes.items() if table}
        self._ticks += 1
        if self._ticks % IDLE == 0:
            self._quotas.age()

    async def close(self) -> None:
        """Give back what was granted and not spent."""
        await self._quotas.close()
