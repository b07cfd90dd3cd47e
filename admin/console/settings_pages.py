"""The settings.

Tested in `tests/admin/console/test_settings_pages.py`.
"""

from __future__ import annotations

from aiohttp import web

from admin.api.resources import Resources
from admin.api.schemas import SETTING, Purpose, settable_values
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.resource_pages import as_refused
from admin.service.errors import Refused
from proxy.domain.model import WardgateError
from proxy.store.query import Query


class SettingsPages:
    """Handlers, each of which answers with a page."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings

    async def index(self, request: web.Request) -> web.Response:
        """All settings, each with a form for those who may change it."""
        return await self._page(await open_page(request))

    async def _page(
        self, opened: Page, refused: Refused | None = None, name: str = "", value: str = ""
    ) -> web.Response:
        listing = await self._settings.list(opened.context, Query())
        shown = [self._settings.show(view, opened.context.links) for view in listing.views]
        return opened.render(
            "settings.html",
            200 if refused is None else refused.status,
            settings=shown,
            refused=refused,
            name=name,
            value=value,
        )

    async def set(self, request: web.Request) -> web.Response:
        """Give a setting a value."""
        opened, form = await open_page(request), await fields_of(request)
        name = request.match_info["name"]
        try:
            values = settable_values(
                SETTING, {"value": form.get("value")}, Purpose.UPDATE, opened.now
            )
            await self._settings.edit(opened.context, name, values)
        except WardgateError as error:
            return await self._page(opened, as_refused(error), name, form.get("value", ""))
        return see_other("/settings")

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        return [web.get("/settings", self.index), web.post("/settings/{name}", self.set)]
