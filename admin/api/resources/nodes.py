"""Nodes and revisions as resources. (Tested by tests/admin/api/test_nodes.py and
test_revisions.py.)"""

from __future__ import annotations

from collections.abc import Mapping

from admin.api import schemas
from admin.api.inputs import FORGET
from admin.api.nodes import node_json, revision_json
from admin.api.representations import Json, Links
from admin.api.resources.base import RequestContext, Resource
from admin.api.values import Purpose, settable_values
from admin.service import KnownNode, Listing, NodeService, Progress, View
from proxy.store.query import Query


class NodeResource(Resource[KnownNode]):
    """The nodes of the store, by their names. They are few."""

    schema = schemas.NODE

    def __init__(self, nodes: NodeService) -> None:
        self._nodes = nodes
        self.custom_actions = {"forget": self._forget}

    @property
    def shared(self) -> bool:
        """Whether there may be several."""
        return self._nodes.shared

    async def list(self, context: RequestContext, query: Query) -> Listing[KnownNode]:
        return Listing(await self._nodes.list(context.caller))

    async def get(self, context: RequestContext, resource_id: str) -> View[KnownNode]:
        return await self._nodes.get(context.caller, resource_id)

    async def _forget(
        self, context: RequestContext, resource_id: str, body: Mapping[str, object]
    ) -> Json:
        values = settable_values(FORGET, body, Purpose.CREATE, 0)
        dead = bool(values.get("dead"))
        view = await self._nodes.forget(context.caller, resource_id, dead=dead)
        return self.show(view, context.links)

    def show(self, view: View[KnownNode], links: Links) -> Json:
        return node_json(view, links)


class RevisionResource(Resource[Progress]):
    """Changes of the store, each by its number. The list has the last one alone."""

    schema = schemas.REVISION

    def __init__(self, nodes: NodeService) -> None:
        self._nodes = nodes

    async def list(self, context: RequestContext, query: Query) -> Listing[Progress]:
        return Listing([View(await self._nodes.progress(context.caller, None))])

    async def get(self, context: RequestContext, resource_id: int) -> View[Progress]:
        return await self.wait(context, resource_id, 0)

    async def wait(
        self, context: RequestContext, resource_id: int, seconds: float
    ) -> View[Progress]:
        """How far a change is, once it holds everywhere or so many seconds have passed."""
        return View(await self._nodes.progress(context.caller, resource_id, seconds))

    def show(self, view: View[Progress], links: Links) -> Json:
        return revision_json(view.record, links)
