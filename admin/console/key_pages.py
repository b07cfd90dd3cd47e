"""The pages of keys: the tables, a key of its own, and what can be done to it.

Tested in `tests/admin/console/test_key_pages.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.representations import Json, timestamp
from admin.api.resources.keys import KeyResource
from admin.api.schemas import ENVIRONMENT, KEY, Purpose, settable_values
from admin.console.base import Page, body_from, fields_of, open_page, see_other
from admin.console.form_tokens import FormTokens
from admin.console.table import Table, is_viewed, read_table
from admin.service.errors import Refused
from proxy.domain.model import Action, Role, WardgateError
from proxy.domain.settings import duration

LIFETIMES: Final = (
    ("", "as the settings say"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("365d", "1 year"),
    ("never", "never"),
    ("date", "on a date"),
)
"""What the form offers as a key's expiry."""
STATES: Final = (
    ("", "all"),
    ("active", "active"),
    ("inactive", "inactive"),
    ("expired", "expired"),
)
_FILTERS: Final[Mapping[str, list[tuple[str, str]]]] = {
    "active": [("state", "active"), ("expired", "false")],
    "inactive": [("state", "inactive")],
    "expired": [("expired", "true")],
}
"""The choice of a state in a table → the parameters that the API has for it."""


class KeyPages:
    """Handlers, each of which answers with a page."""

    def __init__(self, keys: KeyResource, clock: Callable[[], int]) -> None:
        self._keys = keys
        self._clock = clock
        self._forms = FormTokens()

    # --- tables ---

    async def list(self, request: web.Request) -> web.Response:
        """The account's keys, and those of the environment that is chosen."""
        opened = await open_page(request)
        tables = [await self._table(opened, "account", opened.owner.ref)]
        if opened.chosen is not None:
            tables.append(await self._table(opened, "environment", opened.chosen["id"]))
        wanted = request.headers.get("HX-Target")
        for table in tables:
            if wanted == f"table-{table.name}":  # search as you type asks for one table alone
                return opened.render("key_table.html", table=table)
        return opened.render("keys.html", tables=tables)

    async def _table(self, opened: Page, name: str, owner: str) -> Table:
        first = name == "account"
        viewed = is_viewed(opened.request, name, first=first)
        state = opened.request.query.get("state", "") if viewed else ""
        filters = [("accountId", owner), *_FILTERS.get(state, ())]
        scope = None if first else parse_id(ENVIRONMENT, owner)
        context = opened.context._replace(scope=scope)
        table = await read_table(
            opened, self._keys, name, filters, STATES, context=context, first=first
        )
        return replace(
            table,
            endpoint=opened.chosen["endpoint"]
            if opened.chosen and not first
            else self._keys.endpoint_of(None),
        )

    # --- making one ---

    async def new(self, request: web.Request) -> web.Response:
        """The form for a new key."""
        opened = await open_page(request)
        return self._new_form(opened, {"accountId": request.query.get("owner", opened.owner.ref)})

    def _new_form(
        self, opened: Page, form: Mapping[str, str], refused: Refused | None = None
    ) -> web.Response:
        status = 200 if refused is None else refused.status
        return opened.render(
            "key_new.html",
            status,
            form=defaultdict(str, form),
            refused=refused,
            token=self._forms.new(),
            lifetimes=LIFETIMES,
            roles=_roles(opened),
        )

    async def create(self, request: web.Request) -> web.Response:
        """Make a key, and show its secret, here and nowhere else."""
        opened, form = await open_page(request), await fields_of(request)
        if not self._forms.take(form.get("form", "")):
            return see_other("/keys")  # the page was loaded again: the key exists already
        try:
            values = settable_values(KEY, self._body(form), Purpose.CREATE)
            made = await self._keys.create(opened.context, values)
        except WardgateError as error:
            return self._new_form(opened, form, _as_refused(error))
        return _secret_page(opened, made, rotated=False)

    def _body(self, form: Mapping[str, str]) -> dict[str, object]:
        """The form as a body of the API. Raises `Refused`."""
        body = body_from(KEY, dict(form))
        for name in ("role", "expires"):
            if not body.get(name):
                body.pop(name, None)
        if "lifetime" in form:
            body.pop("expires", None)
            expires = self._expiry(form["lifetime"], form.get("date", ""))
            if form["lifetime"]:
                body["expires"] = expires
        return body

    def _expiry(self, lifetime: str, date: str) -> str | None:
        """When a key of this lifetime expires: on a date, at the end of that day in UTC."""
        if lifetime == "date":
            if not date:
                raise Refused("MissingRequired", "choose a date", field="expires")
            return f"{date}T23:59:59Z"
        return (
            timestamp(self._clock() + duration(lifetime)) if lifetime not in {"", "never"} else None
        )

    # --- one key ---

    async def _get(self, opened: Page) -> Json:
        return self._keys.show(
            await self._keys.get(opened.context, _id(opened.request)), opened.context.links
        )

    async def get(self, request: web.Request) -> web.Response:
        """A key of its own."""
        opened = await open_page(request)
        return opened.render("key.html", key=await self._get(opened))

    async def edit_form(self, request: web.Request) -> web.Response:
        """The form to change a key."""
        opened = await open_page(request)
        key = await self._get(opened)
        return self._edit_form(opened, key, _form_of(key))

    def _edit_form(
        self, opened: Page, key: Json, form: Mapping[str, str], refused: Refused | None = None
    ) -> web.Response:
        status = 200 if refused is None else refused.status
        return opened.render(
            "key_edit.html",
            status,
            key=key,
            form=defaultdict(str, form),
            refused=refused,
            roles=_roles(opened),
        )

    async def edit(self, request: web.Request) -> web.Response:
        """Change a key."""
        opened, form = await open_page(request), await fields_of(request)
        key = await self._get(opened)
        body = body_from(KEY, form) | {
            "expires": f"{form['date']}T23:59:59Z" if form.get("date") else None
        }
        if form.get("date") and (key["expires"] or "").startswith(form["date"]):
            del body["expires"]  # the same day: the time of day stays
        try:
            values = settable_values(KEY, body, Purpose.UPDATE)
            await self._keys.edit(opened.context, _id(request), values)
        except WardgateError as error:
            return self._edit_form(opened, key, form, _as_refused(error))
        return see_other(f"/keys/{key['id']}")

    async def apply(self, request: web.Request) -> web.Response:
        """Activate, deactivate or remove a key."""
        opened = await open_page(request)
        action = Action(request.match_info["action"])
        await self._keys.apply(opened.context, _id(request), action)
        back = (await fields_of(request)).get("back", "/keys")
        return see_other(back if back.startswith("/keys") else "/keys")

    async def apply_to_several(self, request: web.Request) -> web.Response:
        """Activate, deactivate or remove the keys that are marked."""
        opened = await open_page(request)
        form = await request.post()
        try:
            action = Action(str(form.get("action", "")))
        except ValueError:
            raise Refused("InvalidAction", field="action") from None
        failed = []
        for ref in form.getall("key", []):
            try:
                await self._keys.apply(opened.context, parse_id(KEY, str(ref)), action)
            except WardgateError as error:
                failed.append((str(ref), str(error)))
        if failed:
            return opened.render("several.html", 409, action=action, failed=failed)
        return see_other("/keys")

    async def rotate_form(self, request: web.Request) -> web.Response:
        """What a rotation does, before it is done."""
        opened = await open_page(request)
        return opened.render(
            "key_rotate.html", key=await self._get(opened), token=self._forms.new()
        )

    async def rotate(self, request: web.Request) -> web.Response:
        """Give a key a new secret, and show it."""
        opened, form = await open_page(request), await fields_of(request)
        if not self._forms.take(form.get("form", "")):
            return see_other(f"/keys/{request.match_info['id']}")
        body = {"overlap": form["overlap"]} if form.get("overlap") else {}
        made = await self._keys.custom_actions["rotate"](opened.context, _id(request), body)
        return _secret_page(opened, made, rotated=True)

    async def remove_form(self, request: web.Request) -> web.Response:
        """What stops working, before a key is removed."""
        opened = await open_page(request)
        return opened.render("key_remove.html", key=await self._get(opened))


def _secret_page(opened: Page, made: Json, *, rotated: bool) -> web.Response:
    """The only page that shows a secret: no cache keeps it, and no other URL has it."""
    host = urlsplit(made["endpoint"]).hostname
    return opened.render("key_secret.html", 201, key=made, rotated=rotated, host=host)


def _id(request: web.Request) -> Any:
    return parse_id(KEY, request.match_info["id"])


def _roles(opened: Page) -> list[Role]:
    """The roles that the presented key can give."""
    return [role for role in Role if opened.context.caller.key.role.covers(role)]


def _form_of(key: Json) -> dict[str, str]:
    """A key as the form to change it has it."""
    return {
        "name": key["name"] or "",
        "description": key["description"] or "",
        "role": key["role"],
        "date": (key["expires"] or "")[:10],
    }


def _as_refused(error: WardgateError) -> Refused:
    """An error that the form shows beside a field. What is no refusal is raised again."""
    if isinstance(error, Refused) and 400 <= error.status < 500 and error.status != 401:
        return error
    raise error
