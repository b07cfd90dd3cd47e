"""Members of environments: who may see, make and change which, and the acts themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from admin.service.base import Caller, Change, Listing, Service, View, demand, listing
from admin.service.errors import Refused
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
class _Place:
    """An environment, as far as its members are concerned."""

    environment_id: int
    standing: Standing
    rights: Rights


class MemberService(Service):
    """The memberships. `scope` is the id of the environment that a request is confined to."""

    async def get(
        self, caller: Caller, membership_id: int, scope: int | None = None
    ) -> View[Membership]:
        """One membership. Raises `Refused`."""
        membership, place = await _find(self._store, caller, membership_id, scope)
        return View(membership, _acts(membership, caller, place))

    async def list(
        self, caller: Caller, query: Query, scope: int | None = None
    ) -> Listing[Membership]:
        """The members of the environment `scope`; else the caller's memberships, everybody's to an
        admin. Raises `Refused`."""
        general = general_standing(caller.owner)
        if scope is None and not isinstance(caller.owner, Account):
            scope = caller.owner.id
        allowed = rights(general, caller.key.role, Subject.MEMBER)
        if scope is None:
            account = caller.owner.id if general is Standing.STRANGER else None
            found = await self._store.list_memberships(query, account=account)
        else:
            allowed = (await _place(self._store, caller, scope)).rights
            found = await self._store.list_memberships(query, environment=scope)
        known: dict[int, _Place | None] = {}
        views = []
        for membership in found.records:
            number = membership.environment_id
            if number not in known:
                known[number] = await _seen(self._store, caller, number)
            place = known[number]
            if place is not None:  # else the environment was removed
                views.append(View(membership, _acts(membership, caller, place)))
        return listing(found, views, may_create=Right.CREATE in allowed)

    async def create(
        self, caller: Caller, account_id: int, role: Role, environment_id: int
    ) -> View[Membership]:
        """Make an account a member. Raises `Refused`, `NotUnique`."""
        async with self._change(caller) as change:
            place = await _place(change.tx, change.caller, environment_id)
            demand(place.rights, Right.CREATE)
            _demand_cover(change.caller, place, role)
            account = await change.tx.get_account(account_id)
            if account is None or account.state not in {State.ACTIVE, State.INACTIVE}:
                raise Refused("InvalidReference", "there is no such account", field="accountId")
            membership = Membership(
                id=await change.tx.next_id("membership"),
                account_id=account_id,
                environment_id=environment_id,
                role=role,
                created=change.now,
            )
            await change.put("create", membership, old=None)
        return View(membership, _acts(membership, caller, place))

    async def edit(
        self, caller: Caller, membership_id: int, role: Role, scope: int | None = None
    ) -> View[Membership]:
        """Change a member's role. Raises `Refused`."""
        async with self._change(caller) as change:
            old, place = await _find(change.tx, change.caller, membership_id, scope)
            demand(place.rights, Right.EDIT)
            _demand_cover(change.caller, place, old.role)
            _demand_cover(change.caller, place, role)
            membership = replace(old, role=role)
            await change.put(Action.UPDATE, membership, old=old)
            await _keep_an_owner(change, old)
        return View(membership, _acts(membership, caller, place))

    async def remove(
        self, caller: Caller, membership_id: int, scope: int | None = None
    ) -> View[Membership]:
        """End a membership. Raises `Refused`."""
        async with self._change(caller) as change:
            old, place = await _find(change.tx, change.caller, membership_id, scope)
            demand(place.rights, Right.LIFECYCLE)
            _demand_cover(change.caller, place, old.role)
            before = {"account_id": old.account_id, "environment_id": old.environment_id}
            await change.note("membership.remove", old.ref, before | {"role": old.role}, None)
            await change.tx.end_membership(old)
            await _keep_an_owner(change, old)
        return View(old)


async def _place(reader: Reader, caller: Caller, environment_id: int) -> _Place:
    """An environment whose members the caller may see. Raises `Refused`."""
    place = await _seen(reader, caller, environment_id)
    if place is None:
        raise Refused("NotFound")
    return place


async def _seen(reader: Reader, caller: Caller, environment_id: int) -> _Place | None:
    """An environment whose members the caller may see, None where it is not there for it."""
    environment = await reader.get_environment(environment_id)
    if environment is None or environment.state not in {State.ACTIVE, State.INACTIVE}:
        return None
    membership = await reader.get_membership(caller.owner.id, environment_id)
    standing = standing_in_environment(caller.owner, environment_id, membership)
    allowed = rights(standing, caller.key.role, Subject.MEMBER)
    return _Place(environment_id, standing, allowed) if Right.SEE in allowed else None


async def _find(
    reader: Reader, caller: Caller, membership_id: int, scope: int | None
) -> tuple[Membership, _Place]:
    """A membership that the caller may see, within `scope`. Raises `Refused`."""
    membership = await reader.find_membership(membership_id)
    if membership is None or scope not in {None, membership.environment_id}:
        raise Refused("NotFound")
    return membership, await _place(reader, caller, membership.environment_id)


def _demand_cover(caller: Caller, place: _Place, role: Role) -> None:
    """Let pass a role that the caller has itself. Raises `Refused`."""
    if not strongest_role(place.standing, caller.key.role).covers(role):
        raise Refused("Forbidden", "nobody gives a role stronger than their own", field="role")


def _acts(membership: Membership, caller: Caller, place: _Place) -> tuple[Action, ...]:
    if not strongest_role(place.standing, caller.key.role).covers(membership.role):
        return ()
    actions = ((Action.UPDATE, Right.EDIT), (Action.REMOVE, Right.LIFECYCLE))
    return tuple(action for action, right in actions if right in place.rights)


async def _keep_an_owner(change: Change, old: Membership) -> None:
    """Refuse what has taken the last owner from an environment. Raises `Refused`."""
    if old.role is Role.OWNER and not await change.tx.count_owners(old.environment_id):
        raise Refused("LastOwner")
