"""What a caller may do with each type of resource as a whole: the schemas are cut to it. (Tested by
tests/admin/api/test_schema_json.py.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from admin.service.base import Caller
from admin.service.permissions import (
    Right,
    Rights,
    Standing,
    Subject,
    general_standing,
    rights,
    standing_in_environment,
)
from proxy.domain.model import Account
from proxy.store.protocols import Reader

Grants: TypeAlias = Mapping[Subject, Rights]


async def grants(reader: Reader, caller: Caller, scope: int | None = None) -> Grants:
    """The most that the caller may do with any resource of each type. Raises `StoreUnavailable`.

    `scope`: the id of the only environment that counts, or None.
    """
    standings = await _standings(reader, caller, scope)
    role = caller.role
    return {
        subject: frozenset[Right]().union(*(rights(each, role, subject) for each in standings))
        for subject in Subject
    }


async def _standings(reader: Reader, caller: Caller, scope: int | None) -> tuple[Standing, ...]:
    general = general_standing(caller.owner)
    if general is not Standing.NONE:
        return (general,)
    if scope is not None:
        membership = await reader.get_membership(caller.owner.id, scope)
        return (standing_in_environment(caller.owner, scope, membership),)
    if isinstance(caller.owner, Account):
        return Standing.SELF, Standing.OWNER  # a user may own some environment
    return (Standing.KEY,)
