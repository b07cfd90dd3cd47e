"""Environments: who may see, create and change which, and how. (Tested over HTTP, by
tests/admin/api/test_environments.py.)"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from admin.service.base import (
    Caller,
    Change,
    Edit,
    Listing,
    Service,
    View,
    actions_for,
    edited,
    listing,
    require,
    transitioned,
)
from admin.service.errors import Refused, no_environment
from admin.service.limit_rules import judge_bound
from admin.service.permissions import (
    RIGHT_OF,
    Right,
    Rights,
    Subject,
    rights,
    standing_in_environment,
    standing_to_account,
)
from proxy.domain.model import (
    Account,
    AccountKind,
    Action,
    Environment,
    Membership,
    Role,
    State,
)
from proxy.domain.names import SLUG
from proxy.store.protocols import Reader, Transaction
from proxy.store.query import Filter, Modifier, Query

MAX_SLUG: Final = 63
"""Characters, as `SLUG` has it."""

_ID_LIKE: Final = re.compile(r"1a([0-9]+)", re.IGNORECASE | re.ASCII)
_CANONICAL_ID: Final = re.compile(r"1a([1-9][0-9]{0,11})")


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    """The fields of an environment to create. Without a slug, its id becomes its slug."""

    name: str
    slug: str | None = None
    description: str | None = None


class EnvironmentService(Service):
    """Reads and changes environments."""

    async def get(self, caller: Caller, environment_id: int) -> View[Environment]:
        """Get an environment, also a removed one. Raises `Refused`."""
        environment, allowed = await _find(self._store, caller, environment_id)
        return View(environment, actions_for(environment, allowed))

    async def list(
        self, caller: Caller, query: Query, scope: int | None = None
    ) -> Listing[Environment]:
        """List the environments that the caller reaches.

        For an environment's key that is its own, for a user those that it is a member of, for an
        admin all. `scope` is the id of the only one that the request may see, or None.
        """
        only = scope if isinstance(caller.owner, Account) else caller.owner.id
        if only is not None:
            filters = (*query.filters, Filter("id", Modifier.EQ, only))
            query = Query(limit=1, after=query.after, filters=filters)
        member = caller.owner.id if _is_user(caller) else None
        found = await self._store.list_environments(query, member=member)
        ids = [environment.id for environment in found.records]
        memberships = await self._store.get_memberships(caller.owner.id, ids)
        views = [
            View(environment, actions_for(environment, allowed))
            for environment in found.records
            if Right.SEE in (allowed := _rights(caller, environment.id, memberships))
        ]
        may_create = scope is None and Right.CREATE in _rights_to_create(caller)
        return listing(found, views, may_create=may_create)

    async def create(self, caller: Caller, new: NewEnvironment) -> View[Environment]:
        """Create an environment and make the caller its owner. Raises `Refused`."""
        slug = _checked_slug(new.slug)
        async with self._change(caller) as change:
            if Right.CREATE not in _rights_to_create(change.caller):
                raise Refused("Forbidden")
            if slug is not None and _is_user(change.caller):
                # With a slug of its choice a user would get what the upstream has under that name.
                detail = "only admins may choose a slug; without one it is the environment's id"
                raise Refused("Forbidden", detail, field="slug")
            number = await _number(change.tx, slug)
            environment = Environment(
                id=number,
                uuid=str(uuid4()),
                slug=slug or f"1a{number}",
                name=new.name,
                description=new.description,
                state=State.ACTIVE,
                created=change.now,
            )
            await change.put("create", environment, old=None)
            owner = Membership(
                id=await change.tx.next_id("membership"),
                account_id=change.caller.owner.id,
                environment_id=number,
                role=Role.OWNER,
                created=change.now,
            )
            await change.put("create", owner, old=None)
            allowed = await _rights_now(change.tx, change.caller, number)
        return View(environment, actions_for(environment, allowed))

    async def edit(self, caller: Caller, environment_id: int, edit: Edit) -> View[Environment]:
        """Change name, description or limits. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, environment_id, Action.UPDATE)
            environment = edited(old, judge_bound(change.caller, old.limits, edit))
            await change.put(Action.UPDATE, environment, old=old)
        return View(environment, actions_for(environment, allowed))

    async def apply(self, caller: Caller, environment_id: int, action: Action) -> View[Environment]:
        """Activate, deactivate, remove or purge. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, environment_id, action)
            environment = transitioned(old, action, change.now)
            await change.put(action, environment, old=old)
        return View(environment, actions_for(environment, allowed))


def _is_user(caller: Caller) -> bool:
    return isinstance(caller.owner, Account) and caller.owner.kind is AccountKind.USER


def _rights_to_create(caller: Caller) -> Rights:
    """The caller's rights to an environment that does not exist yet."""
    standing = standing_to_account(caller.owner, caller.owner.id)
    return rights(standing, caller.role, Subject.ENVIRONMENT)


def _rights(caller: Caller, environment_id: int, memberships: Mapping[int, Membership]) -> Rights:
    """The caller's rights to an environment. `memberships` are the caller's, by environment."""
    membership = memberships.get(environment_id)
    standing = standing_in_environment(caller.owner, environment_id, membership)
    return rights(standing, caller.role, Subject.ENVIRONMENT)


async def _rights_now(reader: Reader, caller: Caller, environment_id: int) -> Rights:
    memberships = await reader.get_memberships(caller.owner.id, [environment_id])
    return _rights(caller, environment_id, memberships)


async def _find(reader: Reader, caller: Caller, environment_id: int) -> tuple[Environment, Rights]:
    """Get an environment that the caller may see. Raises `Refused`."""
    environment = await reader.get_environment(environment_id)
    allowed = await _rights_now(reader, caller, environment_id)
    if environment is None or environment.state is State.PURGED or Right.SEE not in allowed:
        raise no_environment(f"1a{environment_id}")
    return environment, allowed


async def _allowed(
    change: Change, environment_id: int, action: Action
) -> tuple[Environment, Rights]:
    """Get an environment on which the caller may do `action`. Raises `Refused`."""
    environment, allowed = await _find(change.tx, change.caller, environment_id)
    require(allowed, RIGHT_OF[action])
    return environment, allowed


def _checked_slug(slug: str | None) -> str | None:
    """Check the form of a slug. Raises `Refused`."""
    if slug is None:
        return None
    if len(slug) > MAX_SLUG:
        raise Refused(
            "MaxLengthExceeded", f"a slug has at most {MAX_SLUG} characters", field="slug"
        )
    if not SLUG.fullmatch(slug):
        detail = "a slug has letters, digits, _ and -, and begins with a letter or digit"
        raise Refused("InvalidCharacters", detail, field="slug")
    if _ID_LIKE.fullmatch(slug) and not _CANONICAL_ID.fullmatch(slug):
        detail = "a slug that looks like an id must be 1a and a number of at most 12 digits"
        raise Refused("InvalidFormat", detail, field="slug")
    return slug


async def _number(tx: Transaction, slug: str | None) -> int:
    """The number of a new environment: the one in a slug that is like an id, else the next one.

    Raises `Refused` where the slug or the number is taken.
    """
    if slug is None:
        return await tx.next_id("account")
    if await tx.find_environment(slug) is not None:
        raise Refused("NotUnique", "an environment with this slug exists", field="slug")
    wanted = _CANONICAL_ID.fullmatch(slug)
    if wanted is None:
        return await tx.next_id("account")
    if not await tx.take_id("account", int(wanted[1])):
        raise Refused("NotUnique", f"the id {slug} is taken", field="slug")
    return int(wanted[1])
