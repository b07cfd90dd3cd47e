"""Advice on a key: what it was used for, and the limits that would have sufficed, to be applied.

What is applied is what the page has shown: the form names it by a digest, and nothing is done where
the key or its use has changed in between.

Tested in `tests/admin/console/test_advice_pages.py`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

from aiohttp import web

from admin.api.advice import advice_json, parse_days
from admin.api.paths import ID
from admin.api.representations import Json
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.key_pages import KeyPages
from admin.console.resource_pages import as_refused
from admin.console.usage_pages import TOO_MUCH
from admin.service import Advice
from admin.service.errors import Refused
from proxy.domain.errors import WardgateError
from proxy.domain.limits import limits_json
from proxy.domain.model import Action

DAYS: Final = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year"))
"""The spans that the page offers: (days, text)."""
MOST: Final = 100
"""Lines of each list that it shows."""
CHANGED: Final = (
    "The key or its use has changed since this page was opened, so nothing was done now. Look at "
    "it again before you apply it."
)


class AdvicePages:
    """Handlers, each of which answers with a page. They raise as resources do."""

    def __init__(self, pages: KeyPages) -> None:
        self._pages = pages

    async def show(self, request: web.Request) -> web.Response:
        """The advice, from as many days of use as the URL says."""
        return await self._page(await open_page(request), parse_days(request.query))

    async def apply(self, request: web.Request) -> web.Response:
        """Give the key the limits that the page has shown."""
        opened, form = await open_page(request), await fields_of(request)
        shown, days = await self._pages.shown(opened), parse_days(form)
        self._pages.require(shown, Action.UPDATE)
        try:
            advice = await self._advise(opened, days)
            if form.get("seen") != _digest(advice):
                raise Refused("Conflict", CHANGED)
            caller = opened.context.caller
            await opened.resources.advice.apply(caller, advice, trial="trial" in form)
        except WardgateError as error:
            return await self._page(opened, days, as_refused(error))
        return see_other(f"/keys/{shown['id']}")

    async def _page(self, opened: Page, days: int, refused: Refused | None = None) -> web.Response:
        shown = await self._pages.shown(opened)
        try:
            advice = await self._advise(opened, days)
        except Refused as unread:
            if unread.code not in TOO_MUCH:
                raise
            advice = None
        return opened.render(
            "key_advice.html",
            opened.status(refused),
            shown=shown,
            days=days,
            spans=DAYS,
            most=MOST,
            advice=None if advice is None else advice_json(advice, opened.context.links),
            before=None if advice is None else limits_json(advice.key.limits),
            seen=None if advice is None else _digest(advice),
            why_not=self._why_not(shown),
            refused=refused,
        )

    async def _advise(self, opened: Page, days: int) -> Advice:
        key_id = self._pages.id(opened.request)
        return await opened.resources.advice.advise(opened.context.caller, key_id, days)

    def _why_not(self, shown: Json) -> str:
        """Why the caller may not apply advice to a key; empty where that is allowed."""
        try:
            self._pages.require(shown, Action.UPDATE)
        except Refused as refused:
            return refused.detail or refused.message
        return ""

    def routes(self) -> list[web.RouteDef]:
        """The routes of the page."""
        path = f"/keys/{{id:{ID}}}/advice"
        return [web.get(path, self.show), web.post(path, self.apply)]


def _digest(advice: Advice) -> str:
    """What stands for the limits of a key and those that are advised."""
    sides = [limits_json(advice.key.limits), limits_json(advice.limits)]
    return sha256(json.dumps(sides, sort_keys=True).encode()).hexdigest()
