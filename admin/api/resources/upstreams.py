"""Upstreams as a resource. (Tested by tests/admin/api/test_upstreams.py.)"""

from __future__ import annotations

from admin.api import schemas
from admin.api.representations import Json, Links, upstream_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import Listing, UpstreamService, View
from proxy.store.query import Query
from proxy.targets.status import UpstreamStatus


class UpstreamResource(Resource[UpstreamStatus]):
    """The upstreams of the configuration, by their names. They are few."""

    schema = schemas.UPSTREAM

    def __init__(self, upstreams: UpstreamService) -> None:
        self._upstreams = upstreams

    async def list(self, context: RequestContext, query: Query) -> Listing[UpstreamStatus]:
        return Listing(self._upstreams.list(context.caller))

    async def get(self, context: RequestContext, resource_id: str) -> View[UpstreamStatus]:
        return self._upstreams.get(context.caller, resource_id)

    def show(self, view: View[UpstreamStatus], links: Links) -> Json:
        return upstream_json(view, links)
