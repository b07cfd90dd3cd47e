"""Members of environments: who may see, create and change which, and how. (Tested over HTTP, by
tests/admin/api/test_members.py.)"""

from __future__ import annotations

from dataclasses import dataclass, replace

from admin.service.base import Caller, Change, Listing, Service, View, listing, require
from admin.service.errors import Refused, no_environment
from admin.service.permissions import (
    Right,
    Rights,
    Standing,
    Subject,
    general_standing,
    rights,
    standing_in_environment,
    strongest_role,
)
from proxy.domain.model import Account, Action, Membership, Role, State
from proxy.store.protocols import Reader
from proxy.store.query import Query


@dataclass(frozen=True, slots=True)
class _Access:
    """What a caller may do with the members of an environment."""

    environment_id: int
    standing: Standing
    rights: Rights


class MemberService(Service):
    """Reads and changes memberships.

    `scope` is the id of the only environment that a request may see, or None.
    """

    async def get(
        self, caller: Caller, membership_id: int, scope: int | None = None
    ) -> View[Membership]:
        """Get a membership. Raises `Refused`."""
        membership, access = await _find(self._store, caller, membership_id, scope)
        return View(membership, _actions(membership, caller, access))

    async def list(
        self, caller: Caller, query: Query, scope: int | None = None
    ) -> Listing[Membership]:
        """List the members of the environment `scope`. Raises `Refused`.

        Without a scope: a user's own memberships; all of them for an admin.
        """
        general = general_standing(caller.owner)
        if scope is None and not isinstance(caller.owner, Account):
            scope = caller.owner.id
        allowed = rights(general, caller.role, Subject.MEMBER)
        if scope is None:
            account = caller.owner.id if general is Standing.NONE else None
            found = await self._store.list_memberships(query, account=account)
        else:
            allowed = (await _access(self._store, caller, scope)).rights
            found = await self._store.list_memberships(query, environment=scope)
        known: dict[int, _Access | None] = {}
        views = []
        for membership in found.records:
            number = membership.environment_id
            if number not in known:
                known[number] = await _access_or_none(self._store, caller, number)
            access = known[number]
            if access is not None:  # None: the environment was removed
                views.append(View(membership, _actions(membership, caller, access)))
        return listing(found, views, may_create=Right.CREATE in allowed)

    async def create(
        self, caller: Caller, account_id: int, role: Role, environment_id: int
    ) -> View[Membership]:
        """Make an account a member of an environment. Raises `Refused`, `NotUnique`."""
        async with self._change(caller) as change:
            access = await _access(change.tx, change.caller, environment_id)
            require(access.rights, Right.CREATE)
            _require_covered(change.caller, access, role)
            account = await change.tx.get_account(account_id)
            if account is None or account.state not in {State.ACTIVE, State.INACTIVE}:
                raise Refused("InvalidReference", "the account does not exist", field="accountId")
            membership = Membership(
                id=await change.tx.next_id("membership"),
                account_id=account_id,
                environment_id=environment_id,
                role=role,
                created=change.now,
            )
            await change.put("create", membership, old=None)
        return View(membership, _actions(membership, caller, access))

    async def edit(
        self, caller: Caller, membership_id: int, role: Role, scope: int | None = None
    ) -> View[Membership]:
        """Change a member's role. Raises `Refused`."""
        async with self._change(caller) as change:
            old, access = await _find(change.tx, change.caller, membership_id, scope)
            require(access.rights, Right.EDIT)
            _require_covered(change.caller, access, old.role)
            _require_covered(change.caller, access, role)
            membership = replace(old, role=role)
            await change.put(Action.UPDATE, membership, old=old)
            await _require_an_owner(change, old)
        return View(membership, _actions(membership, caller, access))

    async def remove(
        self, caller: Caller, membership_id: int, scope: int | None = None
    ) -> View[Membership]:
        """End a membership. Raises `Refused`."""
        async with self._change(caller) as change:
            old, access = await _find(change.tx, change.caller, membership_id, scope)
            require(access.rights, Right.LIFECYCLE)
            _require_covered(change.caller, access, old.role)
            before = {"account_id": old.account_id, "environment_id": old.environment_id}
            await change.note("membership.remove", old.ref, before | {"role": old.role}, None)
            await change.tx.end_membership(old)
            await _require_an_owner(change, old)
        return View(old)


async def _access(reader: Reader, caller: Caller, environment_id: int) -> _Access:
    """The caller's access to an environment's members. Raises `Refused` where it sees none."""
    access = await _access_or_none(reader, caller, environment_id)
    if access is None:
        raise no_environment(f"1a{environment_id}")
    return access


async def _access_or_none(reader: Reader, caller: Caller, environment_id: int) -> _Access | None:
    """The caller's access to an environment's members, None where it may not see them."""
    environment = await reader.get_environment(environment_id)
    if environment is None or environment.state not in {State.ACTIVE, State.INACTIVE}:
        return None
    membership = await reader.get_membership(caller.owner.id, environment_id)
    standing = standing_in_environment(caller.owner, environment_id, membership)
    allowed = rights(standing, caller.role, Subject.MEMBER)
    return _Access(environment_id, standing, allowed) if Right.SEE in allowed else None


async def _find(
    reader: Reader, caller: Caller, membership_id: int, scope: int | None
) -> tuple[Membership, _Access]:
    """Get a membership within `scope` that the caller may see. Raises `Refused`."""
    membership = await reader.find_membership(membership_id)
    if membership is None or scope not in {None, membership.environment_id}:
        raise Refused("NotFound")
    return membership, await _access(reader, caller, membership.environment_id)


def _require_covered(caller: Caller, access: _Access, role: Role) -> None:
    """Raise `Refused` where `role` is stronger than the caller's own."""
    if not strongest_role(access.standing, caller.role).covers(role):
        raise Refused(
            "Forbidden",
            "a role cannot be stronger than that of the key that gives it",
            field="role",
        )


def _actions(membership: Membership, caller: Caller, access: _Access) -> tuple[Action, ...]:
    if not strongest_role(access.standing, caller.role).covers(membership.role):
        return ()
    actions = ((Action.UPDATE, Right.EDIT), (Action.REMOVE, Right.LIFECYCLE))
    return tuple(action for action, right in actions if right in access.rights)


async def _require_an_owner(change: Change, old: Membership) -> None:
    """Raise `Refused` where a change of `old` has left the environment without an owner."""
    if old.role is Role.OWNER and not await change.tx.count_owners(old.environment_id):
        raise Refused("LastOwner")
