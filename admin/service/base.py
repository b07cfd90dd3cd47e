"""What all services share: the caller, a change with its audit entry, and what a caller gets back.

The rule that lives here: an audit entry and the change that it describes are one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from admin.service.errors import Refused
from admin.service.permissions import RIGHT_OF, Right, Rights
from proxy.domain.audit import Actor, Entry
from proxy.domain.errors import ActionNotAvailable
from proxy.domain.limits import NONE, Limits, limits_json
from proxy.domain.model import (
    Account,
    Action,
    Environment,
    Key,
    Membership,
    Role,
    State,
    refusal,
)
from proxy.domain.session import Identity
from proxy.domain.transitions import actions_of, next_state
from proxy.store.protocols import Record, Store, Transaction
from proxy.store.query import Cursor, Page

R = TypeVar("R")
Stateful = TypeVar("Stateful", Account, Environment, Key)

Edit: TypeAlias = Mapping[str, Any]
"""Field → new value, as `dataclasses.replace` takes them."""

_NOT_AUDITED: Final = frozenset(
    {"id", "uuid", "secret_hash", "sealed", "previous_hash", "previous_sealed", "created"}
    | {"last_used", "last_used_address", "use_count", "rotation", "needs"}
)
"""Fields that the audit log must not hold, or need not repeat."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has logged in with OpenID Connect, and acts in an account without a key."""

    identity: Identity
    role: Role
    """The strongest role in which the person may act."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, where it came from, and the request's id."""

    presented: Key | Person
    owner: Account | Environment
    """What the key belongs to, or the account in which the person acts."""
    secret_hash: bytes | None
    """The stored hash of the key's secret that was presented, now or at the login. None for a
    person."""
    address: str
    request_id: str
    revisions: list[int] = field(default_factory=list, compare=False)
    """Of the changes that the request has made."""

    @property
    def key(self) -> Key | None:
        """The key that was presented, None for a person without one."""
        return self.presented if isinstance(self.presented, Key) else None

    @property
    def identity(self) -> Identity | None:
        """Who a person without a key is."""
        return self.presented.identity if isinstance(self.presented, Person) else None

    @property
    def role(self) -> Role:
        """The strongest role in which the caller may act."""
        return self.presented.role

    @property
    def expires(self) -> int | None:
        """Until when the presented key is valid, in milliseconds since the epoch, or None."""
        return self.presented.expires if isinstance(self.presented, Key) else None

    @property
    def limits(self) -> Limits:
        """What the presented key is limited to; a person without one has no limits."""
        return self.presented.limits if isinstance(self.presented, Key) else NONE

    @property
    def actor(self) -> Actor:
        """The caller, as the audit log names it."""
        key, who = self.key, self.identity
        return Actor(
            self.owner.ref,
            None if key is None else key.ref,
            self.address,
            self.request_id,
            None if who is None else who.value,
        )


class View(NamedTuple, Generic[R]):
    """A record that a caller may see, and the actions that the caller may do on it now."""

    record: R
    actions: tuple[Action, ...] = ()
    owner: Account | Environment | None = None
    """What a key belongs to."""
    now: int = 0
    """When a key was read, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """A page of a list, and what the caller may do with the list."""

    views: Sequence[View[R]]
    next: Cursor | None = None
    partial: bool = False
    may_create: bool = False
    may_import: bool = False


def listing(
    found: Page[R],
    views: Sequence[View[R]],
    *,
    may_create: bool = False,
    may_import: bool = False,
) -> Listing[R]:
    """Put the views of a page's records together with what the page says."""
    return Listing(views, found.next, found.partial, may_create, may_import)


@dataclass(frozen=True, slots=True)
class Change:
    """A change under way: its records and its audit entries, in one transaction."""

    tx: Transaction
    caller: Caller
    now: int

    async def put(self, action: str, record: Record, *, old: Record | None) -> None:
        """Write the audit entry of `action`, such as `create`, and `record` in place of `old`.

        What is not active any more ends its sessions, so that none goes on once it is activated
        again.
        """
        before, after = difference(old, record)
        await self.note(f"{type(record).__name__.lower()}.{action}", record.ref, before, after)
        await self.tx.put(record)
        if isinstance(record, Key) and record.state is not State.ACTIVE:
            await self.tx.end_sessions(key=record.id)
        if isinstance(record, Account) and record.state is not State.ACTIVE:
            await self.tx.end_sessions(account=record.id)

    async def note(
        self,
        action: str,
        subject: str,
        before: Mapping[str, object] | None,
        after: Mapping[str, object] | None,
    ) -> None:
        """Write an audit entry. `action` is such as `key.create`, `subject` an id in the API."""
        await self.tx.record(Entry(self.now, self.caller.actor, action, subject, before, after))


class Service:
    """What the services have in common."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        """`clock` returns milliseconds since the epoch."""
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def _change(self, caller: Caller) -> AsyncIterator[Change]:
        """Begin a change, as a context. Raises `Refused`, `StoreUnavailable`.

        The caller was authenticated before this transaction began, and another change may have
        deactivated its key since, or ended its secret. So the key and its owner are read again
        here.
        """
        async with self._store.write() as tx:
            now = tx.now(self._clock)
            presented, owner = await _presented_now(tx, caller), await _owner_now(tx, caller)
            if presented is None or owner is None or not _may_act(caller, presented, owner, now):
                raise Refused("Unauthorized")
            yield Change(tx, replace(caller, presented=presented, owner=owner), now)
        if tx.revision is not None:
            caller.revisions.append(tx.revision)


async def _presented_now(tx: Transaction, caller: Caller) -> Key | Person | None:
    """The caller's key as it is now, or the person."""
    return caller.presented if caller.key is None else await tx.get_key(caller.key.id)


def _may_act(
    caller: Caller, presented: Key | Person, owner: Account | Environment, now: int
) -> bool:
    """Whether the caller still has the right with which the request began."""
    if isinstance(presented, Person):
        return owner.state is State.ACTIVE
    proved = caller.secret_hash is not None and presented.has_hash(caller.secret_hash, now)
    return proved and refusal(presented, owner, now) is None


async def _owner_now(tx: Transaction, caller: Caller) -> Account | Environment | None:
    """The owner of the caller's key as it is now."""
    if isinstance(caller.owner, Account):
        return await tx.get_account(caller.owner.id)
    return await tx.get_environment(caller.owner.id)


def require(rights: Rights, right: Right) -> None:
    """Raise `Refused` unless `right` is among `rights`.

    Without the right to see a resource the error is NotFound, as if it did not exist.
    """
    if right in rights:
        return
    raise Refused("Forbidden" if Right.SEE in rights else "NotFound")


def require_generally(rights: Rights, right: Right) -> None:
    """Raise `Refused` unless `right` is among `rights`, which are those to a type as a whole.

    That a type exists is no secret, so without the right to see it the error is Forbidden.
    """
    if right not in rights:
        raise Refused("Forbidden")


def actions_for(record: Account | Environment | Key, rights: Rights) -> tuple[Action, ...]:
    """The actions that the state of `record` and the caller's `rights` allow."""
    return tuple(
        action
        for action in actions_of(record.state)
        if RIGHT_OF[action] in rights and (action is not Action.ROTATE or isinstance(record, Key))
    )


def transitioned(record: Stateful, action: Action, now: int) -> Stateful:
    """The record in its state after `action`. Raises `ActionNotAvailable`, also for an action that
    changes more than a state, or something else.

    `now` is in milliseconds since the epoch.
    """
    if action in {Action.UPDATE, Action.ROTATE}:
        raise ActionNotAvailable(record.state, action)
    state = next_state(record.state, action)
    removed = {State.REMOVED: now, State.PURGED: record.removed}.get(state)
    return replace(record, state=state, removed=removed)


def edited(record: Stateful, edit: Edit) -> Stateful:
    """The record with new field values. Raises `ActionNotAvailable`."""
    return replace(record, state=next_state(record.state, Action.UPDATE), **edit)


def difference(
    old: Record | None, new: Record
) -> tuple[dict[str, object] | None, dict[str, object]]:
    """(before, after) of the fields that differ; of a new record (None, all that have a value)."""
    after = audited_fields(new)
    if old is None:
        return None, {name: value for name, value in after.items() if value is not None}
    before = audited_fields(old)
    differing = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in differing}, {name: after[name] for name in differing}


def audited_fields(record: Account | Environment | Key | Membership) -> dict[str, object]:
    """The fields of a record that the audit log holds; limits in their JSON form, None for none."""
    audited = {}
    for each in fields(record):
        if each.name not in _NOT_AUDITED:
            value = getattr(record, each.name)
            audited[each.name] = value
            if isinstance(value, Limits):
                audited[each.name] = limits_json(value) or None
    return audited
