"""The console's login as requests carry it: a cookie, and a token in the forms of its pages.

Tested in `tests/admin/console/test_login.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aiohttp import web

from proxy.domain.session import COOKIE, LIFETIME, Session

ORIGIN: Final = web.RequestKey("origin", str)
"""The admin server's origin (scheme and host) that a request was sent to."""


class Login(NamedTuple):
    """The session of a request, and the token that the forms of its pages hold."""

    session: Session
    csrf: str


def cookie_of(request: web.Request, name: str) -> str | None:
    """The value of a cookie of the console; None where there is none.

    None also where there are two, since another page of this host name may have set one of them.
    Spaces and tabs alone are left out around a name, as browsers do: what only looks like a name
    with other space around it is another cookie, which the gateway lets upstreams set.
    """
    wanted = _sent_as(request, name)
    pairs = [pair for field in request.headers.getall("Cookie", []) for pair in field.split(";")]
    values = [
        value
        for sent, _, value in (pair.partition("=") for pair in pairs)
        if sent.strip(" \t") == wanted
    ]
    return values[0].strip(" \t") if len(values) == 1 else None


def keep_cookie(
    request: web.Request,
    response: web.Response,
    name: str,
    value: str,
    seconds: int | None = None,
    *,
    lax: bool = False,
) -> None:
    """Have the browser keep a cookie of the console, by default until it is closed. No script reads
    it, and no page of another site has it sent, but with `lax` by a link or a redirect to here."""
    response.set_cookie(
        _sent_as(request, name),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="Lax" if lax else "Strict",
        secure=_secure(request),
    )


def token_of(request: web.Request) -> str | None:
    """The token of a session, None where there is none."""
    return cookie_of(request, COOKIE)


def set_token(request: web.Request, response: web.Response, token: str) -> None:
    """Have the browser keep the token of a session."""
    keep_cookie(request, response, COOKIE, token, LIFETIME // 1000)


def forget_token(request: web.Request, response: web.Response) -> None:
    """Have the browser drop the token."""
    keep_cookie(request, response, COOKIE, "", 0)


def _sent_as(request: web.Request, name: str) -> str:
    """The name that a cookie has here. A browser takes one named `__Host-` over TLS alone, for this
    host and all of its paths (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-{name}" if _secure(request) else name


def _secure(request: web.Request) -> bool:
    return request[ORIGIN].startswith("https://")
