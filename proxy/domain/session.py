"""Sessions: logins to the console. A session acts for the key that was presented at its login, or
for a person who has logged in with OpenID Connect.

The rule that lives here: a session is never more than its key. It ends when the key may not act any
more, and when the secret that was presented is no longer one of the key's.

Tested in `tests/admin/console/test_sessions.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from proxy.domain.model import Key

COOKIE: Final = "wardgate"
"""The name of the cookie that holds the token of a session; see `is_own_cookie` for others."""

IDLE: Final = 60 * 60 * 1000
"""Milliseconds without a request after which a session ends. OWASP: 15 to 30 minutes for
applications of low risk; the console shows no secret a second time."""
LIFETIME: Final = 12 * 60 * 60 * 1000
"""Milliseconds after the login at which a session ends: a working day. AWS's console: 12 hours."""
MOST: Final = 20
"""Sessions of one key that go on. With one more, the one ends that was not used for longest."""
NOTED_EVERY: Final = 60 * 1000
"""Milliseconds between two notes of when a session was last used: not every request is a write."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is to an OpenID provider. Equal values of another provider, or of another claim,
    say nothing about each other."""

    issuer: str
    claim: str
    value: str


@dataclass(frozen=True, slots=True)
class Session:
    """A login. Times are milliseconds since the epoch."""

    id: int
    digest: bytes
    """Of the token, which only the browser's cookie holds."""
    key_id: int | None
    secret_hash: bytes | None
    """The stored hash that the secret matched which was presented at the login. Both are None where
    a person has logged in without a key."""
    created: int
    last_seen: int
    address: str
    agent: str
    """The browser's User-Agent."""
    account_id: int
    identity: Identity | None = None
    """Of the person who has logged in without a key."""

    @property
    def acts_for(self) -> str:
        """The id on the wire of its key, or of the account where there is no key."""
        return f"1a{self.account_id}" if self.key_id is None else f"1c{self.key_id}"

    @property
    def expires(self) -> int:
        """When it ends at the latest, if it is not used again."""
        return min(self.created + LIFETIME, self.last_seen + IDLE)

    def holds(self, key: Key, now: int) -> bool:
        """Whether it still acts for `key`, as far as time and the key's secret go."""
        secret_hash = self.secret_hash
        return now < self.expires and secret_hash is not None and key.has_hash(secret_hash, now)


is_own_cookie: Final = re.compile(rf"(?:__Host-)?{COOKIE}(?:-.*)?", re.DOTALL).fullmatch
"""Matches the name of every cookie of the console. The gateway passes none of them on."""


def new_token() -> str:
    """A token for a cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """What the store keeps of a token: who reads the store cannot use it."""
    return hashlib.sha256(_bytes(token)).digest()


def csrf_token(token: str) -> str:
    """What a form has to hold with the cookie `token`: pages of other sites cannot know it.

    It is another one each time, so that nobody can guess it from the sizes of compressed pages
    (BREACH).
    """
    return _csrf(token, secrets.token_hex(16))


def is_csrf_token(given: str, token: str) -> bool:
    """Whether `given` was made for the cookie `token`."""
    return hmac.compare_digest(_bytes(given), _bytes(_csrf(token, given[:32])))


def _csrf(token: str, salt: str) -> str:
    return salt + hmac.digest(_bytes(token), _bytes(salt), "sha256").hex()


def _bytes(text: str) -> bytes:
    """A text that a client sent, which may have bytes in it that are not UTF-8."""
    return text.encode("utf-8", "surrogatepass")
