"""The page of the settings, and the question before access control is switched off.

Tested in `tests/admin/console/test_settings_pages.py`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from admin.api.resources import Resources
from admin.api.schemas import SETTING
from admin.api.values import Purpose, settable_values
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.open_forms import KEPT, kept_for
from admin.console.resource_pages import as_refused
from admin.service.errors import Refused
from proxy.domain.errors import WardgateError
from proxy.domain.settings import ACCESS_CONTROL
from proxy.store.query import Query

CONFIRMED: Final = "confirmed"
"""The field of a form that switches access control off: only the page that asks has it."""


class SettingsPages:
    """Handlers, each of which answers with a page."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings

    async def index(self, request: web.Request) -> web.Response:
        """All settings, each with a form for those who may change it."""
        opened, typed = await open_page(request), kept_for(request)
        if typed is None:
            return await self._page(opened)
        name = typed.path.rpartition("/")[2]
        return await self._page(
            opened, Refused("Conflict", KEPT), name, typed.fields.get("value", "")
        )

    async def set(self, request: web.Request) -> web.Response:
        """Give a setting a value. Access control is switched off after a question alone."""
        opened, form = await open_page(request), await fields_of(request)
        name, value = request.match_info["name"], form.get("value", "").strip()
        if (name, value) == (ACCESS_CONTROL, "off") and CONFIRMED not in form:
            return see_other(f"/settings/{ACCESS_CONTROL}/off")
        try:
            values = settable_values(SETTING, {"value": value}, Purpose.UPDATE, opened.now)
            await self._settings.edit(opened.context, name, values)
        except WardgateError as error:
            return await self._page(opened, as_refused(error), name, value)
        return see_other(f"/settings?saved={name}#{name}")

    async def ask(self, request: web.Request) -> web.Response:
        """What it means to switch access control off, before it is done. Raises `Refused`."""
        opened = await open_page(request)
        view = await self._settings.get(opened.context, ACCESS_CONTROL)
        if not view.actions:
            raise Refused("Forbidden")
        return opened.render("access_control_off.html", confirmed=CONFIRMED)

    async def _page(
        self, opened: Page, refused: Refused | None = None, name: str = "", value: str = ""
    ) -> web.Response:
        """The page; `refused` says why a setting did not get a value."""
        listing = await self._settings.list(opened.context, Query())
        shown = [self._settings.show(view, opened.context.links) for view in listing.views]
        return opened.render(
            "settings.html",
            opened.status(refused),
            access_control=next(each for each in shown if each["name"] == ACCESS_CONTROL),
            settings=[each for each in shown if each["name"] != ACCESS_CONTROL],
            saved=opened.request.query.get("saved", ""),
            refused=refused,
            name=name,
            value=value,
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        return [
            web.get("/settings", self.index),
            web.post("/settings/{name}", self.set),
            web.get(f"/settings/{ACCESS_CONTROL}/off", self.ask),
        ]
