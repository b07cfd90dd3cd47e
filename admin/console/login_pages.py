"""Login, logout, and the list of one's sessions.

Tested in `tests/admin/console/test_login.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from admin.api.form import form_of, parse_form
from admin.api.login import forget_token, set_token
from admin.api.middleware import CALLER, LOGIN, CredentialChecker, authenticated
from admin.console.base import local_path, open_page, see_other
from admin.console.open_forms import FORMS, Typed
from admin.console.rendering import page
from admin.service.errors import Refused
from admin.service.sessions import SessionService
from proxy.domain.session import IDLE, LIFETIME, MOST, digest_of


@dataclass(frozen=True, slots=True)
class LoginPages:
    """The pages around a session."""

    sessions: SessionService
    checker: CredentialChecker
    request_id: Callable[[web.Request], str]

    async def form(self, request: web.Request) -> web.Response:
        """The login form."""
        return login_page(request)

    async def login(self, request: web.Request) -> web.Response:
        """Check the credentials in the form, under the same limits as everywhere, and begin a
        session."""
        form = await form_of(request)
        following = local_path(form.get("next", ""))
        typed = Typed.of(form.get("sent_to", ""), dict(parse_form(form.get("typed", ""))))
        access_key, secret_key = form.get("access", "").strip(), form.get("secret", "").strip()
        pair = f"{access_key}:{secret_key}".encode("utf-8", "surrogatepass")
        try:
            caller = await authenticated(
                self.checker, b"Basic " + b64encode(pair), request, self.request_id(request)
            )
            token = await self.sessions.login(caller, request.headers.get("User-Agent", ""))
        except Refused as refused:
            text = {
                "Unauthorized": "This access key and secret key do not belong together, or the key "
                "may not be used at the moment.",
                "TooManyRequests": "Too many wrong credentials came from here. Try again later.",
            }.get(refused.code, refused.detail or refused.message)
            return login_page(
                request, refused.status, following, access=access_key, error=text, typed=typed
            )
        if typed is not None:
            following = request.app[FORMS].keep(digest_of(token), typed)
        response = see_other(following)
        set_token(request, response, token)
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """End the session, on the server and in the browser."""
        if LOGIN in request:
            await self.sessions.logout(request[CALLER], request[LOGIN].session)
        response = see_other("/login")
        forget_token(request, response)
        return response

    async def list(self, request: web.Request) -> web.Response:
        """The sessions that one may end."""
        opened = await open_page(request)
        sessions = await self.sessions.list(opened.context.caller)
        return opened.render(
            "sessions.html",
            sessions=sessions,
            current=request[LOGIN].session.id,
            idle=IDLE // 60_000,
            lifetime=LIFETIME // 3_600_000,
            most=MOST,
        )

    async def end(self, request: web.Request) -> web.Response:
        """End one of them, or all others."""
        number = (await form_of(request)).get("session", "")
        if number == "others":
            await self.sessions.end_others(request[CALLER], request[LOGIN].session)
            return see_other("/sessions")
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise Refused("NotFound")
        await self.sessions.end(request[CALLER], int(number))
        return see_other("/sessions")


def login_page(
    request: web.Request,
    status: int = 200,
    following: str | None = None,
    *,
    access: str = "",
    error: str | None = None,
    typed: Typed | None = None,
) -> web.Response:
    """The login form. It leads to the page `following`, by default to the one that was asked for;
    with what was `typed`, to the form that holds it again."""
    if following is None:
        asked = request.query.get("next", "") if request.path == "/login" else request.path_qs
        following = local_path(asked)
    return page("login.html", status, access=access, error=error, next=following, typed=typed)
