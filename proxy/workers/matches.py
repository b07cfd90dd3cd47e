"""Which credentials match which key, found by one worker and told to all: bcrypt runs once for a
machine, not once for each worker.

The rule that lives here: only workers go by what a worker has found. The admin server, which is
in the keeper, verifies for itself: a worker that was taken over must not become an administrator.

Tested in `tests/proxy/workers/test_matches.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

MOST: Final = 65_536
"""Credentials remembered; the oldest leave first."""
PATIENCE: Final = 10.0
"""Seconds for which one worker waits for another that verifies the same credentials."""


class Matches:
    """By the digest of a pair: the key's id, and the stored hash that it matched."""

    def __init__(self, tell: Callable[[str, int, str], None]) -> None:
        """`tell` is called with each new one."""
        self._tell = tell
        self._known: dict[str, tuple[int, str]] = {}
        self._claims: dict[str, tuple[object, asyncio.Future[None]]] = {}

    async def claim(self, digest: str, worker: object) -> tuple[int, str] | None:
        """What the credentials match, once another worker has verified them; None where this one is
        to do it, and tell `matched` or `unmatched`."""
        known = self._known.get(digest)
        if known is not None:
            return known
        claim = self._claims.get(digest)
        if claim is not None and claim[0] is not worker:
            await asyncio.wait([claim[1]], timeout=PATIENCE)
            return self._known.get(digest)
        if claim is None and len(self._claims) < MOST:
            self._claims[digest] = worker, asyncio.get_running_loop().create_future()
        return None

    def matched(self, digest: str, key_id: int, stored: str) -> None:
        """A worker has verified them."""
        if digest not in self._known and len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[digest] = key_id, stored
        self._end(digest)
        self._tell(digest, key_id, stored)

    def unmatched(self, digest: str, worker: object) -> None:
        """A worker has claimed them, and they match nothing, or it cannot tell."""
        claim = self._claims.get(digest)
        if claim is not None and claim[0] is worker:
            self._end(digest)

    def left(self, worker: object) -> None:
        """A worker has ended, with its claims."""
        for digest in [each for each, claim in self._claims.items() if claim[0] is worker]:
            self._end(digest)

    def _end(self, digest: str) -> None:
        claim = self._claims.pop(digest, None)
        if claim is not None and not claim[1].done():
            claim[1].set_result(None)
