"""Environments as a resource, which the API calls projects. (Tested by
tests/admin/api/test_environments.py.)"""

from __future__ import annotations

from typing import Any

from admin.api import schemas
from admin.api.representations import EndpointOf, Json, Links, environment_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import EnvironmentService, Listing, NewEnvironment, View
from admin.service.errors import Refused, no_environment
from proxy.domain.model import Action, Environment
from proxy.store.query import Query


class EnvironmentResource(Resource[Environment]):
    """Environments."""

    schema = schemas.ENVIRONMENT

    def __init__(self, environments: EnvironmentService, endpoint_of: EndpointOf) -> None:
        self._environments = environments
        self._endpoint_of = endpoint_of

    async def list(self, context: RequestContext, query: Query) -> Listing[Environment]:
        return await self._environments.list(context.caller, query, context.scope)

    async def get(self, context: RequestContext, resource_id: int) -> View[Environment]:
        _require_in_scope(context, resource_id)
        return await self._environments.get(context.caller, resource_id)

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        if context.scope is not None:
            raise Refused("Forbidden", "an environment cannot be created within another")
        new = NewEnvironment(**values)
        return self.show(await self._environments.create(context.caller, new), context.links)

    async def edit(
        self, context: RequestContext, resource_id: int, values: dict[str, Any]
    ) -> View[Environment]:
        _require_in_scope(context, resource_id)
        return await self._environments.edit(context.caller, resource_id, values)

    async def apply(
        self, context: RequestContext, resource_id: int, action: Action
    ) -> View[Environment]:
        _require_in_scope(context, resource_id)
        return await self._environments.apply(context.caller, resource_id, action)

    def show(self, view: View[Environment], links: Links) -> Json:
        return environment_json(view, links, self._endpoint_of)


def _require_in_scope(context: RequestContext, environment: int) -> None:
    """Raise `Refused` where the request's path names another environment."""
    if context.scope not in {None, environment}:
        raise no_environment(f"1a{environment}")
