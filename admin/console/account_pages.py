"""The pages of accounts, each with its keys and environments.

Tested in `tests/admin/console/test_other_pages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.representations import Json
from admin.api.resources import Resources
from admin.api.schemas import ACCOUNT
from admin.console.base import Page
from admin.console.key_pages import KeyPages, secret_page
from admin.console.resource_pages import ResourcePages
from admin.console.usage_pages import read_usage
from admin.service.permissions import Subject
from proxy.domain.model import AccountKind


class AccountPages(ResourcePages):
    """The pages of accounts."""

    path = "/accounts"
    template = noun = "account"
    subjects = (Subject.ACCOUNT,)

    def __init__(self, resources: Resources, keys: KeyPages) -> None:
        super().__init__(resources.accounts)
        self._keys = keys

    async def choices(
        self, opened: Page, old: Json | None, form: Mapping[str, str]
    ) -> Mapping[str, Any]:
        return {"kinds": list(AccountKind)}

    async def body(
        self, opened: Page, form: Mapping[str, str], old: Json | None
    ) -> dict[str, object]:
        return await super().body(opened, form, old) | {"createKey": "createKey" in form}

    async def beside(self, opened: Page, shown: Json) -> Mapping[str, Any]:
        """Its keys, and the usage of all of them."""
        table = await self._keys.table(opened, "account", shown["id"])
        number, path = parse_id(ACCOUNT, shown["id"]), f"{self.path}/{shown['id']}"
        usage = await read_usage(opened, path, Subject.ACCOUNT, number)
        quota = await self.quota(opened, shown)
        return {"table": replace(table, path=path), "quota": quota, **usage}

    def made(self, opened: Page, made: Json) -> web.Response:
        key = made.get("apiKey")
        return secret_page(opened, key, rotated=False) if key else super().made(opened, made)
