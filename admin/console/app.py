"""The console's routes, and the page that a browser gets in place of an error."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from admin.api.middleware import CALLER, LOGIN, CredentialChecker, request_id_of
from admin.api.resources import Resources
from admin.console.base import ENVIRONMENT, fields_of, local_path, see_other
from admin.console.key_pages import KeyPages
from admin.console.login_pages import LoginPages, login_page
from admin.console.rendering import page, static
from admin.service.errors import Refused
from admin.service.sessions import SessionService


class Console:
    """The pages."""

    def __init__(
        self,
        resources: Resources,
        sessions: SessionService,
        checker: CredentialChecker,
        clock: Callable[[], int],
    ) -> None:
        login = LoginPages(sessions, checker, request_id_of)
        keys = KeyPages(resources.keys, clock)
        self.routes = (
            web.get("/static/{name:[a-z.-]+}", static),
            web.get("/login", login.form),
            web.post("/login", login.login),
            web.post("/logout", login.logout),
            web.get("/sessions", login.list),
            web.post("/sessions/end", login.end),
            web.get("/", home),
            web.post("/environment", choose_environment),
            web.get("/keys", keys.list),
            web.get("/keys/new", keys.new),
            web.post("/keys", keys.create),
            web.post("/keys/apply", keys.apply_to_several),
            web.get("/keys/{id}", keys.get),
            web.get("/keys/{id}/edit", keys.edit_form),
            web.post("/keys/{id}/edit", keys.edit),
            web.get("/keys/{id}/rotate", keys.rotate_form),
            web.post("/keys/{id}/rotate", keys.rotate),
            web.get("/keys/{id}/remove", keys.remove_form),
            web.post("/keys/{id}/{action:activate|deactivate|remove}", keys.apply),
        )

    def refused(self, request: web.Request, refused: Refused) -> web.Response:
        """The page for an error. Who is not logged in gets the login form."""
        if refused.status == 401 and CALLER not in request:
            return login_page(request, 401)
        return page("error.html", refused.status, refused=refused, logged_in=LOGIN in request)


async def home(_: web.Request) -> web.Response:
    """The first page."""
    return see_other("/keys")


async def choose_environment(request: web.Request) -> web.Response:
    """Choose the environment that pages are about, and go back to the page."""
    form = await fields_of(request)
    response = see_other(local_path(form.get("back", "")))
    response.set_cookie(ENVIRONMENT, form.get("environment", ""), samesite="Strict", httponly=True)
    return response
