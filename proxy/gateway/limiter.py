"""Counts the requests that limits are about, each of them once.

The rule that lives here: a request uses up all of its limits or none. Where one of them has nothing
left, it is refused, and no other limit is charged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from proxy.domain.clock import now_ms
from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import SECOND, Rate
from proxy.domain.limiting import Metered, Reading
from proxy.domain.model import Reason
from proxy.domain.quota import Quota
from proxy.gateway.granted_rates import GrantedRates
from proxy.gateway.quota_meters import QuotaMeters
from proxy.gateway.rate_meters import RateMeters
from proxy.http1.ratelimit import ratelimit_lines, refusal_lines
from proxy.store.protocols import QuotaGranter
from proxy.store.rate_granter import RateGranter

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
    """Whether a part of a limit has to be granted first (`Limiter.fetch`)."""


PASSED: Final = Taken()
PENDING: Final = Taken(pending=True)


class Limiter:
    """The limits in use on one node."""

    def __init__(
        self,
        granter: QuotaGranter,
        clock: Callable[[], int] = lambda: time.monotonic_ns() // 1_000,
        wall: Callable[[], int] = now_ms,
        *,
        rates: RateGranter | None = None,
    ) -> None:
        """`clock` returns microseconds and never goes back; `wall` returns milliseconds since the
        epoch. `rates`: who grants rates that other processes share; None: there are no others."""
        self.clock = clock
        self.wall = wall
        self._rates = RateMeters()
        self._of_routes: dict[str, RateMeters] = {}
        self._quotas = QuotaMeters(granter, self._now)
        self._granted = None if rates is None else GrantedRates(rates, self._monotonic)
        self._ticks = 0

    def _now(self) -> int:
        return self.wall()

    def _monotonic(self) -> int:
        return self.clock()

    def take(self, metered: Sequence[Metered]) -> Taken:
        """Let a request through, if all of its limits do."""
        now, wall, arrivals = self.clock(), 0, []
        refused: list[Metered] = []
        on_trial: list[Metered] = []
        quotas = []
        for each in metered:
            subject, limit = each.subject, each.limit
            if isinstance(limit, Rate):
                table = self._table(each) if each.table else self._rates
                arrival = limit.take(table.arrival(subject, limit, now), now)
                granted = None if each.table else self._granted
                left = 1 if granted is None else granted.left(subject, limit, now)
                if arrival is None:
                    left = 0
                elif left:
                    arrivals.append((table, subject, limit, arrival, granted))
                    continue
            else:
                wall = wall or self.wall()
                left = self._quotas.left(subject, limit, wall)
                if left:
                    quotas.append(subject)
                    continue
            if left is None and refused:
                continue  # a refusal is worth no question to the store
            if left is None:
                return PENDING
            (refused if each.enforced else on_trial).append(each)
        if refused:
            return Taken(refused)
        for table, subject, rate, arrival, granted in arrivals:
            table.put(subject, rate, arrival)
            if granted is not None:
                granted.spend(subject, now)
        for subject in quotas:
            self._quotas.spend(subject)
        return Taken((), on_trial[0].reason) if on_trial else PASSED

    async def fetch(self, metered: Sequence[Metered]) -> Sequence[Metered]:
        """Have limits granted as far as that is needed. Returns the limits to take: those that are
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
        if isinstance(limit, Quota):
            if self._quotas.left(subject, limit, now) is None:
                await self._quotas.fetch(subject, limit, now)
        elif (
            self._granted is not None
            and not each.table
            and self._granted.left(subject, limit, self.clock()) is None
        ):
            await self._granted.fetch(subject)

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
            self._of_rate(each, each.limit, self._known(each, each.limit))
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
                granted = None
                if self._granted is not None and not each.table:
                    granted = await self._granted.look(each.subject, limit, self.clock())
                found.append(self._of_rate(each, limit, granted))
            else:
                left = await self._quotas.look(each.subject, limit, self.wall())
                found.append(self._of_quota(each, limit, left))
        return found

    def _known(self, each: Metered, rate: Rate) -> tuple[int, int] | None:
        """What is left of a rate that others share, as far as is known."""
        if self._granted is None or each.table:
            return None
        return self._granted.reading(each.subject, rate, self.clock())

    def _of_rate(self, each: Metered, rate: Rate, granted: tuple[int, int] | None) -> Reading:
        """What is left here and, where others share the rate, for all of them."""
        now = self.clock()
        arrival = (self._table(each) if each.table else self._rates).arrival(
            each.subject, rate, now
        )
        wait, left = rate.wait(arrival, now), rate.left(arrival, now)
        if granted is not None:
            left, wait = min(left, granted[0]), max(wait, granted[1])
        return Reading(each, rate.count_in_window, rate.window, left, -(-wait // SECOND))

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
    def grants(self) -> Mapping[str, int]:
        """How many parts of rates were asked for, by what became of that."""
        return {} if self._granted is None else self._granted.grants

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
        if self._granted is not None:
            self._granted.tick()
        self._ticks += 1
        if self._ticks % IDLE == 0:
            self._quotas.age()

    async def close(self) -> None:
        """Give back what was granted of quotas and not spent."""
        if self._granted is not None:
            await self._granted.close()
        await self._quotas.close()
