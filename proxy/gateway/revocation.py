"""Revocation: a right that ends also ends the tunnels and responses that it has begun.

Only requests that last until a tick are watched. They are decided anew, by the same function as at
their beginning, when a record has changed or their key or secret has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from proxy.auth.access_request import AccessRequest
from proxy.auth.decision import Decider
from proxy.domain.authorization import Verdict
from proxy.domain.errors import Busy, StoreUnavailable, Unreadable
from proxy.domain.model import Deny

UNDECIDED: Final = 30.0
"""Seconds for which a request goes on that cannot be decided, as its records cannot be read or its
secret cannot be verified: as long as a lease lasts unless configured otherwise. A node keeps its
lease where beats are answered and reads are not."""

UNLEASED: Final = 0.9
"""Seconds for which it goes on without a lease, unless it is decided anew meanwhile: it is ended at
the first look after that, which is the next tick. `lease.ENDING` counts on that."""


class RevocationWatch:
    """Watches one request that is under way."""

    __slots__ = (
        "_decider",
        "_end",
        "_lapse",
        "_request",
        "_task",
        "_undecided",
        "_unleased",
        "_until",
        "_version",
    )

    def __init__(
        self,
        decider: Decider,
        request: AccessRequest,
        end: Callable[[Deny], None],
        lapse: Callable[[], None],
    ) -> None:
        """`end` is called when the request is no longer permitted, and `lapse` when nobody knows,
        because the node has no lease any more, or a record cannot be read."""
        self._decider = decider
        self._request = request
        self._end = end
        self._lapse = lapse
        self._version = -1
        self._until: int | None = None
        self._undecided: float | None = None
        """Since when it is, in monotonic seconds."""
        self._unleased: float | None = None
        """Since when there is no lease."""
        self._task: asyncio.Task[None] | None = None

    def tick(self, wall: int) -> None:
        """Decide anew if anything can have changed; `wall` in milliseconds since the Unix epoch."""
        decider, now = self._decider, monotonic()
        if decider.leased:
            due = self._until is not None and wall >= self._until
            self._unleased = None
            if self._version == decider.version and not due:
                self._undecided = None
                return
        elif self._unleased is None:
            self._unleased = now
        elif now - self._unleased >= UNLEASED:  # whatever is being loaded, and for how long
            self._lapse()
            return
        if self._undecided is None:
            self._undecided = now
        elif now - self._undecided >= UNDECIDED:
            self._lapse()
            return
        if self._task is not None:
            return
        version = decider.version
        try:
            verdict = decider.decide(self._request)
        except Busy:
            return  # unknown for now: decide at the next tick
        if verdict is None:
            self._task = asyncio.get_running_loop().create_task(self._decide_loading(version))
        else:
            self._settle(verdict, version)

    def settle(self, wall: int, version: int) -> bool:
        """Decide anew as `tick` does; whether the request is known to be decided by records of
        `version` or a later one."""
        self.tick(wall)
        return self._version >= version

    async def _decide_loading(self, version: int) -> None:
        try:
            self._settle(await self._decider.decide_loading(self._request), version)
        except Unreadable:
            self._lapse()  # to wait would not help: the key may be revoked, and would work on
        except (StoreUnavailable, Busy):
            if not self._decider.leased:
                self._lapse()
            # Else it is unknown for now: decide at the next tick.
        finally:
            self._task = None

    def _settle(self, verdict: Verdict, version: int) -> None:
        """Take the verdict for that of `version`, read before it was made: what changed since, or
        made it fail, is looked at again."""
        self._version = version
        self._undecided = self._unleased = None  # it was decided by a lease, or needs none
        self._until = verdict.until
        if isinstance(verdict.permit, Deny):
            self._end(verdict.permit)
