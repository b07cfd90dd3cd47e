"""Login, logout, and the list of one's sessions.

Tested in `tests/admin/console/test_login.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from admin.api.clients import CLIENT
from admin.api.form import form_of, parse_form
from admin.api.login import ORIGIN, forget_token, set_token, token_of
from admin.api.middleware import CALLER, LOGIN, CredentialChecker, authenticated
from admin.api.responses import LINKS, refusal_of
from admin.console.base import AFTER, after_login, local_path, open_page, see_other
from admin.console.oidc_pages import OIDC, START
from admin.console.open_forms import FORMS, Holder, Typed
from admin.console.rendering import page
from admin.service import Caller
from admin.service.errors import Refused
from admin.service.limit_rules import require_admitted
from admin.service.sessions import SessionService
from proxy.domain.clock import now_ms
from proxy.domain.errors import WardgateError
from proxy.domain.session import IDLE, LIFETIME, MOST, Session, digest_of

MAX_ACCESS: Final = 255
"""Characters of an access key that are shown again."""
_REFUSED: Final = {
    "Unauthorized": "This access key and secret key do not belong together, or the key may not be "
    "used at the moment.",
    "TooManyRequests": "Too many wrong credentials came from here, or for this access key. From "
    "now on there is one try each second: wait a little, and try again.",
}
"""What the form says besides, where it says more than the API."""


@dataclass(frozen=True, slots=True)
class LoginPages:
    """The pages around a session."""

    sessions: SessionService
    checker: CredentialChecker
    request_id: Callable[[web.Request], str]

    async def form(self, request: web.Request) -> web.Response:
        """The login form. Who is logged in goes on at once, unless with a key that may not be used
        from there or not now: each page would lead back to here."""
        resumed = await self._resumed(request)
        if resumed is not None:
            with suppress(Refused):
                require_admitted(resumed[1], now_ms())
                return see_other(local_path(request.query.get("next", "")))
        error = _not_kept(request) if AFTER in request.query else None
        return login_page(request, 200 if error is None else 401, error=error)

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
        except WardgateError as error:
            refused = refusal_of(error, request.method, known=False)
            text = refused.detail or _REFUSED.get(refused.code, refused.message)
            return login_page(
                request,
                refused.status,
                following,
                access=access_key[:MAX_ACCESS],
                error=text,
                typed=typed,
            )
        before = await self._resumed(request)
        if before is not None:  # the browser forgets it, so nobody could end it there
            await self.sessions.logout(before[1], before[0])
        if typed is not None:
            holder = Holder(caller.owner.id, digest_of(token))
            following = request.app[FORMS].keep(holder, typed)
        response = see_other(after_login(following))
        set_token(request, response, token)
        return response

    async def _resumed(self, request: web.Request) -> tuple[Session, Caller] | None:
        """The session that the browser has already, which the middleware does not look for here."""
        token, address = token_of(request), request[CLIENT]
        if token is None:
            return None
        return await self.sessions.resume(token, address, self.request_id(request))

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
        keys = [each.acts_for for each in sessions if each.identity is None]
        return opened.render(
            "sessions.html",
            sessions=sessions,
            names=await opened.resources.names_of(opened.context, keys),
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
    response = page(
        "login.html",
        status,
        access=access,
        error=error,
        next=following,
        typed=typed,
        oidc=request.app[OIDC].settings(),
        oidc_path=START,
        origin=request[LINKS].origin,
    )
    if request.method == "GET" and request.path != "/login" and _from_elsewhere(request):
        response.headers["Refresh"] = f"0;url=/login?{urlencode({'next': following})}"
    return response


def _from_elsewhere(request: web.Request) -> bool:
    """Whether somebody followed a link of another site. A browser then sends no cookie that is
    SameSite=Strict; it does when the page itself leads on."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "cross-site"
    referer = request.headers.get("Referer")
    return referer is not None and not referer.startswith(f"{request[ORIGIN]}/")


def _not_kept(request: web.Request) -> str:
    """Why a browser comes back from its login without the cookie."""
    reasons = ["it blocks cookies", "another page of this host name has set one of the same name"]
    if request[ORIGIN].startswith("https://"):
        reasons.insert(0, f"the console is open elsewhere than at {request[ORIGIN]}")
    return f"The browser did not keep the cookie of the session: {', or '.join(reasons)}."
