"""Whether what runs may go on running: a right that ends cuts the tunnels and answers it began.

Only what lasts is looked at, at its ticks. It is judged anew, by the same function as at its
beginning, where any record has changed since or a moment has come at which the key's own time ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.auth.decision import Judge, Verdict
from proxy.auth.verifier import Busy
from proxy.domain.model import Deny, StoreUnavailable
from proxy.http1.head import Head


class RevocationWatch:
    """Looks after one request that runs."""

    __slots__ = (
        "_address",
        "_end",
        "_head",
        "_judge",
        "_revision",
        "_task",
        "_until",
    )

    def __init__(
        self,
        judge: Judge,
        head: Head,
        address: str,
        end: Callable[[Deny], None],
    ) -> None:
        """`address` is the client's; `end` is called when the request may not go on."""
        self._judge = judge
        self._head = head
        self._address = address
        self._end = end
        self._revision = -1
        self._until: int | None = None
        self._task: asyncio.Task[None] | None = None

    def tick(self, wall: int) -> None:
        """Look again if anything can have changed; `wall` in milliseconds since the epoch."""
        judge = self._judge
        due = self._until is not None and wall >= self._until
        if (self._revision == judge.revision and not due) or self._task is not None:
            return
        self._revision = judge.revision
        try:
            verdict = judge.judge(self._head, self._address)
        except Busy:
            self._revision = -1  # cannot tell: asked again at the next tick
            return
        if verdict is None:
            self._task = asyncio.get_running_loop().create_task(self._look_fully(wall))
        else:
            self._settle(verdict, wall)

    async def _look_fully(self, wall: int) -> None:
        try:
            verdict = await self._judge.judge_fully(self._head, self._address)
        except (StoreUnavailable, Busy):
            self._revision = -1  # cannot tell: asked again at the next tick
        else:
            self._settle(verdict, wall)
        finally:
            self._task = None

    def _settle(self, verdict: Verdict, wall: int) -> None:
        permit = verdict.permit
        if isinstance(permit, Deny):
            self._end(permit)
            return
        key = permit.principal.key if permit.principal else None
        moments = (key.expires, key.previous_until) if key else ()
        self._until = min((each for each in moments if each and each > wall), default=None)
