"""The pages of environments, with their members.

Tested in `tests/admin/console/test_other_pages.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.representations import Json
from admin.api.resources import Resources
from admin.api.schemas import ENVIRONMENT, MEMBER
from admin.api.values import Purpose, settable_values
from admin.console.base import Page, fields_of, open_page, see_other
from admin.console.choices import ref_of
from admin.console.key_pages import KeyPages
from admin.console.open_forms import typed_before
from admin.console.resource_pages import ResourcePages, as_refused
from admin.console.table import refs_in
from admin.console.usage_pages import read_usage
from admin.service.errors import Refused
from admin.service.permissions import Subject
from proxy.domain.errors import WardgateError
from proxy.domain.model import Action, Role
from proxy.store.query import Query


class EnvironmentPages(ResourcePages):
    """The pages of environments."""

    path = "/environments"
    template = noun = "environment"
    subjects = (Subject.ENVIRONMENT,)

    def __init__(self, resources: Resources, keys: KeyPages) -> None:
        super().__init__(resources.environments)
        self._keys = keys
        self._members = resources.members
        self._accounts = resources.accounts

    async def beside(
        self,
        opened: Page,
        shown: Json,
        form: Mapping[str, str] = {},
        refused: Refused | None = None,
    ) -> Mapping[str, Any]:
        """The members, the keys and the usage."""
        if opened.request.method != "POST":
            form, refused = typed_before(opened.request, form)
        number, path = parse_id(ENVIRONMENT, shown["id"]), f"{self.path}/{shown['id']}"
        context = opened.context._replace(scope=number)
        listing = await self._members.list(context, Query())
        members = [self._members.show(view, context.links) for view in listing.views]
        table = await self._keys.table(opened, "environment", shown["id"])
        return {
            "table": replace(table, path=path),
            "members": members,
            "names": await opened.resources.names_of(context, refs_in(members)),
            "form": defaultdict(str, form),
            "may_add": listing.may_create,
            "roles": list(Role),
            "administers": opened.administers,
            "refused": refused,
            "quota": await self.quota(opened, shown),
            **await read_usage(opened, path, Subject.ENVIRONMENT, number),
        }

    async def add_member(self, request: web.Request) -> web.Response:
        """Make an account a member."""
        opened, form = await open_page(request), await fields_of(request)
        context = opened.context._replace(scope=self.id(request))
        try:
            account = await ref_of(opened, self._accounts, form.get("accountId", ""), "accountId")
            body: dict[str, object] = {**form, "accountId": account}
            await self._members.create(
                context, settable_values(MEMBER, body, Purpose.CREATE, opened.now)
            )
        except WardgateError as error:
            refused = as_refused(error)
            shown = await self.shown(opened)
            more = await self.beside(opened, shown, form, refused)
            return opened.render("environment.html", refused.status, shown=shown, **more)
        return see_other(f"/environments/{request.match_info['id']}")

    async def change_member(self, request: web.Request) -> web.Response:
        """Give a member another role, or end its membership."""
        opened, form = await open_page(request), await fields_of(request)
        context = opened.context._replace(scope=self.id(request))
        member = parse_id(MEMBER, request.match_info["member"])
        if form.get("action") == "remove":
            await self._members.apply(context, member, Action.REMOVE)
        else:
            values = settable_values(MEMBER, {"role": form.get("role")}, Purpose.UPDATE, opened.now)
            await self._members.edit(context, member, values)
        return see_other(f"/environments/{request.match_info['id']}")

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.post("/environments/{id}/members", self.add_member),
            web.post("/environments/{id}/members/{member}", self.change_member),
        ]
