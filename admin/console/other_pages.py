"""The audit log, and the settings.

Tested in `tests/admin/console/test_other_pages.py`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from admin.api.resources import Resources
from admin.api.schemas import SETTING, Purpose, settable_values
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.resource_pages import as_refused
from admin.console.table import read_table
from admin.service.errors import Refused
from proxy.domain.model import WardgateError
from proxy.store.query import Query

_AUDIT_FILTERS: Final = {
    "who": ("accountId", "eq"),
    "what": ("resourceId", "eq"),
    "event": ("eventType", "prefix"),
    "since": ("created", "gte"),
    "until": ("created", "lte"),
}
"""The fields of the form → (field of the API, modifier)."""


class OtherPages:
    """Handlers, each of which answers with a page."""

    def __init__(self, resources: Resources) -> None:
        self._audit_log = resources.audit_log
        self._settings = resources.settings

    async def audit(self, request: web.Request) -> web.Response:
        """The audit log, the latest entries first."""
        opened = await open_page(request)
        given = {name: request.query.get(name, "").strip() for name in _AUDIT_FILTERS}
        filters = []
        for name, (field, modifier) in _AUDIT_FILTERS.items():
            if given[name]:
                end = {"since": "T00:00:00Z", "until": "T23:59:59Z"}.get(name, "")
                filters.append((f"{field}_{modifier}", given[name] + end))
        table = await read_table(opened, self._audit_log, "audit", filters)
        return opened.render("audit.html", table=table, given=given)

    async def settings(self, request: web.Request) -> web.Response:
        """All settings, each with a form for those who may change it."""
        return await self._settings_page(await open_page(request))

    async def _settings_page(
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
            return await self._settings_page(opened, as_refused(error), name, form.get("value", ""))
        return see_other("/settings")
