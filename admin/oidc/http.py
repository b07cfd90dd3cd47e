"""One request to a provider: verified TLS, no redirect, and an answer that is bounded in time and
size. (Tested by tests/admin/oidc/test_provider.py.)"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from admin.oidc.errors import LoginFailed, unreachable, unusable
from admin.outgoing import session

TIMEOUT: Final = 10.0
"""Seconds for a whole exchange: a person waits for it."""
AT_ONCE: Final = 8
"""Exchanges at the same time, however many people log in."""
MAX_ANSWER: Final = 256 * 1024
"""Bytes. The keys of large providers take some ten thousand."""
FIELDS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}

_ERROR_CODES: Final = frozenset(
    {"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "invalid_token"}
    | {"unauthorized_client", "unsupported_grant_type"}
)
"""RFC 6749 section 5.2 and RFC 6750 section 3.1. No other text of a provider is logged: it might
repeat a code or a secret."""


class Client:
    """Asks a provider."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """`context` verifies the provider."""
        self._context = context
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self,
        what: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """POST `form`, or GET without one. `what` is asked, for the log.

        Returns the JSON object in the answer. Raises `LoginFailed`.
        """
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._turns,
                session(self._context, FIELDS) as client,
            ):
                method = "GET" if form is None else "POST"
                async with client.request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as answer:
                    status, body = answer.status, await _bounded(answer.content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise unreachable(f"{what}: {type(error).__name__}") from None
        if body is None:
            raise unusable(f"{what}: the answer is too large")
        return _object(what, status, body)


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    """The body of an answer, None where it is too large."""
    body = b""
    while chunk := await content.read(65536):
        body += chunk
        if len(body) > MAX_ANSWER:
            return None
    return body


def _object(what: str, status: int, body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises `LoginFailed`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if status >= 500:
        raise unreachable(f"{what}: status {status}")
    if status != 200:
        raise _refused(what, status, content.get("error") if isinstance(content, dict) else None)
    if not isinstance(content, dict):
        raise unusable(f"{what}: the answer is no JSON object")
    return content


def _refused(what: str, status: int, error: object) -> LoginFailed:
    code = error if isinstance(error, str) and error in _ERROR_CODES else "no error code"
    if code == "invalid_grant":
        message = "The login provider does not accept the login any more. Try again."
        return LoginFailed(message, f"{what}: status {status}, {code}", 400)
    return unusable(f"{what}: status {status}, {code}")
