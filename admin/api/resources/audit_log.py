"""The audit log as a resource. (Tested by tests/admin/api/test_audit.py.)"""

from __future__ import annotations

from collections.abc import Sequence

from admin.api import schemas
from admin.api.representations import Json, Links, audit_json
from admin.api.resources.base import RequestContext, Resource
from admin.service import AuditLogService, Listing, View
from proxy.domain.audit import Audited
from proxy.store.query import Query


class AuditLogResource(Resource[Audited]):
    """The audit log, which nobody can change."""

    schema = schemas.AUDIT

    def __init__(self, audit_log: AuditLogService) -> None:
        self._audit_log = audit_log

    async def list(self, context: RequestContext, query: Query) -> Listing[Audited]:
        return await self._audit_log.list(context.caller, query)

    async def get(self, context: RequestContext, resource_id: int) -> View[Audited]:
        return await self._audit_log.get(context.caller, resource_id)

    async def altered(
        self, context: RequestContext, views: Sequence[View[Audited]]
    ) -> frozenset[str]:
        """The ids of those that do not fit the entry before them."""
        found = await self._audit_log.altered(context.caller, [view.record for view in views])
        return frozenset(map(str, found))

    def show(self, view: View[Audited], links: Links) -> Json:
        return audit_json(view, links)
