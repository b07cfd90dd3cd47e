"""The rates in use that other processes share: what was granted, let through here.

The rule that lives here: where nobody can be asked, this process grants itself its share, and tries
again each second.

Tested in `tests/proxy/gateway/test_granted_rates.py`, and with many nodes in
`test_shared_rates.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import Rate
from proxy.domain.rate_grants import RateDemand, RateGrant, RateLedger, share
from proxy.domain.rate_purse import Purse
from proxy.store.rate_granter import RateGranter

PATIENCE: Final = 1.0
"""Seconds for which an answer is waited for, by those who can do without."""


class _Ask:
    """A demand, for all who wait for it."""

    __slots__ = ("ahead", "answered", "sent", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.ahead = 0
        self.sent = False
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class GrantedRates:
    """The purses of the subjects in use."""

    def __init__(self, granter: RateGranter, clock: Callable[[], int]) -> None:
        """`clock` returns microseconds and never goes back."""
        self._granter = granter
        self._clock = clock
        self._purses: dict[str, Purse] = {}
        self._asks: dict[str, _Ask] = {}
        self._task: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._sharing: int | None = None
        """How many processes share the rates, as last told."""
        self._alone = False
        """Whether it can ask nobody."""
        self._own = RateLedger()
        """What this process has granted to itself then: it counts on the next time, too."""
        self.grants = Counter({"granted": 0, "refused": 0, "alone": 0})
        """How many were asked for: some were granted, some not, and some by this process itself."""

    def __len__(self) -> int:
        return len(self._purses)

    def left(self, subject: str, rate: Rate, now: int) -> int | None:
        """As `Purse.left`."""
        purse = self._purses.get(subject)
        if purse is None or (purse.rate is not rate and purse.rate != rate):
            debt = 0 if purse is None else purse.debt
            purse = self._purses[subject] = Purse(rate, self._sharing, debt)
        return purse.left(now)

    def spend(self, subject: str, now: int) -> None:
        """Let a request through, of which `left` has told that there is one."""
        if self._purses[subject].spend(now):
            self._ask(subject)

    async def fetch(self, subject: str) -> None:
        """Have more granted, after `left` has told that this is needed."""
        ask = self._ask(subject)
        ask.waiting += 1
        await asyncio.shield(ask.answered)

    def reading(self, subject: str, rate: Rate, now: int) -> tuple[int, int] | None:
        """As `Purse.reading`, None where nothing is known."""
        purse = self._purses.get(subject)
        return purse.reading(now) if purse is not None and purse.rate == rate else None

    async def look(self, subject: str, rate: Rate, now: int) -> tuple[int, int]:
        """How much is left of any rate, as `reading`. Raises `StoreUnavailable`."""
        known = self.reading(subject, rate, now)
        if known is not None:
            return known
        demand = RateDemand(rate, 0)
        purse = Purse(rate, None)
        purse.add((await self._granter.grant_rates({subject: demand}))[subject], 0, now, now)
        return purse.reading(now)

    def tick(self) -> None:
        """Ask ahead for what is used steadily, and forget who is not in use. Called about once a
        second."""
        now = self._clock()
        for subject, purse in list(self._purses.items()):
            wanted = purse.wanted_ahead(now)
            if wanted:
                self._ask(subject).ahead = wanted
            elif subject not in self._asks and purse.is_idle(now):
                del self._purses[subject]
        if self._alone and (self._probing is None or self._probing.done()):
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def close(self) -> None:
        """Stop asking."""
        tasks = [task for task in (self._task, self._probing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- questions ---

    def _ask(self, subject: str) -> _Ask:
        ask = self._asks.get(subject)
        if ask is None:
            ask = self._asks[subject] = _Ask()
        self._start()
        return ask

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Send the demands so far, all at once, until there are no others."""
        while asks := {subject: ask for subject, ask in self._asks.items() if not ask.sent}:
            demands = {subject: self._demand(subject, ask) for subject, ask in asks.items()}
            sent, failed = self._clock(), StoreUnavailable("a rate could not be granted")
            try:
                grants = await self._grants(demands, sent)
                now = self._clock()
                for subject, grant in grants.items():
                    self._add(subject, demands[subject], grant, sent, now)
            except StoreUnavailable as error:
                self._answer(asks, error)
            except BaseException:
                self._answer(asks, failed)
                raise
            else:
                self._answer(asks)

    def _demand(self, subject: str, ask: _Ask) -> RateDemand:
        ask.sent = True
        purse = self._purses[subject]
        return RateDemand(purse.rate, max(purse.wanted(ask.waiting), ask.ahead))

    def _answer(self, asks: Mapping[str, _Ask], error: StoreUnavailable | None = None) -> None:
        for subject, ask in asks.items():
            del self._asks[subject]
            if error is None:
                ask.answered.set_result(None)
            else:
                ask.answered.set_exception(error)
                ask.answered.exception()  # whoever waits gets it; perhaps nobody does

    async def _grants(self, demands: Mapping[str, RateDemand], now: int) -> dict[str, RateGrant]:
        """What is granted by others, or else by this process itself. Raises `StoreUnavailable`
        where it was never told how many share the rates."""
        if not self._alone:
            try:
                grants = await self._asked(demands)
            except StoreUnavailable:
                if self._sharing is None:
                    raise
                self._alone = True
            else:
                self._note(grants)
                return grants
        assert self._sharing is not None
        self.grants["alone"] += len(demands)
        parts = {
            subject: RateDemand(share(rate, self._sharing), wanted)
            for subject, (rate, wanted) in demands.items()
        }
        return self._own.grant(parts, now, self._sharing)

    async def _asked(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        patience = None if self._sharing is None else PATIENCE
        try:
            async with asyncio.timeout(patience):
                return await self._granter.grant_rates(demands)
        except TimeoutError:
            raise StoreUnavailable("a rate is not granted in time") from None

    async def _probe(self) -> None:
        with suppress(StoreUnavailable):
            await self._asked({})
            self._alone = False

    def _note(self, grants: Mapping[str, RateGrant]) -> None:
        for grant in grants.values():
            self._sharing = grant.sharing
            self.grants["granted" if grant.granted else "refused"] += 1

    def _add(self, subject: str, demand: RateDemand, grant: RateGrant, sent: int, now: int) -> None:
        purse = self._purses.get(subject)
        if purse is not None and purse.rate == demand.rate:
            purse.add(grant, demand.wanted, sent, now)
