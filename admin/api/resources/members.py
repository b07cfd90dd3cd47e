"""Members of environments as a resource. (Tested by tests/admin/api/test_members.py.)"""

from __future__ import annotations

from typing import Any

from admin.api import schemas
from admin.api.representations import Json, Links, member_json
from admin.api.resources.base import RequestContext, Resource, required
from admin.service import Listing, MemberService, View
from admin.service.errors import Refused
from proxy.domain.model import Action, Membership, Role
from proxy.store.query import Query


class MemberResource(Resource[Membership]):
    """Members of environments."""

    schema = schemas.MEMBER

    def __init__(self, members: MemberService) -> None:
        self._members = members

    async def list(self, context: RequestContext, query: Query) -> Listing[Membership]:
        return await self._members.list(context.caller, query, context.scope)

    async def get(self, context: RequestContext, resource_id: int) -> View[Membership]:
        return await self._members.get(context.caller, resource_id, context.scope)

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        environment = context.scope or values.get("projectId")
        if environment is None:
            raise Refused("MissingRequired", "projectId is required", field="projectId")
        view = await self._members.create(
            context.caller, values["accountId"], values["role"], environment
        )
        return self.show(view, context.links)

    async def edit(
        self, context: RequestContext, resource_id: int, values: dict[str, Any]
    ) -> View[Membership]:
        role: Role = required(values, "role")
        return await self._members.edit(context.caller, resource_id, role, context.scope)

    async def apply(
        self, context: RequestContext, resource_id: int, action: Action
    ) -> View[Membership]:
        return await self._members.remove(context.caller, resource_id, context.scope)

    def show(self, view: View[Membership], links: Links) -> Json:
        return member_json(view, links)
