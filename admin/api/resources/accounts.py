"""Accounts as a resource. (Tested by tests/admin/api/test_accounts.py.)"""

from __future__ import annotations

from typing import Any

from admin.api import schemas
from admin.api.representations import EndpointOf, Json, Links, account_json, key_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import AccountService, Listing, NewAccount, View
from proxy.domain.model import Account, Action
from proxy.store.query import Query


class AccountResource(Resource[Account]):
    """Accounts."""

    schema = schemas.ACCOUNT

    def __init__(self, accounts: AccountService, endpoint_of: EndpointOf) -> None:
        self._accounts = accounts
        self._endpoint_of = endpoint_of

    async def list(self, context: RequestContext, query: Query) -> Listing[Account]:
        return await self._accounts.list(context.caller, query)

    async def get(self, context: RequestContext, resource_id: int) -> View[Account]:
        return await self._accounts.get(context.caller, resource_id)

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        with_key = bool(values.pop("createKey", False))
        view, first = await self._accounts.create(
            context.caller, NewAccount(**values), with_key=with_key
        )
        made = self.show(view, context.links)
        if first is not None:
            made["apiKey"] = key_json(first[0], context.links, self._endpoint_of, first[1])
        return made

    async def edit(
        self, context: RequestContext, resource_id: int, values: dict[str, Any]
    ) -> View[Account]:
        return await self._accounts.edit(context.caller, resource_id, values)

    async def apply(
        self, context: RequestContext, resource_id: int, action: Action
    ) -> View[Account]:
        return await self._accounts.apply(context.caller, resource_id, action)

    def show(self, view: View[Account], links: Links) -> Json:
        return account_json(view, links)
