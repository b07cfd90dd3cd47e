"""The pages of keys: the two tables, and what can be done to a key besides.

Tested in `tests/admin/console/test_key_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.representations import Json
from admin.api.resources.keys import KeyResource
from admin.api.schemas import ENVIRONMENT, KEY
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.resource_pages import STATES, ResourcePages
from admin.console.table import Table, is_viewed, read_table, refs_in
from admin.service.errors import Refused
from proxy.domain.model import Action, Role, WardgateError

LIFETIMES: Final = (
    ("", "As the settings say"),
    ("7d", "In 7 days"),
    ("30d", "In 30 days"),
    ("90d", "In 90 days"),
    ("365d", "In a year"),
    ("never", "Never"),
    ("date", "On a date"),
)
"""What the form offers as a new key's expiry."""
_FILTERS: Final[Mapping[str, list[tuple[str, str]]]] = {
    "active": [("state", "active"), ("expired", "false")],
    "inactive": [("state", "inactive")],
    "expired": [("expired", "true")],
}
"""The choice of a state in a table → the parameters that the API has for it."""


class KeyPages(ResourcePages):
    """The pages of keys."""

    path = "/keys"
    template = "key"
    states = (*STATES, ("expired", "expired"))

    def __init__(self, keys: KeyResource) -> None:
        super().__init__(keys)
        self._keys = keys

    # --- tables ---

    async def index(self, request: web.Request) -> web.Response:
        """The account's keys, and those of the environment that is chosen."""
        opened = await open_page(request)
        tables = [await self.table(opened, "account", opened.owner.ref)]
        if opened.chosen is not None:
            tables.append(await self.table(opened, "environment", opened.chosen["id"]))
        for table in tables:
            if request.headers.get("HX-Target") == f"table-{table.name}":
                return opened.render("key_table.html", table=table)
        endpoint = self._keys.endpoint_of(None)
        return opened.render("keys.html", tables=tables, endpoint=endpoint)

    async def table(self, opened: Page, name: str, owner: str) -> Table:
        """The table of the keys of an account, or of an environment."""
        first = name == "account"
        viewed = is_viewed(opened.request, name, first=first)
        state = opened.request.query.get("state", "") if viewed else ""
        filters = [("accountId", owner), *_FILTERS.get(state, ())]
        scope = None if first else parse_id(ENVIRONMENT, owner)
        context = opened.context._replace(scope=scope)
        table = await read_table(
            opened, self.resource, name, filters, self.states, context=context, first=first
        )
        return replace(table, owner=owner)

    async def apply_to_several(self, request: web.Request) -> web.Response:
        """Do an action on all keys that are marked."""
        opened = await open_page(request)
        form = await request.post()
        action = next((each for each in Action if each == form.get("action")), None)
        if action is None:
            raise Refused("InvalidAction", field="action")
        failed = []
        for ref in map(str, form.getall("key", [])):
            try:
                await self.resource.apply(opened.context, parse_id(KEY, ref), action)
            except WardgateError as error:
                failed.append((ref, str(error)))
        if failed:
            return opened.render("several.html", 409, action=action, failed=failed)
        return see_other("/keys")

    async def beside(self, opened: Page, shown: Json) -> Mapping[str, Any]:
        return {"names": await opened.resources.names_of(opened.context, refs_in([shown]))}

    # --- forms ---

    def choices(self, opened: Page) -> Mapping[str, Any]:
        given = opened.context.caller.key.role
        return {"lifetimes": LIFETIMES, "roles": [role for role in Role if given.covers(role)]}

    def body(self, form: Mapping[str, str], old: Json | None) -> dict[str, object]:
        body = super().body(form, old)
        if not body.get("role"):
            body.pop("role", None)
        lifetime = form.get("lifetime", "date")
        if lifetime:
            body["expires"] = self._expiry(lifetime, form.get("date", ""), old)
        return body

    def _expiry(self, lifetime: str, date: str, old: Json | None) -> str | None:
        """When a key expires: on a date, that is at the end of this day in UTC. Where the date is
        that of the `old` key, its time of day stays. Raises `Refused`."""
        if lifetime == "date":
            if not date and old is None:
                raise Refused("MissingRequired", "choose a date", field="expires")
            if old is not None and (old["expires"] or "")[:10] == date:
                return old["expires"] and str(old["expires"])
            return f"{date}T23:59:59Z" if date else None
        return None if lifetime == "never" else lifetime

    def form_of(self, shown: Json) -> dict[str, str]:
        return super().form_of(shown) | {"date": (shown["expires"] or "")[:10]}

    def made(self, opened: Page, made: Json) -> web.Response:
        return secret_page(opened, made, rotated=False)

    # --- rotation ---

    async def rotate_form(self, request: web.Request) -> web.Response:
        """What a rotation does, before it is done."""
        opened = await open_page(request)
        return opened.render(
            "key_rotate.html", shown=await self.shown(opened), token=self._forms.new()
        )

    async def rotate(self, request: web.Request) -> web.Response:
        """Give a key a new secret, and show it."""
        opened, form = await open_page(request), await fields_of(request)
        if not self._forms.take(form.get("form", "")):
            return see_other(f"/keys/{request.match_info['id']}")
        body = {"overlap": form["overlap"]} if form.get("overlap") else {}
        made = await self._keys.custom_actions["rotate"](opened.context, self.id(request), body)
        return secret_page(opened, made, rotated=True)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/keys/apply", self.apply_to_several),
            web.get("/keys/{id}/rotate", self.rotate_form),
            web.post("/keys/{id}/rotate", self.rotate),
            *super().routes(),
        ]


def secret_page(opened: Page, key: Json, *, rotated: bool) -> web.Response:
    """The only page that shows a secret: no cache keeps it, and no URL leads to it again."""
    host = urlsplit(key["endpoint"]).hostname
    return opened.render("key_secret.html", 201, key=key, rotated=rotated, host=host)
