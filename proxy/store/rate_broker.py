"""Asks for the rates of all workers of a machine together.

The rule that lives here: one question at a time is under way; what is wanted meanwhile goes with
the next one. So the store has one asker for each machine, and not one for each worker.

Tested in `tests/proxy/store/test_rate_broker.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from proxy.domain.errors import StoreUnavailable
from proxy.domain.rate_grants import RateDemand, RateGrant, divided
from proxy.store.rate_granter import RateGranter


class RateBroker:
    """Implements `RateGranter` for several askers, of which each is one of `sharing` processes."""

    def __init__(self, granter: RateGranter, sharing: int) -> None:
        """`granter` is asked for all; `sharing`: how many processes this machine has."""
        self._granter = granter
        self._sharing = sharing
        self._waiting: list[tuple[Mapping[str, RateDemand], asyncio.Future[dict[str, RateGrant]]]]
        self._waiting = []
        self._task: asyncio.Task[None] | None = None

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Implements `RateGranter`."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[dict[str, RateGrant]] = loop.create_future()
        self._waiting.append((demands, answered))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await answered

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                answers = await self._ask([demands for demands, _ in asked])
            except BaseException as error:
                known = isinstance(error, StoreUnavailable)
                for _, answered in asked:
                    if not answered.done():
                        answered.set_exception(
                            error if known else StoreUnavailable("rates could not be granted")
                        )
                if not known:
                    raise
            else:
                for (_, answered), answer in zip(asked, answers, strict=True):
                    if not answered.done():  # who asked may be gone; then its part is lost
                        answered.set_result(answer)

    async def _ask(self, asked: list[Mapping[str, RateDemand]]) -> list[dict[str, RateGrant]]:
        """Ask for the sums. Of a rate that was just edited, the last one's demand counts."""
        together: dict[str, RateDemand] = {}
        for demands in asked:
            for subject, (rate, wanted) in demands.items():
                before = together.get(subject)
                together[subject] = RateDemand(rate, wanted + (before.wanted if before else 0))
        grants = await self._granter.grant_rates(together)
        answers: list[dict[str, RateGrant]] = [{} for _ in asked]
        for subject, grant in grants.items():
            askers = [place for place, demands in enumerate(asked) if subject in demands]
            parts = divided(grant.granted, [asked[place][subject].wanted for place in askers])
            for place, part in zip(askers, parts, strict=True):
                sharing = grant.sharing * self._sharing
                answers[place][subject] = RateGrant(part, grant.left, grant.wait, sharing)
        return answers
