"""Rancher's templates of environments as a resource. (Tested by
tests/admin/api/test_rancher_clients.py.)"""

from __future__ import annotations

from typing import Never

from admin.api import schemas
from admin.api.representations import Json, Links
from admin.api.resources.base import RequestContext, Resource
from admin.service import Listing, View
from proxy.store.query import Query


class ProjectTemplateResource(Resource[Never]):
    """Templates, of which there are none: `rancher env create` asks for them."""

    schema = schemas.PROJECT_TEMPLATE

    async def list(self, context: RequestContext, query: Query) -> Listing[Never]:
        return Listing(())

    def show(self, view: View[Never], links: Links) -> Json:
        raise AssertionError("there are no templates")
