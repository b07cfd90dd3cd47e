"""Reading the audit log. (`base.Change` writes it. Tested by tests/admin/api/test_audit.py.)"""

from __future__ import annotations

from collections.abc import Sequence

from admin.service.base import Caller, Listing, Service, View, listing, require_generally
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject, general_standing, rights
from proxy.domain.audit import FIRST_HASH, Audited, chain
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

    async def altered(self, caller: Caller, entries: Sequence[Audited]) -> frozenset[int]:
        """The numbers of those that do not fit the entry before them: one of the two was altered.
        Where the one before is not there any more, nothing is known. Raises `Refused`."""
        require_sight(caller)
        hashes = {0: FIRST_HASH} | {each.sequence: each.hash for each in entries}
        found = set()
        for each in entries:
            before = each.sequence - 1
            if before not in hashes:
                previous = await self._store.find_audited(before)
                if previous is None:
                    continue
                hashes[before] = previous.hash
            if chain(hashes[before], each.sequence, each.entry) != each.hash:
                found.add(each.sequence)
        return frozenset(found)


def require_sight(caller: Caller) -> None:
    """Raises `Refused` unless the caller may see the audit log."""
    allowed = rights(general_standing(caller.owner), caller.role, Subject.AUDIT)
    require_generally(allowed, Right.SEE)
