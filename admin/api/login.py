"""The console's login as requests carry it: a cookie, and a token in the forms of its pages.

Tested in `tests/admin/console/test_login.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aiohttp import web

from admin.api.body import body_bytes
from proxy.domain.session import LIFETIME, Session

_FORM: Final = "application/x-www-form-urlencoded"


class Login(NamedTuple):
    """The session of a request, and the token that the forms of its pages hold."""

    session: Session
    csrf: str


def _cookie(origin: str) -> str:
    """The cookie's name. A browser takes one named `__Host-` over TLS alone, for this host and all
    of its paths (RFC 6265bis section 4.1.3.2)."""
    return "__Host-wardgate" if _secure(origin) else "wardgate"


def _secure(origin: str) -> bool:
    return origin.startswith("https://")


def token_of(request: web.Request, origin: str) -> str | None:
    """The token in the cookie, None where there is none. `origin` is the admin server's own."""
    return request.cookies.get(_cookie(origin))


def set_token(response: web.Response, token: str, origin: str) -> None:
    """Have the browser keep the token."""
    response.set_cookie(
        _cookie(origin),
        token,
        max_age=LIFETIME // 1000,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=_secure(origin),
    )


def forget_token(response: web.Response, origin: str) -> None:
    """Have the browser drop the token."""
    response.del_cookie(
        _cookie(origin), path="/", httponly=True, samesite="Strict", secure=_secure(origin)
    )


async def form_of(request: web.Request) -> Mapping[str, str]:
    """The fields of a form in the body; none where the body is no form. Raises `Refused`."""
    if request.content_type != _FORM:
        return {}
    await body_bytes(request)  # bounded in time and size; aiohttp keeps it
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
