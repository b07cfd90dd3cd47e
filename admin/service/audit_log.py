"""The audit log, for those who may read it. It is written with each act (`base.Change`)."""

from __future__ import annotations

from admin.service.base import Caller, Listing, Service, View, demand, listing
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject, general_standing, rights
from proxy.domain.audit import Audited
from proxy.store.query import Query


class AuditLogService(Service):
    """The entries of the audit log."""

    async def list(self, caller: Caller, query: Query) -> Listing[Audited]:
        """A piece of it. Raises `Refused`."""
        _demand_sight(caller)
        found = await self._store.list_audit(query)
        return listing(found, [View(audited) for audited in found.records])

    async def get(self, caller: Caller, sequence: int) -> View[Audited]:
        """One entry. Raises `Refused`."""
        _demand_sight(caller)
        audited = await self._store.find_audited(sequence)
        if audited is None:
            raise Refused("NotFound")
        return View(audited)


def _demand_sight(caller: Caller) -> None:
    allowed = rights(general_standing(caller.owner), caller.key.role, Subject.AUDIT)
    demand(allowed, Right.SEE)
