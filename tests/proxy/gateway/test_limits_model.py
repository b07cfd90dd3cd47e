"""Limits beside a plain model of them: edits, time, clean stops, kills, and the ends of months."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from proxy.domain.gcra import Rate
from proxy.domain.limiting import Metered
from proxy.domain.model import Reason
from proxy.domain.quota import Period, Quota
from proxy.gateway.limiter import Limiter
from proxy.store.open import open_store
from proxy.store.protocols import QuotaDemand, Store
from tests.support.clocks import Clock

T = TypeVar("T")

IN_MEMORY = Path("/dev/shm")
"""Where a disk is not waited for, on Linux: the store of each example is a new one."""

RATES = st.sampled_from(
    [None, *(Rate.parse(text, burst) for text in ("7/s", "100/min", "3/h") for burst in (1, 4, 30))]
)
QUOTAS = st.sampled_from(
    [None, *(Quota(count, period) for count in (3, 40, 1000) for period in Period)]
)
SUBJECTS = ("1c1", "1a2")
ROUNDED: Fraction = Fraction(1, 1000)
"""An edit of a rate may round by less than a thousandth of a request, to the client's cost."""


@dataclass
class Holder:
    """A key or an environment, as the model sees it."""

    rate: Rate | None = None
    quota: Quota | None = None
    counted_by: Rate | None = None
    """The rate by which the requests were counted that are in use."""
    used: Fraction = Fraction(0)
    """Requests of the rate."""
    at: int = 0
    """When that was, in microseconds."""
    passed: dict[Period, int] = field(default_factory=lambda: dict.fromkeys(Period, 0))
    lost: dict[Period, int] = field(default_factory=lambda: dict.fromkeys(Period, 0))
    """By kills."""
    largest: int = 0
    """Its largest quota so far."""

    def leak(self, now: int) -> None:
        """Let time pass, and go by the present rate."""
        before, rate = self.counted_by or self.rate, self.rate
        if before is not None:
            self.used -= Fraction((now - self.at) * before.count, before.period)
            self.used = max(Fraction(0), self.used)
        self.at = now
        if rate is not None:
            self.used = min(self.used, Fraction(rate.burst))
            self.counted_by = rate

    def spent(self, quota: Quota) -> int:
        """What may not be let through any more in the period of a quota."""
        return self.passed[quota.period] + self.lost[quota.period]


class Limits(RuleBasedStateMachine):
    """A limiter on a store, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        Path(self.folder.name).chmod(0o700)
        self.url = f"sqlite:///{self.folder.name}/wardgate.db"
        self.clock = Clock(0)
        self.clock.show("2026-11-29T23:59:58")
        self.store: Store = self.run(open_store(self.url, create=True))
        self.holders = {subject: Holder() for subject in SUBJECTS}
        self.renew()

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step in the event loop."""
        return self.loop.run_until_complete(step)

    def renew(self) -> None:
        """Begin with nothing in memory, as a process does."""
        now = self.clock
        self.limiter = Limiter(self.store, lambda: now.now * 1000, lambda: now.now)

    def teardown(self) -> None:
        self.run(self.limiter.close())
        self.run(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    @property
    def metered(self) -> list[Metered]:
        return [
            Metered("x", subject, limit, Reason.RATE)
            for subject, holder in self.holders.items()
            for limit in (holder.rate, holder.quota)
            if limit is not None
        ]

    # --- what happens ---

    @initialize(quota=QUOTAS)
    def begin(self, quota: Quota | None) -> None:
        self.edit("1c1", None, quota)

    @rule(subject=st.sampled_from(SUBJECTS), rate=RATES, quota=QUOTAS)
    def edit(self, subject: str, rate: Rate | None, quota: Quota | None) -> None:
        holder = self.holders[subject]
        holder.leak(self.clock.now * 1000)
        holder.rate, holder.quota = rate, quota
        holder.largest = max(holder.largest, quota.count if quota else 0)

    @rule(times=st.integers(1, 12))
    def request(self, times: int) -> None:
        """Each passes exactly if the model lets it."""
        metered = self.metered
        for _ in range(times):
            surely, perhaps = self.expected()
            passed = self.run(self.take(metered))
            if surely == perhaps:
                assert passed == surely
            if passed:
                for holder in self.holders.values():
                    holder.used += 1 if holder.rate is not None else 0
                    for period in Period if holder.quota is not None else ():
                        holder.passed[period] += 1

    async def take(self, metered: list[Metered]) -> bool:
        """Whether a request passes."""
        while (taken := self.limiter.take(metered)).pending:
            await self.limiter.fetch(metered)
        return not taken.refused

    def expected(self) -> tuple[bool, bool]:
        """(whether a request passes, whether it does if no edit was rounded)."""
        surely = perhaps = True
        for holder in self.holders.values():
            holder.leak(self.clock.now * 1000)
            if holder.rate is not None:
                perhaps &= holder.used + 1 <= holder.rate.burst
                surely &= holder.used + 1 <= holder.rate.burst - ROUNDED or holder.used == 0
            if holder.quota is not None:
                fits = holder.spent(holder.quota) < holder.quota.count
                surely, perhaps = surely and fits, perhaps and fits
        return surely, perhaps

    @rule(seconds=st.sampled_from([0.001, 0.2, 1, 61, 4000, 86_400, 3 * 86_400]))
    def wait(self, seconds: float) -> None:
        before = self.clock.now
        self.clock.pass_by(seconds)
        for period in Period:
            if period.begins(before) != period.begins(self.clock.now):
                for holder in self.holders.values():
                    holder.passed[period] = holder.lost[period] = 0

    @rule()
    def wait_for_the_next_month(self) -> None:
        self.wait((Period.MONTH.ends(self.clock.now) - self.clock.now) / 1000)

    @rule()
    def tick(self) -> None:
        """Of rates and quotas; what is idle is forgotten."""

        async def tick() -> None:
            self.limiter.tick()
            self.limiter._quotas.age()

        self.run(tick())

    @rule()
    def restart(self) -> None:
        """Nothing of a quota is lost. Rates begin anew."""
        self.run(self.limiter.close())
        self.run(self.store.close())
        self.store = self.run(open_store(self.url))
        self.renew()
        self.forget_rates()
        self.account_for(killed=False)

    @precondition(lambda self: any(holder.quota for holder in self.holders.values()))
    @rule()
    def kill(self) -> None:
        """What was granted and not spent is lost: a hundredth of the quota at most."""
        task = self.limiter._quotas._task
        if task is not None:
            task.cancel()
            self.run(asyncio.wait([task]))
        self.renew()
        self.forget_rates()
        self.account_for(killed=True)

    def forget_rates(self) -> None:
        for holder in self.holders.values():
            holder.used, holder.counted_by = Fraction(0), None

    def account_for(self, *, killed: bool) -> None:
        """Ask the store what was granted, and compare it with what passed."""
        many = 10**9
        for subject, holder in self.holders.items():
            for period in Period:
                demand = {subject: QuotaDemand(Quota(many, period), 0)}
                grants = self.run(self.store.grant_quotas(demand, [], self.clock.now))
                granted = many - grants[subject].left
                newly = granted - holder.passed[period] - holder.lost[period]
                assert newly == 0 or (killed and newly > 0)
                assert newly <= max(1, holder.largest // 100)
                holder.lost[period] += newly


Limits.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestLimitsBehaveAsTheModelSays = Limits.TestCase
