"""Logins that are under way, each bound to the browser in which it was begun. Pure.

The rule that lives here: whatever comes back from a provider counts only in the browser that was
sent there, only once, and only for ten minutes. A browser keeps one cookie for it. State, nonce and
code verifier are made from the cookie with a key that only this process has. So strangers who begin
logins use no memory here, and the state proves that the cookie was made here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from admin.oidc.errors import LoginFailed

LIFETIME: Final = 10 * 60 * 1000
"""Milliseconds for the login at the provider."""
MAX_SPENT: Final = 4096
"""Attempts that are known to have ended; the oldest is forgotten first. A provider, too, takes a
code once only (RFC 6749 section 4.1.2)."""
_MAX_BACK: Final = 1024
"""Bytes of the path to go on with: a cookie has room for 4096 (RFC 6265 section 6.1)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login under way."""

    cookie: str
    """The value of the cookie that binds it to its browser."""
    state: str
    nonce: str
    verifier: str
    """PKCE's code verifier (RFC 7636)."""
    back: str
    """The path to go on with."""
    replaces: bytes = b""
    """The digest of the session that the browser had when it began; empty where it had none."""

    @property
    def challenge(self) -> str:
        """PKCE's code challenge, by the method S256."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())


class Attempts:
    """Begins logins, and recognizes them when they come back."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._spent: dict[str, None] = {}

    def begin(self, back: str, replaces: bytes = b"") -> Attempt:
        """Begin a login that is to go on with the path `back`, in a browser that has the session
        with the digest `replaces`."""
        path = back.encode() if len(back.encode()) <= _MAX_BACK else b"/"
        now = str(self._clock())
        parts = (secrets.token_urlsafe(16), now, _base64(path), replaces.hex())
        return self._attempt(".".join(parts), path.decode(), replaces)

    def finish(self, cookie: str, state: str) -> Attempt:
        """The login that the browser with this cookie has come back from. Raises `LoginFailed`
        where it was begun elsewhere, or too long ago, or has come back before."""
        attempt = self._attempt(cookie, "/")
        if not hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace")):
            raise _no_attempt("the state is not that of a login in this browser")
        _, begun, back, replaces = cookie.split(".")
        if self._clock() - int(begun) >= LIFETIME:
            raise _no_attempt("the login was begun too long ago")
        if attempt.state in self._spent:
            raise _no_attempt("the login has come back before")
        if len(self._spent) >= MAX_SPENT:
            del self._spent[next(iter(self._spent))]
        self._spent[attempt.state] = None
        path = urlsafe_b64decode(back + "==").decode()
        return self._attempt(cookie, path, bytes.fromhex(replaces))

    def _attempt(self, cookie: str, back: str, replaces: bytes = b"") -> Attempt:
        state, nonce, verifier = (
            _base64(hmac.digest(self._key, f"{use}:{cookie}".encode("utf-8", "replace"), "sha256"))
            for use in ("state", "nonce", "verifier")
        )
        return Attempt(cookie, state, nonce, verifier, back, replaces)


def _no_attempt(cause: str) -> LoginFailed:
    message = (
        "This login was not begun in this browser, was begun more than ten minutes ago, or has "
        "been used already."
    )
    return LoginFailed(message, cause, 400)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
