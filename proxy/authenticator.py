"""Credentials → principal: whose key this is, and whether it may act at all.

The rule that lives here: the cache of verified credentials says "this secret matches", never "this
key is active". State, expiry and owner are read from the current records at every request.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from proxy.model import ACCESS_KEY, Deny, Key, Principal, Reason, State, WardgateError
from proxy.records import NotLoaded, Records
from proxy.secret import MAX_PASSWORD, hash_secret, seal_fits, verify

MAX_VERIFIED: Final = 65_536
"""Credentials remembered as matching. Only a secret that matched gets in; what came first goes."""
MAX_WAITING: Final = 2_048
"""Sealed credentials waiting for their first bcrypt; a seal that fits is no guess."""
MAX_WAITING_UNSEALED: Final = 32
"""Unsealed ones, which anybody can make up."""
VERIFY_TIMEOUT: Final = 10.0
"""Seconds that a sealed credential waits for its first bcrypt."""

_BASIC: Final = re.compile(rb"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE).fullmatch
# RFC 7617 section 2: the scheme in any case; RFC 9110 section 11.4: one or more spaces.


V = TypeVar("V")


class Busy(WardgateError):
    """There are more credentials to verify than can be verified soon."""


@dataclass(slots=True)
class Credentials:
    """What a client presented. `digest` names the pair without holding it."""

    access_key: str
    secret: bytes = field(repr=False)
    digest: bytes = field(repr=False)


class Authenticator:
    """Tells whose key a pair of access key and secret key is."""

    def __init__(
        self, records: Records, seal_key: bytes, clock: Callable[[], int], rounds: int
    ) -> None:
        """`clock` tells milliseconds since the epoch; `rounds` is the cost of what is stored."""
        self._records = records
        self._seal_key = seal_key
        self._clock = clock
        self._digest_key = os.urandom(32)
        self._verified: dict[bytes, tuple[int, bytes]] = {}
        """Digest of a pair that matched → the key's id and the stored hash that it matched."""
        self._refused: dict[bytes, tuple[bytes, ...]] = {}
        """Digest of a genuine pair that matched none of these: a secret from before a rotation,
        whose holder may go on trying it."""
        self._verifying: dict[tuple[bytes, bytes], asyncio.Future[bool]] = {}
        self._waiting_unsealed = 0
        self._dummy = hash_secret(os.urandom(16).hex().encode(), rounds)
        self._threads = ThreadPoolExecutor(_threads(), "bcrypt", _yield_to_the_loop)

    def parse(self, values: list[bytes] | None) -> Credentials | Deny:
        """Read the Authorization fields of a request (None: there is none), as RFC 7617 has it."""
        if not values:
            return Deny(Reason.NO_CREDENTIALS)
        basic = _BASIC(values[0].strip(b" ")) if len(values) == 1 else None
        if basic is None:
            return Deny(Reason.MALFORMED_CREDENTIALS)
        try:
            pair = base64.b64decode(basic[1], validate=True)
            pair.decode()
        except (binascii.Error, UnicodeDecodeError):
            return Deny(Reason.MALFORMED_CREDENTIALS)
        user, colon, secret = pair.partition(b":")
        name = user.decode()
        canonical = base64.b64encode(pair) == basic[1]
        if not canonical or not colon or b"\0" in pair or len(secret) > MAX_PASSWORD:
            return Deny(Reason.MALFORMED_CREDENTIALS)
        if not ACCESS_KEY.fullmatch(name):
            return Deny(Reason.MALFORMED_CREDENTIALS)
        # The pair holds its own colon and the access key none: no other pair has these bytes.
        digest = hashlib.blake2b(pair, digest_size=32, key=self._digest_key).digest()
        return Credentials(name, secret, digest)

    def recall(self, credentials: Credentials) -> Principal | Deny | None:
        """Decide from memory, or None where that takes `authenticate`.

        Raises `NotLoaded` where a record is missing from memory.
        """
        verified = self._verified.get(credentials.digest)
        if verified is None:
            return None
        key = self._records.keys.get(credentials.access_key)
        if key is None:
            return Deny(Reason.UNKNOWN_KEY)
        key_id, stored = verified
        if key_id != key.id or (
            stored != key.secret_hash
            and not (stored == key.previous_hash and key.has_previous(self._clock()))
        ):
            del self._verified[credentials.digest]
            return None
        return self.principal(key)

    async def authenticate(self, credentials: Credentials) -> Principal | Deny:
        """Decide, with the store and bcrypt where need be. Raises `StoreUnavailable`, `Busy`."""
        while True:
            try:
                known = self.recall(credentials)
                if known is not None:
                    return known
                denied = await self._match(credentials)
                if denied is not None:
                    return denied
            except NotLoaded as missing:
                await missing.load()

    async def _match(self, credentials: Credentials) -> Deny | None:
        """Check the secret; where it matches, remember so. Raises `NotLoaded`, `Busy`."""
        sealed = seal_fits(credentials.access_key.encode(), credentials.secret, self._seal_key)
        if not sealed and not self._records.unsealed_keys:
            return Deny(Reason.FORGED)
        key = self._records.keys.get(credentials.access_key)
        stored = key.hashes(self._clock(), sealed=sealed) if key is not None else ()
        if not stored:
            if sealed:
                return Deny(Reason.UNKNOWN_KEY)
            await self._verify(credentials, None, self._dummy, sealed)
            return Deny(Reason.UNKNOWN_KEY)
        if self._refused.get(credentials.digest) == stored:
            return Deny(Reason.WRONG_SECRET)
        for each in stored:  # two while a key is rotated, but only ever one of them is unsealed
            if await self._verify(credentials, key, each, sealed):
                return None
        if sealed:  # garbage has no seal, and so cannot fill this up
            _bounded(self._refused)[credentials.digest] = stored
        return Deny(Reason.WRONG_SECRET)

    async def _verify(
        self, credentials: Credentials, key: Key | None, stored: bytes, sealed: bool
    ) -> bool:
        """One bcrypt, shared by all who ask for the same. Raises `Busy`."""
        pair = (credentials.digest, stored)
        verifying = self._verifying.get(pair)
        if verifying is None:
            limit = MAX_WAITING if sealed else MAX_WAITING_UNSEALED
            waiting = len(self._verifying) if sealed else self._waiting_unsealed
            if waiting >= limit:
                raise Busy("too many credentials wait to be verified")
            verifying = asyncio.get_running_loop().run_in_executor(
                self._threads, verify, credentials.secret, stored
            )
            self._verifying[pair] = verifying
            self._waiting_unsealed += not sealed

            def done(verified: asyncio.Future[bool]) -> None:
                del self._verifying[pair]
                self._waiting_unsealed -= not sealed
                # Here, not in who waits: in between, somebody could begin another bcrypt.
                if key is not None and not verified.cancelled() and verified.result():
                    self._remember(credentials.digest, key.id, stored)

            verifying.add_done_callback(done)
        try:
            return await asyncio.wait_for(asyncio.shield(verifying), VERIFY_TIMEOUT)
        except TimeoutError:
            raise Busy("a credential waited too long to be verified") from None

    def _remember(self, digest: bytes, key_id: int, stored: bytes) -> None:
        _bounded(self._verified)[digest] = (key_id, stored)

    def principal(self, key: Key) -> Principal | Deny:
        """Whose key this is, now. Raises `NotLoaded`."""
        if key.state is not State.ACTIVE:
            return Deny(Reason.KEY_INACTIVE, key)
        if key.expires is not None and key.expired(self._clock()):
            return Deny(Reason.KEY_EXPIRED, key)
        if key.account_id is not None:
            account = self._records.accounts.get(key.account_id)
            if account is None or account.state is not State.ACTIVE:
                return Deny(Reason.OWNER_INACTIVE, key)
            return Principal(key, account, None)
        environment = self._records.environments.get(key.environment_id or 0)
        if environment is None or environment.state is not State.ACTIVE:
            return Deny(Reason.OWNER_INACTIVE, key)
        return Principal(key, None, environment)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _bounded(cache: dict[bytes, V]) -> dict[bytes, V]:
    """The cache with room for one more: what came first goes first."""
    if len(cache) >= MAX_VERIFIED:
        del cache[next(iter(cache))]
    return cache


def _threads() -> int:
    return max(1, (os.cpu_count() or 1) - 1)


def _yield_to_the_loop() -> None:
    """Lowest priority for a bcrypt thread (Linux: `nice` is per thread).

    One cost-10 hash beside the loop on one core took the p99 of warm requests from 0.18 to 2.8 ms;
    at nice 19 it is 0.11 ms.
    """
    if sys.platform == "linux":
        os.nice(19)
