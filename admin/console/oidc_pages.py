"""Login with OpenID Connect: off to the provider, and back.

Tested in `tests/admin/console/test_oidc_pages.py`, and with a real provider and browser in
`test_oidc_provider.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web

from admin.api.clients import CLIENT
from admin.api.form import form_of, parse_form
from admin.api.login import cookie_of, keep_cookie, set_token, token_of
from admin.api.middleware import request_id_of
from admin.api.responses import LINKS
from admin.console.base import after_login, local_path, see_other
from admin.console.open_forms import FORMS, Holder, Typed
from admin.console.rendering import page
from admin.oidc.attempts import LIFETIME, Attempt, Attempts
from admin.oidc.errors import LoginFailed
from admin.oidc.provider import Provider
from admin.service.errors import Refused
from admin.service.sessions import SessionService
from proxy.config.oidc import Oidc
from proxy.domain import session

START: Final = "/login/oidc"
CALLBACK: Final = "/login/oidc/callback"
MAX_TYPED: Final = 100
"""Forms that are kept while people log in; the oldest leave."""
COOKIE: Final = f"{session.COOKIE}-oidc"
"""The cookie that binds a login to the browser in which it was begun."""

log = logging.getLogger(__name__)


class OidcPages:
    """The pages between the login page and the first page of a session."""

    def __init__(
        self,
        sessions: SessionService,
        settings: Callable[[], Oidc | None],
        clock: Callable[[], int],
    ) -> None:
        """`settings` returns those in use now, `clock` milliseconds since the epoch."""
        self.settings = settings
        self._sessions = sessions
        self._clock = clock
        self._attempts = Attempts(clock)
        self._provider: Provider | None = None
        self._typed: dict[str, Typed] = {}
        """By the state of the login: what was typed into a form whose session had ended."""

    async def start(self, request: web.Request) -> web.Response:
        """Send the browser to the provider."""
        back = local_path(request.query.get("next", ""))
        attempt = self._attempts.begin(back, _session_before(request))
        return await self._send(request, attempt, see_other)

    async def start_with_typed(self, request: web.Request) -> web.Response:
        """The same, and keep what was typed into a form until the login has succeeded.

        The answer is a page that goes on by itself: browsers hold a redirect after a form against
        `form-action` in the policy of the form's page.
        """
        form = await form_of(request)
        typed = Typed.of(form.get("sent_to", ""), dict(parse_form(form.get("typed", ""))))
        attempt = self._attempts.begin("/", _session_before(request))
        if typed is not None:
            self._typed[attempt.state] = typed
            if len(self._typed) > MAX_TYPED:
                del self._typed[next(iter(self._typed))]
        return await self._send(request, attempt, _going_on)

    async def _send(
        self, request: web.Request, attempt: Attempt, answer: Callable[[str], web.Response]
    ) -> web.Response:
        """Send the browser to the provider, with an answer for the URL there."""
        try:
            url = await self._provider_now().authorization_url(attempt, _redirect_uri(request))
        except LoginFailed as failed:
            return _failed(failed)
        response = answer(url)
        # Lax: it has to come along when a page of the provider leads back here.
        keep_cookie(request, response, COOKIE, attempt.cookie, LIFETIME // 1000, lax=True)
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Begin a session for whoever comes back from the provider."""
        provider = self._provider_now()
        given, state = cookie_of(request, COOKIE) or "", request.query.get("state", "")
        try:
            attempt = self._attempts.finish(given, state)
        except LoginFailed as failed:
            return _failed(failed)
        try:
            response = await self._logged_in(request, provider, attempt)
        except LoginFailed as failed:
            response = _failed(failed)
        keep_cookie(request, response, COOKIE, "", 0, lax=True)
        response.headers["Referrer-Policy"] = "no-referrer"  # the code is in the page's URL
        return response

    async def _logged_in(
        self, request: web.Request, provider: Provider, attempt: Attempt
    ) -> web.Response:
        """Raises `LoginFailed`.

        The answer is a page that goes on by itself. A redirect would count as one by the provider's
        page, so that the browser would leave out the session's cookie, which is SameSite=Strict.
        """
        identity = await provider.identity(attempt, dict(request.query), _redirect_uri(request))
        address, request_id = request[CLIENT], request_id_of(request)
        try:
            caller = await self._sessions.person(identity, address, request_id)
            token = await self._sessions.login(caller, request.headers.get("User-Agent", ""))
            # The browser forgets it, so that nobody could end it there.
            await self._sessions.end_replaced(attempt.replaces, address, request_id)
        except Refused as refused:
            text = refused.detail or refused.message
            raise LoginFailed(f"{text[0].upper()}{text[1:]}.", text, refused.status) from None
        typed, back = self._typed.pop(attempt.state, None), attempt.back
        if typed is not None:
            holder = Holder(caller.owner.id, session.digest_of(token))
            back = request.app[FORMS].keep(holder, typed)
        response = _going_on(after_login(back))
        set_token(request, response, token)
        return response

    def _provider_now(self) -> Provider:
        """The provider of the settings in use. Raises `Refused` where there are none."""
        settings = self.settings()
        if settings is None:
            raise Refused("NotFound")
        if self._provider is None or self._provider.settings is not settings:
            self._provider = Provider(settings, self._clock)
        return self._provider


OIDC: Final = web.AppKey("oidc", OidcPages)


def _session_before(request: web.Request) -> bytes:
    """The digest of the session that the browser has now, empty for none. Its cookie, which is
    SameSite=Strict, does not come along when a page of the provider leads back."""
    token = token_of(request)
    return b"" if token is None else session.digest_of(token)


def _redirect_uri(request: web.Request) -> str:
    return request[LINKS].origin + CALLBACK


def _going_on(url: str) -> web.Response:
    """A page that goes on to another one by itself."""
    return page("going_on.html", url=url)


def _failed(failed: LoginFailed) -> web.Response:
    log.warning("login with OpenID Connect failed: %s", failed.cause)
    return page("login_failed.html", failed.status, message=str(failed))
