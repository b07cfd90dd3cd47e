"""What every service of the office shares: the caller, a change, and what a caller is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from admin.errors import Refused
from admin.permissions import RIGHT_OF, Right, Rights
from proxy.audit import Actor, Entry
from proxy.model import Account, Act, Environment, Key, State, acts_of, next_state
from proxy.store import Page, Store, Transaction

R = TypeVar("R", Account, Environment, Key)

Edit: TypeAlias = Mapping[str, Any]
"""Field → new value, as `dataclasses.replace` takes them: `name`, `description` or both."""

_UNTOLD: Final = frozenset({"id", "uuid", "secret_hash", "sealed", "last_used", "created"})
"""What the audit trail does not repeat, or must not."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose presented key asks, from where, in which request."""

    key: Key
    account: Account
    address: str
    request_id: str

    @property
    def actor(self) -> Actor:
        """The caller, as the audit trail names them."""
        return Actor(self.account.ref, self.key.ref, self.address, self.request_id)


class View(NamedTuple, Generic[R]):
    """A record as a caller may see it, and what they may do to it now."""

    record: R
    acts: tuple[Act, ...]
    environment: Environment | None = None
    """The environment that a key belongs to."""


class Listing(NamedTuple, Generic[R]):
    """A piece of a list."""

    views: Sequence[View[R]]
    next_after: int | None
    """The id that the next piece follows, None at the end of the list."""
    may_create: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One act under way: what it does and the audit entries of it are one transaction."""

    tx: Transaction
    caller: Caller
    now: int

    async def put(self, act: str, record: Account | Environment | Key, *, old: R | None) -> None:
        """Write the audit entry of `act`, as in `create`, then the record that replaces `old`."""
        before, after = difference(old, record)
        await self.note(f"{type(record).__name__.lower()}.{act}", record.ref, before, after)
        await self.tx.put(record)

    async def note(
        self,
        act: str,
        subject: str,
        before: Mapping[str, object] | None,
        after: Mapping[str, object] | None,
    ) -> None:
        """Write the audit entry of an act, as in `key.create`, upon a subject's id on the wire."""
        await self.tx.record(Entry(self.now, self.caller.actor, act, subject, before, after))


class Service:
    """What keys, environments and accounts have in common."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        """`clock` tells milliseconds since the epoch."""
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def _change(self, caller: Caller) -> AsyncIterator[Change]:
        """Begin a change by a caller who still may act. Raises `Refused`, `StoreUnavailable`.

        The caller was authenticated a while ago, perhaps before another change ended that.
        """
        async with self._store.write() as tx:
            now = self._clock()
            key = await tx.get_key(caller.key.id)
            account = await tx.get_account(caller.account.id)
            if (
                key is None
                or account is None
                or key.state is not State.ACTIVE
                or key.expired(now)
                or account.state is not State.ACTIVE
            ):
                raise Refused("Unauthorized")
            yield Change(tx, replace(caller, key=key, account=account), now)


def demand(rights: Rights, right: Right) -> None:
    """Let pass who has `right`. Raises `Refused`; who may not even see is told of nothing there."""
    if right in rights:
        return
    raise Refused("Forbidden" if Right.SEE in rights else "NotFound")


def acts_for(state: State, rights: Rights) -> tuple[Act, ...]:
    """What somebody with `rights` may do to a record in `state`."""
    return tuple(act for act in acts_of(state) if RIGHT_OF.get(act) in rights)


def moved(record: R, act: Act, now: int) -> R:
    """The record after a change of state. Raises `ActNotAvailable`."""
    state = next_state(record.state, act)
    return replace(record, state=state, removed=now if state is State.REMOVED else None)


def edited(record: R, edit: Edit) -> R:
    """The record with new field values. Raises `ActNotAvailable`."""
    return replace(record, state=next_state(record.state, Act.UPDATE), **edit)


def one_more(page: Page) -> Page:
    """The page and one record beyond, which tells whether there are more."""
    return replace(page, limit=page.limit + 1)


def next_after(page: Page, found: Sequence[R]) -> int | None:
    """Where the next piece begins, `found` being what there is of `one_more(page)`."""
    return found[page.limit - 1].id if len(found) > page.limit else None


def difference(
    old: Account | Environment | Key | None, new: Account | Environment | Key
) -> tuple[dict[str, object] | None, dict[str, object]]:
    """(before, after) of the fields that differ; of a new record None and all that are set."""
    after = _told(new)
    if old is None:
        return None, {name: value for name, value in after.items() if value is not None}
    before = _told(old)
    differing = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in differing}, {name: after[name] for name in differing}


def _told(record: Account | Environment | Key) -> dict[str, object]:
    return {name: value for name, value in asdict(record).items() if name not in _UNTOLD}
