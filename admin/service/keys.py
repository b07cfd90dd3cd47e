"""Keys: who may see, make and change which, and the acts themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from admin.errors import Refused
from admin.permissions import (
    RIGHT_OF,
    Right,
    Rights,
    Standing,
    Subject,
    rights,
    standing_in_environment,
    standing_to_account,
    strongest_role,
)
from admin.service.base import (
    Caller,
    Change,
    Edit,
    Listing,
    Service,
    View,
    acts_for,
    demand,
    edited,
    moved,
    next_after,
    one_more,
)
from proxy.model import Account, AccountKind, Act, Environment, Key, Role, State
from proxy.secret import generate, hash_secret, new_access_key
from proxy.store import Page, Reader, Store

STRENGTHENING: Final = frozenset({Act.UPDATE, Act.ACTIVATE})
"""Acts for which the presented key must be as strong as the one that is acted upon."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked of a key that is to be made. `expires` in milliseconds since the epoch."""

    name: str | None = None
    description: str | None = None
    role: Role | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose keys are meant, and how the caller stands towards them."""

    record: Account | Environment
    standing: Standing
    rights: Rights

    @property
    def environment(self) -> Environment | None:
        return self.record if isinstance(self.record, Environment) else None


class KeyService(Service):
    """The keys. `scope` is the id of the environment that a request is confined to, or None."""

    def __init__(self, store: Store, clock: Callable[[], int], bcrypt_rounds: int) -> None:
        super().__init__(store, clock)
        self._rounds = bcrypt_rounds

    async def get(self, caller: Caller, key_id: int, scope: int | None = None) -> View[Key]:
        """One key, removed ones too. Raises `Refused`."""
        key, owner = await _find(self._store, caller, key_id, scope)
        return View(key, _acts(caller, owner, key), owner.environment)

    async def owner(
        self, caller: Caller, key_id: int, scope: int | None = None
    ) -> Account | Environment:
        """The account or environment that a key belongs to. Raises `Refused`."""
        return (await _find(self._store, caller, key_id, scope))[1].record

    async def list(self, caller: Caller, page: Page, scope: int | None = None) -> Listing[Key]:
        """The keys of the environment `scope`; else the caller's, or everyone's to an admin."""
        own = await _owner(self._store, caller, scope, caller.account.id)
        demand(own.rights, Right.SEE)
        # Towards the keys of its environments a user stands as its memberships say, so a user's own
        # list leaves them out; an admin stands alike towards all keys.
        account = caller.account.id if own.standing is Standing.SELF else None
        keys = await self._store.list_keys(one_more(page), account=account, environment=scope)
        known: dict[int, Environment | None] = {}
        views = [
            View(key, _acts(caller, own, key), await self._environment(key, known))
            for key in keys[: page.limit]
        ]
        return Listing(views, next_after(page, keys), Right.CREATE in own.rights)

    async def create(
        self, caller: Caller, new: NewKey, owner_id: int, scope: int | None = None
    ) -> tuple[View[Key], str]:
        """Make a key of the environment `scope`, else of the account or environment `owner_id`.

        Its secret is told here and never again. Judged twice: before the hash, so that who may not
        make keys costs none, and in the transaction, where it counts. Raises `Refused`.
        """
        _judge(caller, await _owner(self._store, caller, scope, owner_id), new, self._clock())
        access_key = new_access_key()
        secret = generate(access_key, self._store.seal_key)
        secret_hash = await asyncio.to_thread(hash_secret, secret.encode(), self._rounds)
        async with self._change(caller) as change:
            owner = await _owner(change.tx, change.caller, scope, owner_id)
            role, expires = _judge(change.caller, owner, new, change.now)
            environment = owner.environment
            key = Key(
                id=await change.tx.next_id("key"),
                uuid=str(uuid4()),
                access_key=access_key,
                secret_hash=secret_hash,
                sealed=True,
                account_id=owner.record.id if environment is None else None,
                environment_id=None if environment is None else environment.id,
                creator_id=caller.account.id,
                role=role,
                name=new.name,
                description=new.description,
                state=State.ACTIVE,
                created=change.now,
                expires=expires,
            )
            await change.put("create", key, old=None)
        return View(key, _acts(caller, owner, key), environment), secret

    async def edit(
        self, caller: Caller, key_id: int, edit: Edit, scope: int | None = None
    ) -> View[Key]:
        """Change a key's name or description. Raises `Refused`, `ActNotAvailable`."""
        async with self._change(caller) as change:
            old, owner = await _allowed(change, key_id, scope, Act.UPDATE)
            key = edited(old, edit)
            await change.put(Act.UPDATE, key, old=old)
        return View(key, _acts(caller, owner, key), owner.environment)

    async def act(
        self, caller: Caller, key_id: int, act: Act, scope: int | None = None
    ) -> View[Key]:
        """Activate, deactivate or remove a key. Raises `Refused`, `ActNotAvailable`."""
        async with self._change(caller) as change:
            old, owner = await _allowed(change, key_id, scope, act)
            key = moved(old, act, change.now)
            await change.put(act, key, old=old)
            await keep_an_admin(change.tx, owner.record, old.state)
        return View(key, _acts(caller, owner, key), owner.environment)

    async def _environment(
        self, key: Key, known: dict[int, Environment | None]
    ) -> Environment | None:
        number = key.environment_id
        if number is None:
            return None
        if number not in known:
            known[number] = await self._store.get_environment(number)
        return known[number]


async def keep_an_admin(tx: Reader, subject: Account | Environment, was: State) -> None:
    """Refuse what has left no active key of an active admin account. Raises `Refused`.

    `subject` is the account that was acted upon or whose key was, `was` the state before.
    """
    if not isinstance(subject, Account) or subject.kind is not AccountKind.ADMIN:
        return
    if was is State.ACTIVE and not await tx.count_active_admin_keys():
        raise Refused("LastAdminKey")


async def _owner(reader: Reader, caller: Caller, scope: int | None, owner_id: int) -> _Owner:
    """The environment `scope`, else the account or environment `owner_id`. Raises `Refused`."""
    account = await reader.get_account(owner_id) if scope is None else None
    if account is not None:
        standing = standing_to_account(caller.account, account.id)
        allowed = rights(standing, caller.key.role, Subject.ACCOUNT_KEY)
        return _Owner(account, standing, allowed)
    environment = await reader.get_environment(owner_id if scope is None else scope)
    if environment is None:
        raise Refused("NotFound")
    membership = await reader.get_membership(caller.account.id, environment.id)
    standing = standing_in_environment(caller.account, membership)
    allowed = rights(standing, caller.key.role, Subject.ENVIRONMENT_KEY)
    return _Owner(environment, standing, allowed)


async def _find(
    reader: Reader, caller: Caller, key_id: int, scope: int | None
) -> tuple[Key, _Owner]:
    """A key that the caller may see, within `scope`. Raises `Refused`."""
    key = await reader.get_key(key_id)
    if key is None or key.state is State.PURGED:
        raise Refused("NotFound")
    if scope is not None and key.environment_id != scope:
        raise Refused("NotFound")
    owner = await _owner(reader, caller, key.environment_id, key.account_id or 0)
    demand(owner.rights, Right.SEE)
    return key, owner


async def _allowed(change: Change, key_id: int, scope: int | None, act: Act) -> tuple[Key, _Owner]:
    """A key to which the caller may do `act`. Raises `Refused`."""
    key, owner = await _find(change.tx, change.caller, key_id, scope)
    demand(owner.rights, RIGHT_OF[act])
    if act in STRENGTHENING:
        _demand_cover(change.caller, owner, key.role, key.expires)
    return key, owner


def _judge(caller: Caller, owner: _Owner, new: NewKey, now: int) -> tuple[Role, int | None]:
    """Whether the caller may make this key, and the role and expiry that it gets. Raises `Refused`.

    What is not asked for is the most that the caller can give, but for a key of an environment no
    more than a member.
    """
    demand(owner.rights, Right.CREATE)
    if owner.record.state is State.REMOVED:
        raise Refused("NotFound")
    if new.expires is not None and new.expires <= now:
        raise Refused("MinLimitExceeded", "expires must be in the future", field="expires")
    strongest = strongest_role(owner.standing, caller.key.role)
    default = strongest if owner.environment is None else strongest.weaker(Role.MEMBER)
    role = new.role or default
    expires = new.expires
    if expires is None and not _breeds_longer(caller):
        expires = caller.key.expires
    _demand_cover(caller, owner, role, expires)
    return role, expires


def _demand_cover(caller: Caller, owner: _Owner, role: Role, expires: int | None) -> None:
    """Let pass a key no stronger and no longer lived than the presented one. Raises `Refused`."""
    if not strongest_role(owner.standing, caller.key.role).covers(role):
        raise Refused("Forbidden", "a key cannot be stronger than its maker", field="role")
    limit = None if _breeds_longer(caller) else caller.key.expires
    if limit is not None and (expires is None or expires > limit):
        raise Refused("Forbidden", "a key cannot outlive its maker", field="expires")


def _breeds_longer(caller: Caller) -> bool:
    """An admin's key may expire and still make keys that do not."""
    return caller.account.kind is AccountKind.ADMIN


def _acts(caller: Caller, owner: _Owner, key: Key) -> tuple[Act, ...]:
    """What the caller may do to `key` now."""
    acts = acts_for(key.state, owner.rights)
    try:
        _demand_cover(caller, owner, key.role, key.expires)
    except Refused:
        return tuple(act for act in acts if act not in STRENGTHENING)
    return acts
