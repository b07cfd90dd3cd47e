"""The page on which a key gets a new secret.

Tested in `tests/admin/console/test_rotation_pages.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from admin.api.paths import ID
from admin.api.resources.keys import KeyResource
from admin.console.base import Page, fields_of, open_page
from admin.console.key_pages import KeyPages, secret_page
from admin.console.open_forms import typed_before
from admin.console.resource_pages import as_refused
from admin.service.errors import Refused
from admin.service.rotation import usual_overlap
from proxy.domain.errors import WardgateError
from proxy.domain.model import Action
from proxy.domain.settings import duration, duration_text

OVERLAPS: Final = (
    ("1h", "1 hour", ""),
    ("24h", "1 day", ""),
    ("7d", "7 days", "Time to change it in many places"),
    ("0", "Not at all", "It has leaked: what still uses it stops working at once"),
)
"""How long the present secret stays valid after a rotation: (value, text, when to choose it)."""


class RotationPages:
    """Handlers, each of which answers with a page. They raise as resources do."""

    def __init__(self, keys: KeyResource, pages: KeyPages) -> None:
        self._keys = keys
        self._pages = pages

    async def form(self, request: web.Request) -> web.Response:
        """What a rotation does, before it is done."""
        return await self._page(await open_page(request), *typed_before(request, {}))

    async def rotate(self, request: web.Request) -> web.Response:
        """Give a key a new secret, and show it."""
        opened, form = await open_page(request), await fields_of(request)
        given = {name: form.get(name, "").strip() for name in ("overlap", "finishWhenQuiet")}
        body = {name: value for name, value in given.items() if value}
        key_id = self._pages.id(request)
        try:
            opened.use_form(form)
            made = await self._keys.custom_actions["rotate"](opened.context, key_id, body)
        except WardgateError as error:
            return await self._page(opened, form, as_refused(error))
        return secret_page(opened, made, rotated=True)

    async def _page(
        self, opened: Page, form: Mapping[str, str], refused: Refused | None
    ) -> web.Response:
        shown, usual = await self._pages.shown(opened), await self._keys.overlap()
        self._pages.require(shown, Action.ROTATE)
        return opened.render(
            "key_rotate.html",
            opened.status(refused),
            shown=shown,
            overlaps=_overlaps(usual),
            longest=duration_text(usual_overlap(duration(usual), quiet=True)),
            form=defaultdict(str, form),
            refused=refused,
            token=opened.form_token(f"/keys/{shown['id']}/rotate"),
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of the page."""
        path = f"/keys/{{id:{ID}}}/rotate"
        return [web.get(path, self.form), web.post(path, self.rotate)]


def _overlaps(usual: str) -> list[tuple[str, str, str]]:
    """What the form offers: first `usual`, the time in the settings."""
    same = [text for value, text, _ in OVERLAPS if duration(value) == duration(usual)]
    others = [each for each in OVERLAPS if each[1] not in same]
    return [("", (same or [usual])[0], "As the settings say"), *others]
