"""Credentials → principal: which key was presented, and whether it is active.

The rule that lives here: the cache of verified credentials says "this secret matches", never "this
key is active". State, expiry and owner are read from the current records for every request.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from proxy.auth.credentials import Credentials, digest_of
from proxy.auth.key_status import principal_of
from proxy.auth.ratelimit import Cells, GuessLimiter, source_of
from proxy.auth.records import CachedRecords, loaded
from proxy.auth.single_flight import SingleFlight
from proxy.auth.verifier import Verifier, dummy, spare_cores
from proxy.domain.errors import Busy
from proxy.domain.model import Deny, Key, Principal, Reason
from proxy.domain.secret import seal_fits

MAX_VERIFIED: Final = 65_536
"""Credentials remembered as verified. Only a secret that matched is added; the oldest leaves
first."""
MAX_WAITING: Final = 2_048
"""Sealed credentials that may wait for their first bcrypt: a valid seal cannot be guessed."""
MAX_WAITING_UNSEALED: Final = 32
"""Unsealed credentials that may wait. Anyone can make them up, so they are few."""

# On Python 3.11, reading a member of an enumeration is a call, and a flood gets one of these each.
_FORGED: Final = Deny(Reason.FORGED)
_TOO_MANY_FAILURES: Final = Deny(Reason.TOO_MANY_FAILURES)

V = TypeVar("V")


class Sharing(Protocol):
    """What several processes have in common, so that each bcrypt runs once for all of them, and a
    guess counts for all of them."""

    digest_key: bytes
    cells: Cells

    async def claim(self, digest: bytes) -> tuple[int, bytes] | None:
        """What the pair matches: the key's id, and the stored hash. None where it is to be
        verified now, and `matched` or `unmatched` told."""
        ...

    def matched(self, digest: bytes, key_id: int, stored: bytes) -> None: ...
    def unmatched(self, digest: bytes) -> None: ...


class Authenticator:
    """Finds the principal of a pair of access key and secret key."""

    def __init__(
        self,
        records: CachedRecords,
        seal_key: bytes,
        clock: Callable[[], int],
        shared: Sharing | None = None,
        cells: Cells | None = None,
    ) -> None:
        """`clock` returns milliseconds since the Unix epoch. `shared` is what several processes
        have in common; `cells` where that is no more than the budgets of guesses."""
        self._records = records
        self._seal_key = seal_key
        self.clock = clock
        self._shared = shared
        self._digest_key = os.urandom(32) if shared is None else shared.digest_key
        self._verified: dict[bytes, tuple[int, bytes]] = {}
        """Digest of a pair that matched → (id of the key, the stored hash that it matched)."""
        self._unsealed_verified = False
        """Whether a pair without a seal may be among these: its key may be stored no more, or have
        expired, and its holder does not guess for that."""
        self._refused: dict[bytes, tuple[bytes, ...]] = {}
        """Digest of a pair with a valid seal → the stored hashes that it does not match. It is a
        secret from before a rotation, which its holder may try again and again."""
        threads = spare_cores() if shared is None else 1
        self.sealed: Final = Verifier(threads, MAX_WAITING)
        self.unsealed: Final = Verifier(1, MAX_WAITING_UNSEALED)
        self._guesses = GuessLimiter(cells=cells if shared is None else shared.cells)
        self._guessing: SingleFlight[tuple[bytes, str], Deny | None] = SingleFlight()
        """Guesses under way, by the pair's digest and the source of the request."""

    def recall(self, credentials: Credentials, address: str) -> Principal | Deny | None:
        """Decide from memory; None where that needs `authenticate`. `address` is the client's.

        Raises `NotLoaded` where a record is not in memory, `Busy`.
        """
        sealed = self._is_sealed(credentials)
        if not (sealed or self._records.unsealed_rounds or self._unsealed_verified):
            return self._refuse(credentials, address)  # a flood of these needs no digest
        verified = self._verified.get(self._digest(credentials))
        if verified is None:
            return None if sealed else self._refuse(credentials, address)
        keys = self._records.keys
        key = keys.present.get(credentials.access_key) or keys.get(credentials.access_key)
        if key is None:
            return Deny(Reason.UNKNOWN_KEY)
        key_id, stored = verified
        if key_id != key.id or (
            stored != key.secret_hash
            and not (stored == key.previous_hash and key.has_previous(self.clock()))
        ):
            del self._verified[self._digest(credentials)]
            return None
        principal = self.principal(key)
        if stored != key.secret_hash and isinstance(principal, Principal):
            return principal._replace(previous=True)
        return principal

    def _refuse(self, credentials: Credentials, address: str) -> Deny | None:
        """Refuse a guess at once where its refusal is certain, so that a flood costs little. None
        where it may be verified. Raises `Busy`."""
        access_key = credentials.access_key
        if not self._records.unsealed_rounds:  # no stored key could match it
            return _FORGED if self._guesses.admit(address, access_key) else _TOO_MANY_FAILURES
        if (self._digest(credentials), source_of(address)) in self._guessing:
            return None
        if self._guesses.refuses(address, access_key):
            return _TOO_MANY_FAILURES
        if len(self._guessing) >= MAX_WAITING_UNSEALED:
            raise Busy("too many guesses wait to be verified")
        return None

    def _is_sealed(self, credentials: Credentials) -> bool:
        if credentials.sealed is None:
            name = credentials.access_key.encode()
            credentials.sealed = seal_fits(name, credentials.secret, self._seal_key)
        return credentials.sealed

    def _digest(self, credentials: Credentials) -> bytes:
        """What the tables know the pair by."""
        if credentials.digest is None:
            credentials.digest = digest_of(credentials, self._digest_key)
        return credentials.digest

    async def authenticate(self, credentials: Credentials, address: str) -> Principal | Deny:
        """Decide, with the store and bcrypt where needed. `address` is the client's.

        Raises `StoreUnavailable`, `Busy`.
        """
        while True:
            known = await loaded(lambda: self.recall(credentials, address))
            if known is not None:
                return known
            denied = await self._match(credentials, address)
            if denied is not None:
                return denied

    async def _match(self, credentials: Credentials, address: str) -> Deny | None:
        """Verify the secret, and remember a match. None: it matched. Raises `StoreUnavailable`,
        `Busy`."""
        if not self._is_sealed(credentials):
            return await self._guess(credentials, address)
        key = await self._records.keys.find(credentials.access_key)
        stored = key.hashes(self.clock(), sealed=True) if key is not None else ()
        if key is None or not stored:
            return Deny(Reason.UNKNOWN_KEY)
        if self._refused.get(self._digest(credentials)) == stored:
            return Deny(Reason.WRONG_SECRET)
        if await self._matches(credentials, key, stored):
            return None
        _bounded(self._refused)[self._digest(credentials)] = (
            stored  # only valid seals get here, so guesses cannot fill it
        )
        return Deny(Reason.WRONG_SECRET)

    async def _matches(self, credentials: Credentials, key: Key, stored: Sequence[bytes]) -> bool:
        """Whether a sealed secret matches one of the hashes, two while a key is rotated. Raises
        `Busy`."""
        if self._shared is None:
            return await self._match_one(credentials, key, stored)
        matched = False
        try:
            known = await self._shared.claim(self._digest(credentials))
            if known is not None and known[0] == key.id and known[1] in stored:
                self.learn(self._digest(credentials), *known)
                matched = True
                return True
            matched = await self._match_one(credentials, key, stored)
        finally:
            if not matched:
                self._shared.unmatched(self._digest(credentials))
        return matched

    async def _match_one(self, credentials: Credentials, key: Key, stored: Sequence[bytes]) -> bool:
        for each in stored:
            if await self._check(self.sealed, credentials, key, each):
                return True
        return False

    async def _guess(self, credentials: Credentials, address: str) -> Deny | None:
        """Verify a secret without a seal, once for all requests that present it at the same time.

        Raises `StoreUnavailable`, `Busy`.
        """
        guess = (self._digest(credentials), source_of(address))
        cost = 0
        if guess not in self._guessing:
            refused = self._refuse(credentials, address)
            if refused is not None:
                return refused
            cost = self._guesses.admit(address, credentials.access_key)
        return await self._guessing.run(guess, lambda: self._guess_now(credentials, address, cost))

    async def _guess_now(self, credentials: Credentials, address: str, cost: int) -> Deny | None:
        denied = None
        try:
            denied = await self._try(credentials)
        finally:
            if denied is None:  # it was right, or verifying failed
                self._guesses.forgive(address, credentials.access_key, cost)
        return denied

    async def _try(self, credentials: Credentials) -> Deny | None:
        """Verify a secret against an imported key.

        An access key that does not exist costs the same as one that does: one look-up in the store,
        a place in the queue, one bcrypt of the highest stored cost, and the same time.
        """
        since = time.monotonic()
        rounds = await self._records.count_unsealed(self.clock())
        if not rounds:
            return Deny(Reason.FORGED)
        # The guess is counted already. A key that is in memory is read again all the same: the time
        # of the refusal would otherwise show that it exists.
        await self._records.keys.load(credentials.access_key)
        key = await self._records.keys.find(credentials.access_key)
        stored = key.hashes(self.clock(), sealed=False) if key is not None else ()
        await self.unsealed.measure_floor(rounds)
        hashed = stored[0] if stored else dummy(rounds)
        owner = key if stored else None
        if not await self._check(self.unsealed, credentials, owner, hashed, since):
            return Deny(Reason.WRONG_SECRET if stored else Reason.UNKNOWN_KEY)
        return None

    async def _check(
        self,
        verifier: Verifier,
        credentials: Credentials,
        key: Key | None,
        stored: bytes,
        since: float = 0.0,
    ) -> bool:
        def remember() -> None:
            if key is not None:
                self.learn(self._digest(credentials), key.id, stored)
                if self._shared is not None:
                    self._shared.matched(self._digest(credentials), key.id, stored)

        return await verifier.matches(
            self._digest(credentials), credentials.secret, stored, remember, since=since
        )

    def learn(self, digest: bytes, key_id: int, stored: bytes) -> None:
        """Remember that a pair with this digest matches this hash of a key."""
        _bounded(self._verified)[digest] = (key_id, stored)
        if self._records.unsealed_rounds:
            self._unsealed_verified = True

    def principal(self, key: Key) -> Principal | Deny:
        """The principal of `key`, if it may act now (`key_status`). Raises `NotLoaded`."""
        return principal_of(key, self._records, self.clock)

    @property
    def sizes(self) -> dict[str, int]:
        """How many credentials are remembered, by what for."""
        return {"verified": len(self._verified), "refused": len(self._refused)}

    def close(self) -> None:
        """Stop the bcrypt threads."""
        self.sealed.close()
        self.unsealed.close()


def _bounded(cache: dict[bytes, V]) -> dict[bytes, V]:
    """The cache, with room for one more entry: the oldest leaves first."""
    if len(cache) >= MAX_VERIFIED:
        del cache[next(iter(cache))]
    return cache
