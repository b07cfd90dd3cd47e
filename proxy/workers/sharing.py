"""What a worker shares with the others about credentials. Implements `authenticator.Sharing`.

Tested in `tests/proxy/workers/test_matches.py`.
"""

from __future__ import annotations

import hashlib

from proxy.auth.ratelimit import Cells
from proxy.domain.errors import StoreUnavailable
from proxy.processes.shared import BUDGETS, SharedState
from proxy.workers.codec import bytes_of, text_of
from proxy.workers.link import Link


class WorkerSharing:
    """The matches that the keeper knows, and the budgets in shared memory."""

    def __init__(self, link: Link, state: SharedState, secret: bytes) -> None:
        """`secret` is one that all processes of the master have."""
        self._link = link
        self.digest_key = derived(secret, b"digests")
        self.cells = shared_cells(state, secret)

    async def claim(self, digest: bytes) -> tuple[int, bytes] | None:
        """Implements `Sharing`. Without the keeper, each worker verifies for itself."""
        try:
            known = await self._link.ask("claim", text_of(digest))
        except StoreUnavailable:
            return None
        return None if known is None else (known[0], bytes_of(known[1]))

    def matched(self, digest: bytes, key_id: int, stored: bytes) -> None:
        """Implements `Sharing`."""
        self._link.tell("matched", text_of(digest), key_id, text_of(stored))

    def unmatched(self, digest: bytes) -> None:
        """Implements `Sharing`."""
        self._link.tell("unmatched", text_of(digest))


def shared_cells(state: SharedState, secret: bytes) -> Cells:
    """The budgets of wrong guesses, which all processes of the master share."""
    names = derived(secret, b"names")

    def slot_of(name: str) -> int:
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=names).digest()
        return int.from_bytes(digest)

    return Cells([state.budget(each) for each in range(BUDGETS)], slot_of)


def derived(secret: bytes, purpose: bytes) -> bytes:
    """A key for one purpose."""
    return hashlib.blake2b(purpose, key=secret, digest_size=32).digest()
