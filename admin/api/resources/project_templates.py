"""Rancher's templates of environments as a resource. (Tested by
tests/admin/api/test_rancher_clients.py.)"""

from __future__ import annotations

from typing import Final

from admin.api import schemas
from admin.api.representations import Json, Links, template_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import Listing, View
from admin.service.errors import Refused
from proxy.store.query import Modifier, Query

CATTLE: Final = "Cattle"
"""The template that `rancher env create` asks for, unless its user names another."""


class ProjectTemplateResource(Resource[str]):
    """The only template, by its name. What is created from it is an environment like any other."""

    schema = schemas.PROJECT_TEMPLATE

    async def list(self, context: RequestContext, query: Query) -> Listing[str]:
        names = [str(each.value) for each in query.filters if each.modifier is Modifier.EQ]
        found = all(name.lower() == CATTLE.lower() for name in names)
        return Listing((View(CATTLE),) if found else ())

    async def get(self, context: RequestContext, resource_id: str) -> View[str]:
        if resource_id != schemas.ONLY_TEMPLATE:
            raise Refused("NotFound")
        return View(CATTLE)

    def show(self, view: View[str], links: Links) -> Json:
        return template_json(view, links)
