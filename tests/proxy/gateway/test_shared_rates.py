"""Nodes that share a rate, simulated over virtual time: how much they let through together, and how
much of what they may.

Each lets requests through by a real `Limiter`. The store is a ledger that takes 20 ms for its
answer, and requests come at random times, most of them at the first node (Zipf).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import SECOND, Rate
from proxy.domain.limiting import Metered
from proxy.domain.model import Reason
from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger, courtesy, pooled
from proxy.domain.rate_purse import LIFE
from proxy.gateway.limiter import Limiter
from tests.support.virtual_time import run

DELAY = 0.02
"""Seconds to the store and back."""


def clock() -> int:
    """Microseconds; at 0 nothing was ever used."""
    return int((1000 + asyncio.get_running_loop().time()) * SECOND)


class Store:
    """Grants rates, unless it is away."""

    def __init__(self, sharing: int) -> None:
        self.away = False
        self._ledger = RateLedger()
        self._sharing = sharing

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Implements `RateGranter`."""
        await asyncio.sleep(DELAY / 2)
        if self.away:
            raise StoreUnavailable("it is away")
        granted = self._ledger.grant(demands, clock(), self._sharing)
        await asyncio.sleep(DELAY / 2)
        return granted

    async def grant_quotas(self, *_: object) -> dict[str, object]:
        """No key has a quota here, so nobody may ask for one."""
        raise AssertionError("a quota was asked for")


@dataclass
class Cluster:
    """Nodes with one key, which has a rate."""

    rate: Rate
    nodes: int
    offered: float
    """How many times the rate."""
    seed: int
    crash_every: float | None = None
    away: tuple[float, float] | None = None
    """When the store goes and comes back, in seconds."""
    passed: list[int] = field(default_factory=list)
    """When requests were let through."""
    came: int = 0
    crashes: int = 0

    def run(self, seconds: float) -> None:
        """Have so much time go by."""
        run(self._run(seconds))

    async def _run(self, seconds: float) -> None:
        self.store, self._random = Store(self.nodes), random.Random(self.seed)
        self._metered = (Metered("key-rate", "1c1", self.rate, Reason.RATE),)
        self._limiters = [self._new() for _ in range(self.nodes)]
        tasks = [asyncio.create_task(self._tick(node)) for node in range(self.nodes)]
        tasks.append(asyncio.create_task(self._trouble()))
        async with asyncio.TaskGroup() as self._requests:
            weights = [1 / (node + 1) ** 1.5 for node in range(self.nodes)]
            gap = self.rate.period / SECOND / self.rate.count / self.offered
            loop = asyncio.get_running_loop()
            while loop.time() < seconds:
                await asyncio.sleep(self._random.expovariate(1 / gap))
                (node,) = self._random.choices(range(self.nodes), weights)
                self._request(node)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for limiter in self._limiters:
            await limiter.close()

    def _new(self) -> Limiter:
        return Limiter(self.store, clock, rates=self.store)  # type: ignore[arg-type]

    def _request(self, node: int) -> None:
        self.came += 1
        limiter = self._limiters[node]
        taken = limiter.take(self._metered)
        if taken.pending:
            self._requests.create_task(self._wait(limiter))
        elif not taken.refused:
            self.passed.append(clock())

    async def _wait(self, limiter: Limiter) -> None:
        while True:
            try:
                taken = limiter.take(await limiter.fetch(self._metered))
            except StoreUnavailable:
                return
            if not taken.pending:
                if not taken.refused:
                    self.passed.append(clock())
                return

    async def _tick(self, node: int) -> None:
        await asyncio.sleep(self._random.random())
        while True:
            self._limiters[node].tick()
            await asyncio.sleep(1)

    async def _trouble(self) -> None:
        """Nodes crash, and the store goes away."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.crash_every or 1)
            if self.crash_every is not None:
                self.crashes += 1
                self._limiters[self._random.randrange(self.nodes)] = self._new()
            if self.away is not None:
                self.store.away = self.away[0] <= loop.time() < self.away[1]

    def most(self, span: int) -> int:
        """The most requests that were let through in any span of so many microseconds."""
        most = first = 0
        for last, time in enumerate(self.passed):
            while time - self.passed[first] > span:
                first += 1
            most = max(most, last + 1 - first)
        return most

    def bound(self, span: int) -> float:
        """How many may be."""
        courteous = (self.nodes + self.crashes) * courtesy(self.rate, self.nodes)
        given = self.rate.count * (span + LIFE) / self.rate.period
        return pooled(self.rate).burst + given + courteous


SECOND_AND_MINUTE = (SECOND, 10 * SECOND, 60 * SECOND)
RATES = (Rate.parse("600/min"), Rate.parse("100/s"), Rate.parse("3000/min", 20))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("rate", "nodes"),
    [*((RATES[0], nodes) for nodes in (2, 8, 64)), (RATES[1], 8), (RATES[2], 64)],
)
def test_of_an_uneven_load_below_the_rate_nearly_all_is_let_through(
    rate: Rate, nodes: int, seed: int
) -> None:
    """95 % at least, wherever it comes."""
    cluster = Cluster(rate, nodes, 0.8, seed)
    cluster.run(65)
    assert len(cluster.passed) >= 0.95 * cluster.came
    for span in SECOND_AND_MINUTE:
        assert cluster.most(span) <= cluster.bound(span)


@pytest.mark.parametrize(
    ("rate", "nodes", "offered"),
    [
        *((RATES[0], nodes, offered) for nodes in (2, 8, 64) for offered in (5, 20)),
        *((rate, 8, 5) for rate in RATES[1:]),
    ],
)
def test_however_much_comes_no_more_passes_than_the_rate(
    rate: Rate, nodes: int, offered: int
) -> None:
    """In a minute: the limit, a tenth of it, and one for each node. And nearly all of the limit."""
    cluster = Cluster(rate, nodes, offered, seed=1)
    cluster.run(65)
    for span in SECOND_AND_MINUTE:
        assert cluster.most(span) <= cluster.bound(span)
    minute = rate.count * 60 * SECOND / rate.period
    assert cluster.most(60 * SECOND) <= minute * 1.1 + nodes
    assert cluster.most(60 * SECOND) >= 0.95 * minute


@pytest.mark.parametrize("offered", [0.8, 5])
def test_nodes_that_crash_take_what_they_were_granted_with_them(offered: float) -> None:
    """Each crash adds no more than a courtesy. Below the rate, nearly all is let through still."""
    cluster = Cluster(RATES[1], 8, offered, seed=2, crash_every=2)
    cluster.run(65)
    assert cluster.crashes > 30
    for span in SECOND_AND_MINUTE:
        assert cluster.most(span) <= cluster.bound(span)
    assert offered > 1 or len(cluster.passed) >= 0.95 * cluster.came


@pytest.mark.parametrize("nodes", [2, 8])
def test_without_the_store_each_node_goes_by_its_share(nodes: int) -> None:
    """All shares together are the rate, once more with a burst. Afterwards it is as before."""
    rate = RATES[1]
    cluster = Cluster(rate, nodes, 5, seed=3, away=(20, 40))
    cluster.run(65)
    for span in SECOND_AND_MINUTE:
        shares = pooled(rate).burst + nodes
        assert cluster.most(span) <= cluster.bound(span) + shares
    while_away = [time for time in cluster.passed if 1022 * SECOND < time < 1040 * SECOND]
    assert 0 < len(while_away) <= 18 * 100 + nodes
    late = [time for time in cluster.passed if time > 1043 * SECOND]
    assert len(late) >= 0.95 * 22 * 100


@pytest.mark.parametrize("nodes", [8, 64])
def test_a_small_limit_is_never_exceeded_by_courtesy(nodes: int) -> None:
    """The first request waits for the store instead: 5 an hour are 5 an hour."""
    cluster = Cluster(Rate.parse("5/h", 5), nodes, 500, seed=4)
    cluster.run(60)
    assert len(cluster.passed) == 5
