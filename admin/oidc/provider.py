"""A provider as it is asked: what it says of itself, its keys, and who has logged in.

The rule that lives here: what a provider answers is bounded in time and size, and never leads to
another address. What strangers do makes it be asked no more often than it can answer.

Tested in `tests/admin/oidc/test_provider.py`.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote_plus

from joserfc.jwk import KeySet

from admin.oidc.attempts import Attempt
from admin.oidc.errors import LoginFailed, unusable
from admin.oidc.http import Client
from admin.oidc.id_token import UnknownKey, claims_of, keys_of
from admin.oidc.metadata import Metadata, metadata_of, metadata_url
from proxy.config.oidc import Oidc
from proxy.domain.session import Identity

KEPT: Final = 60 * 60 * 1000
"""Milliseconds after which a provider is asked again what it is and which keys it has."""
FAILED: Final = 5 * 1000
"""Milliseconds for which a failure is remembered: so long, nobody waits for the provider again."""
KEYS_AGAIN: Final = 60 * 1000
"""Milliseconds after which a token with an unknown key makes the keys be asked for again."""

T = TypeVar("T")


class _Kept(Generic[T]):
    """Something that the provider says, or why it did not say it; asked for again when it is old.
    Whoever needs it meanwhile waits for the same answer."""

    def __init__(self, load: Callable[[], Awaitable[T]], clock: Callable[[], int]) -> None:
        self._load = load
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._failure: LoginFailed | None = None
        self._loaded = 0

    async def get(self, kept: int = KEPT) -> T:
        """What it is, at most `kept` milliseconds old. Raises `LoginFailed`."""
        async with self._lock:
            age = self._clock() - self._loaded
            if self._failure is not None and age < FAILED:
                raise self._failure.with_traceback(None)
            if self._value is None or age >= kept:
                await self._renew()
            assert self._value is not None
            return self._value

    async def _renew(self) -> None:
        self._value = self._failure = None
        try:
            self._value = await self._load()
        except LoginFailed as failure:
            self._failure = failure
            raise
        finally:
            self._loaded = self._clock()


class Provider:
    """The provider of a configuration."""

    def __init__(self, settings: Oidc, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self.settings = settings
        self._clock = clock
        self._client = Client(settings.context)
        self._metadata = _Kept(self._load_metadata, clock)
        self._keys = _Kept(self._load_keys, clock)

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where to send a browser to log in. Raises `LoginFailed`."""
        metadata = await self._metadata.get()
        settings = self.settings
        return metadata.authorization_url(
            attempt, settings.client_id, redirect_uri, settings.scopes
        )

    async def identity(
        self, attempt: Attempt, answer: Mapping[str, str], redirect_uri: str
    ) -> Identity:
        """Who has logged in, by the answer with which a browser has come back from the provider.
        Its state was checked. Raises `LoginFailed`."""
        metadata = await self._metadata.get()
        tokens = await self._exchange(metadata, metadata.code_of(answer), attempt, redirect_uri)
        claims = await self._verified(tokens.get("id_token"), attempt)
        claims = await self._completed(metadata, claims, tokens.get("access_token"))
        return Identity(metadata.issuer, self.settings.claim, value_of(claims, self.settings.claim))

    async def _exchange(
        self, metadata: Metadata, code: str, attempt: Attempt, redirect_uri: str
    ) -> Mapping[str, Any]:
        """The tokens for a code (OpenID Connect Core section 3.1.3)."""
        settings, headers = self.settings, dict[str, str]()
        secret = settings.client_secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        if metadata.basic:  # both are encoded first (RFC 6749 section 2.3.1)
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        return await self._client.ask("token endpoint", metadata.token_endpoint, headers, form)

    async def _verified(self, token: object, attempt: Attempt) -> dict[str, Any]:
        """The claims of an ID token. The provider may have a key that is newer than those kept."""
        if not isinstance(token, str):
            raise unusable("the token endpoint gave no ID token")
        for kept in (KEPT, KEYS_AGAIN):
            keys = await self._keys.get(kept)
            try:
                return claims_of(
                    token,
                    keys,
                    issuer=self.settings.issuer,
                    client_id=self.settings.client_id,
                    nonce=attempt.nonce,
                    now=self._clock() // 1000,
                )
            except UnknownKey:
                continue
        raise unusable("the ID token is signed with a key that the provider does not have")

    async def _completed(
        self, metadata: Metadata, claims: dict[str, Any], access_token: object
    ) -> dict[str, Any]:
        """The claims, with those of the UserInfo endpoint where the ID token lacks one that is
        needed (OpenID Connect Core section 5.3)."""
        needed = {self.settings.claim} | _COMPANIONS.get(self.settings.claim, set())
        if needed <= claims.keys() or metadata.userinfo_endpoint is None:
            return claims
        if not isinstance(access_token, str) or not access_token.isascii():
            raise unusable("the token endpoint gave no access token")
        headers = {"Authorization": f"Bearer {access_token}"}
        more = await self._client.ask("UserInfo endpoint", metadata.userinfo_endpoint, headers)
        if more.get("sub") != claims["sub"]:
            raise unusable("the UserInfo endpoint tells about somebody else")
        return claims | {name: more.get(name) for name in needed}  # all from one place

    async def _load_metadata(self) -> Metadata:
        issuer = self.settings.issuer
        return metadata_of(await self._client.ask("metadata", metadata_url(issuer)), issuer)

    async def _load_keys(self) -> KeySet:
        metadata = await self._metadata.get()
        return keys_of(await self._client.ask("keys", metadata.jwks_uri))


_COMPANIONS: Final = {"email": {"email_verified"}}
"""A claim → those without which it does not count."""


def value_of(claims: Mapping[str, Any], claim: str) -> str:
    """The value of the claim by which people are known. Raises `LoginFailed`."""
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise LoginFailed(
            f"The login provider does not say your {claim}.",
            f"the claim {claim} is missing, or no text of 1 to 255 characters",
            403,
        )
    if claim == "email" and claims.get("email_verified") is not True:
        raise LoginFailed(
            "The login provider has not verified your email address.",
            "email_verified is not true",
            403,
        )
    return value
