"""Reading the audit log. (`base.Change` writes it. Tested by tests/admin/api/test_audit.py.)"""

from __future__ import annotations

from admin.service.base import Caller, Listing, Service, View, listing, require_generally
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject, general_standing, rights
from proxy.domain.audit import Audited
from proxy.store.query import Query


class AuditLogService(Service):
    """Reads the entries of the audit log."""

    async def list(self, caller: Caller, query: Query) -> Listing[Audited]:
        """List a page of entries. Raises `Refused`."""
        require_sight(caller)
        found = await self._store.list_audit(query)
        return listing(found, [View(audited) for audited in found.records])

    async def get(self, caller: Caller, sequence: int) -> View[Audited]:
        """Get one entry. Raises `Refused`."""
        require_sight(caller)
        audited = await self._store.find_audited(sequence)
        if audited is None:
            raise Refused("NotFound")
        return View(audited)


def require_sight(caller: Caller) -> None:
    """Raises `Refused` unless the caller may see the audit log."""
    allowed = rights(general_standing(caller.owner), caller.key.role, Subject.AUDIT)
    require_generally(allowed, Right.SEE)
