"""The quotas in use: blocks that were granted, spent here in memory.

The rule that lives here: what was not granted is never spent, and a block is durable before it is
(`store.protocols.QuotaGranter`). So a quota is never exceeded, and who is killed loses what is left
of its blocks. The next block is asked for before the last is used up. What is not needed any more
is given back: when nobody has used it for a while, when its day has ended, and at a clean stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.domain.errors import StoreUnavailable
from proxy.domain.quota import Quota
from proxy.store.protocols import QuotaDemand, QuotaGrant, QuotaGranter, QuotaRefund


class _Block:
    """What may be spent of a quota."""

    __slots__ = ("asked", "ends", "left", "quota", "ungranted")

    def __init__(self, quota: Quota, grant: QuotaGrant) -> None:
        self.quota = quota
        self.left = grant.granted
        self.ungranted = grant.left
        self.ends = grant.ends
        self.asked = False
        """Whether the next one was asked for."""


class _Ask:
    """A demand, for all who wait for it."""

    __slots__ = ("answered", "quota", "sent", "waiting")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.waiting = 0
        self.sent = False
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class QuotaMeters:
    """The blocks in use, by the subjects of their quotas."""

    def __init__(self, granter: QuotaGranter, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch, as are all times here."""
        self._granter = granter
        self._clock = clock
        self._used: dict[str, _Block] = {}
        self._idle: dict[str, _Block] = {}
        """Those that were not used since the last `age`."""
        self._asks: dict[str, _Ask] = {}
        self._refunds: list[QuotaRefund] = []
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._used) + len(self._idle)

    def left(self, subject: str, quota: Quota, now: int) -> int | None:
        """How many requests may be let through at once; 0 where the quota is used up, and None
        where a part of it has to be granted first (`fetch`)."""
        block = self._current(subject, quota, now)
        if block is None or (not block.left and block.ungranted):
            return None
        return block.left

    def spend(self, subject: str) -> None:
        """Let a request through, of which `left` has told that there is one."""
        block = self._used[subject]
        block.left -= 1
        if block.left <= block.quota.block // 2 and block.ungranted and not block.asked:
            block.asked = True
            self._ask(subject, block.quota)

    async def fetch(self, subject: str, quota: Quota, now: int) -> None:
        """Have a part of a quota granted. Raises `StoreUnavailable`."""
        if self._current(subject, quota, now) is None:
            self._give_back(subject)
        await asyncio.shield(self._ask(subject, quota))

    def known(self, subject: str) -> int:
        """How much is left of a quota in use, as of its last block."""
        block = self._find(subject)
        return 0 if block is None else block.left + block.ungranted

    async def look(self, subject: str, quota: Quota, now: int) -> int:
        """How much is left of any quota. Raises `StoreUnavailable`."""
        grants = await self._granter.grant_quotas({subject: QuotaDemand(quota, 0)}, [], now)
        block = self._find(subject)
        return grants[subject].left + (0 if block is None or now >= block.ends else block.left)

    def age(self) -> None:
        """Give back what was not used since this was called last."""
        for subject in list(self._idle):
            self._give_back(subject)
        self._idle, self._used = self._used, {}
        self._start()

    async def close(self) -> None:
        """Give everything back, with what was asked for already. What the store does not take is
        lost."""
        await self._settle()
        for subject in [*self._idle, *self._used]:
            self._give_back(subject)
        await self._settle()

    async def _settle(self) -> None:
        """Wait until all demands and refunds are answered."""
        self._start()
        if self._task is not None:
            await self._task

    # --- blocks ---

    def _find(self, subject: str) -> _Block | None:
        return self._used.get(subject) or self._idle.get(subject)

    def _current(self, subject: str, quota: Quota, now: int) -> _Block | None:
        """The block to spend, None where there is none of this quota and day."""
        block = self._used.get(subject)
        if block is None:
            block = self._idle.pop(subject, None)
            if block is None:
                return None
            self._used[subject] = block
        return block if now < block.ends and block.quota == quota else None

    def _give_back(self, subject: str) -> None:
        block = self._used.pop(subject, None) or self._idle.pop(subject, None)
        if block is not None and block.left:
            self._refunds.append(QuotaRefund(subject, block.ends - 1, block.left))

    # --- grants ---

    def _ask(self, subject: str, quota: Quota) -> asyncio.Future[None]:
        ask = self._asks.get(subject)
        if ask is None:
            ask = self._asks[subject] = _Ask(quota)
        if not ask.sent:
            ask.quota = quota
            ask.waiting += 1
        self._start()
        return ask.answered

    def _start(self) -> None:
        if (self._asks or self._refunds) and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Send the demands and refunds so far, all at once, until there are no others."""
        while self._refunds or any(not ask.sent for ask in self._asks.values()):
            asks = {subject: ask for subject, ask in self._asks.items() if not ask.sent}
            # Refunds that fail are lost: were they sent again, they might be taken back twice.
            refunds, self._refunds = self._refunds, []
            for ask in asks.values():
                ask.sent = True
            demands = {
                subject: QuotaDemand(ask.quota, max(ask.quota.block, ask.waiting))
                for subject, ask in asks.items()
            }
            try:
                grants = await self._granter.grant_quotas(demands, refunds, self._clock())
            except StoreUnavailable as error:
                self._fail(asks, error)
            except BaseException:
                self._fail(asks, StoreUnavailable("a quota could not be granted"))
                raise
            else:
                for subject, ask in asks.items():
                    self._add(subject, ask.quota, grants[subject])
                    del self._asks[subject]
                    ask.answered.set_result(None)

    def _add(self, subject: str, quota: Quota, grant: QuotaGrant) -> None:
        block = self._current(subject, quota, grant.ends - 1)
        if block is None or block.ends != grant.ends:
            self._give_back(subject)
            self._used[subject] = _Block(quota, grant)
            return
        block.left += grant.granted
        block.ungranted = grant.left
        block.asked = False

    def _fail(self, asks: dict[str, _Ask], error: StoreUnavailable) -> None:
        for subject, ask in asks.items():
            del self._asks[subject]
            block = self._find(subject)
            if block is not None:
                block.asked = False
            ask.answered.set_exception(error)
            ask.answered.exception()  # whoever waits gets it; perhaps nobody does
