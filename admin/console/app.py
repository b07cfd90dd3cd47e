"""The console's routes, and the page that a browser gets in place of an error.

Tested by the tests of the pages, `tests/admin/console`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from admin.api.form import form_of
from admin.api.handlers import STATE
from admin.api.login import keep_cookie
from admin.api.middleware import CALLER, LOGIN, CredentialChecker, request_id_of
from admin.api.paths import is_of_api
from admin.api.representations import Json
from admin.api.resources import Resources
from admin.api.responses import JsonAnswer
from admin.api.schemas import REF
from admin.console import api_page, choices
from admin.console.account_pages import AccountPages
from admin.console.advice_pages import AdvicePages
from admin.console.api_filters import browse
from admin.console.audit_pages import AuditPages
from admin.console.base import ENVIRONMENT, fields_of, local_path, see_other
from admin.console.environment_pages import EnvironmentPages
from admin.console.key_pages import KeyPages
from admin.console.login_pages import LoginPages, login_page
from admin.console.node_pages import NodePages, with_change
from admin.console.oidc_pages import CALLBACK, START, OidcPages
from admin.console.open_forms import FORMS, Holder, typed_into
from admin.console.overview_pages import overview
from admin.console.rendering import page, static
from admin.console.rotation_pages import RotationPages
from admin.console.settings_pages import SettingsPages
from admin.console.upstream_pages import UpstreamPages
from admin.console.webhook_pages import WebhookPages
from admin.service.errors import Refused
from admin.service.sessions import SessionService
from proxy.domain.errors import WardgateError


class Console:
    """The pages."""

    def __init__(
        self,
        resources: Resources,
        sessions: SessionService,
        checker: CredentialChecker,
        oidc: OidcPages,
    ) -> None:
        login = LoginPages(sessions, checker, request_id_of)
        keys = KeyPages(resources.keys)
        self.routes = (
            web.get("/static/{name:[a-z.-]+}", static),
            web.get("/login", login.form),
            web.post("/login", login.login),
            web.get(START, oidc.start, allow_head=False),
            web.post(START, oidc.start_with_typed),
            web.get(CALLBACK, oidc.callback, allow_head=False),
            web.post("/logout", login.logout),
            web.get("/sessions", login.list),
            web.post("/sessions/end", login.end),
            web.get("/", home),
            web.get("/browse", browse),
            web.post("/environment", choose_environment),
            *_in_turn(
                (
                    web.get("/overview", overview),
                    *choices.ROUTES,
                    *keys.routes(),
                    *AdvicePages(keys).routes(),
                    *RotationPages(resources.keys, keys).routes(),
                    *EnvironmentPages(resources, keys).routes(),
                    *AccountPages(resources, keys).routes(),
                    *UpstreamPages(resources).routes(),
                    *NodePages(resources).routes(),
                    *WebhookPages(resources).routes(),
                    *AuditPages(resources).routes(),
                    *SettingsPages(resources).routes(),
                )
            ),
        )

    async def refused(self, request: web.Request, refused: Refused) -> web.Response:
        """The page for an error. Who is not logged in gets the login form. An address to which only
        forms are sent, as it stands in the browser after an error, leads to the page above it."""
        if refused.status == 401 and LOGIN not in request:
            return login_page(request, 401, typed=await typed_into(request))
        if CALLER in request and is_of_api(request.path):
            with suppress(WardgateError):  # where the page itself cannot be made, a plain one is
                return await api_page.refused(request, refused)
        if refused.code == "CrossSite" and request.path == "/login":
            return login_page(request, refused.status, error=refused.detail or refused.message)
        if refused.code == "InvalidCSRFToken" and (typed := await typed_into(request)):
            return see_other(request.app[FORMS].keep(Holder.of(request), typed))
        above = local_path(request.rel_url.raw_path.rpartition("/")[0])
        if refused.code == "MethodNotAllowed" and request.method in {"GET", "HEAD"}:
            return see_other(above)
        return page(
            "error.html",
            refused.status,
            refused=refused,
            logged_in=LOGIN in request,
            above=above if refused.code == "InvalidCSRFToken" else None,
        )

    async def answered(self, request: web.Request, answer: JsonAnswer) -> web.Response:
        """An answer of the API as a page, on which its links and actions can be followed."""
        return await api_page.answered(request, answer)

    async def body(self, request: web.Request) -> Json | None:
        """The body that a form stands for, where it is sent to the API."""
        return await api_page.body_of(request)


def _in_turn(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Routes of pages, of which each account gets one at a time: a page reads several lists, and
    others wait for those of one page at most."""

    def one_at_a_time(handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                await form_of(request)  # a client may send it slowly, so not within the turn
            async with request.app[STATE].turn(request[CALLER]):
                return with_change(request, await handler(request))

        return handle

    for route in routes:
        yield web.route(route.method, route.path, one_at_a_time(route.handler), **route.kwargs)


async def home(_: web.Request) -> web.Response:
    """The first page."""
    return see_other("/keys")


async def choose_environment(request: web.Request) -> web.Response:
    """Choose the environment that pages are about, and go back to the page."""
    form = await fields_of(request)
    response = see_other(local_path(form.get("back", "")))
    chosen = form.get("environment", "")
    if REF.fullmatch(chosen):
        keep_cookie(request, response, ENVIRONMENT, chosen)
    return response
