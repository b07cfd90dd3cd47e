"""The pages of keys: the two tables, and what can be done to a key besides.

Tested in `tests/admin/console/test_key_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from admin.api.form import form_of, pairs_of
from admin.api.handlers import parse_id
from admin.api.representations import Json
from admin.api.resources import RequestContext
from admin.api.resources.keys import KeyResource
from admin.api.schemas import ENVIRONMENT, KEY
from admin.console.base import Page, local_path, open_page, see_other
from admin.console.choices import ref_of
from admin.console.key_owners import key_owners
from admin.console.key_page import beside_key
from admin.console.resource_pages import STATES, ResourcePages
from admin.console.table import SEVERAL, Table, is_viewed, read_table
from admin.service.errors import Refused
from admin.service.permissions import Subject
from proxy.domain.errors import WardgateError
from proxy.domain.model import Action, Role
from proxy.domain.settings import duration

LIFETIMES: Final = (
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("365d", "1 year"),
    ("never", "Never"),
    ("date", "On a date"),
)
"""What the form offers as a key's expiry: (value, text)."""
PROPOSED: Final = "90d"
"""What it proposes for a new key where the settings have no default."""
ROLES: Final = {
    Role.OWNER: "Everything that its account may: the API, environments, members and keys",
    Role.MEMBER: "Uses the API, and may create and change keys",
    Role.RESTRICTED: "Uses the API, and changes nothing in Wardgate",
    Role.READONLY: "Reads only: requests that may change something are refused",
}
"""What each role of a key means."""
_USABLE: Final = (("state", "active"), ("expired", "false"))
FILTERS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "active": _USABLE,
    "inactive": (("state", "inactive"),),
    "expired": (("expired", "true"),),
    "expiring": (*_USABLE, ("expiring", "30d")),
    "never-used": (*_USABLE, ("lastUsed_null", "")),
    "unused": (*_USABLE, ("unused", "90d"), ("lastUsed_notnull", "")),
}
"""The choice of a state in a table → the parameters that the API has for it."""
_SEVERAL: Final = {each.value: each for each in SEVERAL}
MOST: Final = 100
"""Keys on which an action is done at once: others wait for the writes, and an error comes after
those that were done."""


class KeyPages(ResourcePages):
    """The pages of keys."""

    path = "/keys"
    template = noun = "key"
    subjects = (Subject.ACCOUNT_KEY, Subject.ENVIRONMENT_KEY)
    states = (
        *STATES,
        ("expired", "Expired"),
        ("expiring", "Expire within 30 days"),
        ("never-used", "Active, never used"),
        ("unused", "Active, unused for 90 days"),
    )

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

    async def all(self, request: web.Request) -> web.Response:
        """The keys of everybody, for administrators."""
        opened = await open_page(request)
        if not opened.administers:
            return see_other("/keys")
        return opened.render("all_keys.html", table=await self.table(opened, "all"))

    async def table(self, opened: Page, name: str, owner: str = "") -> Table:
        """The table of the keys of an account, of an environment, or of all."""
        first = name != "environment"
        viewed = is_viewed(opened.request, name, first=first)
        state = opened.request.query.get("state", "") if viewed else ""
        filters = [*([("accountId", owner)] if owner else ()), *FILTERS.get(state, ())]
        scope = None if first else parse_id(ENVIRONMENT, owner)
        context = opened.context._replace(scope=scope)
        table = await read_table(
            opened, self.resource, name, filters, self.states, context=context, first=first
        )
        return replace(table, owner=owner)

    async def apply_to_several(self, request: web.Request) -> web.Response:
        """Do an action on all keys that are selected. A removal is asked about first."""
        opened = await open_page(request)
        form = await form_of(request)
        action = _SEVERAL.get(form.get("action", ""))
        if action is None:
            raise Refused("InvalidAction", field="action")
        refs = (value for name, value in await pairs_of(request) if name == "key")
        ids = list(dict.fromkeys(parse_id(KEY, ref) for ref in refs))
        if len(ids) > MOST:
            detail = f"at most {MOST} keys are changed at once, and {len(ids)} are selected"
            raise Refused("MaxLimitExceeded", f"{detail}; nothing was done", field="key")
        back = local_path(form.get("back", ""))
        if action is Action.REMOVE and "sure" not in form:
            views = [await self.resource.get(opened.context, each) for each in ids]
            keys = [self.resource.show(view, opened.context.links) for view in views]
            return opened.render("several.html", keys=keys, failed=[], back=back)
        failed = []
        for each in ids:
            try:
                await self._apply(opened.context, each, action)
            except WardgateError as error:
                failed.append((f"1c{each}", str(error)))
        if failed:
            return opened.render("several.html", 409, action=action, failed=failed, back=back)
        return see_other(back)

    async def _apply(self, context: RequestContext, key: int, action: Action) -> None:
        """Do an action on one key; an active one is deactivated before it is removed."""
        if (
            action is Action.REMOVE
            and (await self._keys.get(context, key)).record.state == "active"
        ):
            await self.resource.apply(context, key, Action.DEACTIVATE)
        await self.resource.apply(context, key, action)

    # --- forms ---

    async def beside(self, opened: Page, shown: Json) -> Mapping[str, Any]:
        beside = await beside_key(opened, self._keys, self.id(opened.request), shown)
        return {**beside, "quota": await self.quota(opened, shown)}

    async def choices(
        self, opened: Page, old: Json | None, form: Mapping[str, str]
    ) -> Mapping[str, Any]:
        owners = None if old else await key_owners(opened, form.get("accountId", ""))
        strongest = owners.strongest if owners else await self._strongest(opened, old)
        roles = [(role, text) for role, text in ROLES.items() if strongest.covers(role)]
        usual, latest = await self._keys.expiries(opened.context)
        lifetimes = [each for each in LIFETIMES if _is_within(each[0], opened.now, latest)]
        if usual is not None:
            days = round((usual - opened.now) / duration("1d"))
            lifetimes.insert(0, ("", f"Default: {days} days" if days > 1 else "Default"))
        proposed = PROPOSED if usual is None and latest is None else ""
        return {"lifetimes": lifetimes, "roles": roles, "proposed": proposed, "owners": owners}

    async def _strongest(self, opened: Page, key: Json | None) -> Role:
        """The strongest role that the caller can give to a key."""
        number = int((key or {})["accountId"][2:])
        roles = await self._keys.strongest_roles(opened.context, [number])
        return roles.get(number, opened.context.caller.role)

    async def body(
        self, opened: Page, form: Mapping[str, str], old: Json | None
    ) -> dict[str, object]:
        body = await super().body(opened, form, old)
        if form.get("environment", "").strip():
            environments = opened.resources.environments
            body["accountId"] = await ref_of(
                opened, environments, form["environment"], "environment"
            )
        if not body.get("role"):
            body.pop("role", None)
        lifetime = form.get("lifetime", "")
        if lifetime:
            body["expires"] = self._expiry(lifetime, form.get("date", ""), old)
        return body

    def _expiry(self, lifetime: str, date: str, old: Json | None) -> str | None:
        """When a key expires: on a date, that is at the end of this day in UTC. Where the date is
        that of the `old` key, its time of day stays. Raises `Refused`."""
        if lifetime == "never":
            return None
        if lifetime != "date":
            return lifetime
        if not date:
            raise Refused("MissingRequired", "choose a date", field="expires")
        if old is not None and (old["expires"] or "")[:10] == date:
            return str(old["expires"])
        return f"{date}T23:59:59Z"

    def form_of(self, shown: Json) -> dict[str, str]:
        expires = shown["expires"] or ""
        lifetime = "date" if expires else "never"
        return super().form_of(shown) | {"date": expires[:10], "lifetime": lifetime}

    def why_not(self, shown: Json) -> str:
        if shown["actions"].keys() & {*SEVERAL}:
            return (
                "this key is stronger than the one that you have logged in with, is valid for "
                "longer, or is limited less; you can deactivate and delete it"
            )
        return super().why_not(shown)

    def made(self, opened: Page, made: Json) -> web.Response:
        return secret_page(opened, made, rotated=False)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/keys/apply", self.apply_to_several),
            web.get("/keys/all", self.all),
            *super().routes(),
        ]


def _is_within(lifetime: str, now: int, latest: int | None) -> bool:
    """Whether a key that is made at `now` may have a lifetime as the form offers it."""
    if latest is None or lifetime == "date":
        return True
    return lifetime != "never" and now + duration(lifetime) <= latest


def secret_page(opened: Page, key: Json, *, rotated: bool) -> web.Response:
    """The only page that shows a secret: no cache keeps it, and no URL leads to it again."""
    host = urlsplit(key["endpoint"]).hostname
    return opened.render("key_secret.html", 201, key=key, rotated=rotated, host=host)
