"""Keys: who may see, create and change which, and how. (Tested over HTTP, by
tests/admin/api/test_keys.py, test_key_owners.py, test_rotation.py and test_import.py.)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

from admin.service.base import (
    Caller,
    Change,
    Edit,
    Listing,
    Service,
    View,
    edited,
    listing,
    require,
    transitioned,
)
from admin.service.errors import Refused
from admin.service.key_rules import (
    STRENGTHENING,
    Credentials,
    Expiries,
    ImportedKey,
    NewKey,
    Owner,
    actions_on,
    check_import,
    check_not_empty,
    expiries,
    judge_edit,
    judge_new,
    keeping_an_admin,
    may_import,
    owner_id_of,
    owner_of,
    owners_of,
    require_covered,
    takes_keys,
)
from admin.service.permissions import RIGHT_OF, Right, Standing, strongest_role
from admin.service.rotation import usual_overlap, with_secret, without_previous
from proxy.auth.password_hash import hash_secret
from proxy.domain.limits import Limits
from proxy.domain.model import Account, Action, Environment, Key, Role, State
from proxy.domain.secret import generate, new_access_key
from proxy.domain.settings import ROTATION_OVERLAP, duration, value_of
from proxy.domain.transitions import next_state
from proxy.store.protocols import Reader, Store
from proxy.store.query import Query


class KeyService(Service):
    """Reads and changes keys.

    `scope` is the id of the only environment that a request may see, or None.
    """

    def __init__(self, store: Store, clock: Callable[[], int], bcrypt_rounds: int) -> None:
        super().__init__(store, clock)
        self._rounds = bcrypt_rounds

    async def expiries(self, caller: Caller) -> Expiries:
        """When a key that the caller makes now may expire."""
        return expiries(caller, self._clock(), await self._store.settings())

    async def overlap(self) -> str:
        """The setting `rotation_overlap`, such as `24h`."""
        return value_of(ROTATION_OVERLAP, await self._store.settings())

    async def strongest_roles(self, caller: Caller, owner_ids: Collection[int]) -> dict[int, Role]:
        """Of these accounts and environments, those for which the caller may create keys, each with
        the strongest role of such a key. Raises `StoreUnavailable`."""
        owners = await owners_of(self._store, caller, owner_ids)
        return {
            number: strongest_role(owner.standing, caller.role)
            for number, owner in owners.items()
            if Right.CREATE in owner.rights and takes_keys(owner)
        }

    async def get(self, caller: Caller, key_id: int, scope: int | None = None) -> View[Key]:
        """Get a key, also a removed one. Raises `Refused`."""
        key, owner = await _find(self._store, caller, key_id, scope)
        return _view(key, caller, owner, self._clock())

    async def owner(
        self, caller: Caller, key_id: int, scope: int | None = None
    ) -> Account | Environment:
        """Get the account or environment that a key belongs to. Raises `Refused`."""
        return (await _find(self._store, caller, key_id, scope))[1].record

    async def list(self, caller: Caller, query: Query, scope: int | None = None) -> Listing[Key]:
        """List the keys of the environment `scope`; without a scope the caller's own, or all."""
        own = await _owner_in(self._store, caller, scope, None)
        require(own.rights, Right.SEE)
        # A user's rights to an environment's keys depend on its membership there, so its own list
        # leaves them out. An admin has the same rights to all keys.
        everyone = scope is None and own.standing in {Standing.ADMIN, Standing.READ_ADMIN}
        found = await self._store.list_keys(query, owner=None if everyone else own.record.id)
        owners = await self._store.get_owners({owner_id_of(key) for key in found.records})
        now = self._clock()
        views = [
            View(key, actions_on(key, caller, own), owners.get(owner_id_of(key)), now)
            for key in found.records
        ]
        may_create = Right.CREATE in own.rights
        return listing(
            found, views, may_create=may_create, may_import=may_create and may_import(caller)
        )

    async def create(
        self, caller: Caller, new: NewKey, owner_id: int | None, scope: int | None = None
    ) -> tuple[View[Key], str]:
        """Create a key. Returns it and its secret, which is shown only here. Raises `Refused`.

        It belongs to the environment `scope`, else to the account or environment `owner_id`, else
        to the caller's. Permission is checked twice: before the hash, so that a caller without it
        costs no hash, and in the transaction, where it counts.
        """
        owner = await _owner_in(self._store, caller, scope, owner_id)
        judge_new(caller, owner, new, self._clock(), await self._store.settings())
        secret, credentials = await sealed_pair(self._store.seal_key, self._rounds)
        async with self._change(caller) as change:
            owner = await _owner_in(change.tx, change.caller, scope, owner_id)
            view = await put_new_key(change, new, owner, credentials)
        return view, secret

    async def import_(
        self,
        caller: Caller,
        new: ImportedKey,
        owner_id: int | None,
        scope: int | None = None,
        *,
        dry_run: bool = False,
    ) -> View[Key]:
        """Import a credential from elsewhere, by its bcrypt hash. With `dry_run` all is done but
        the commit. Raises `Refused`, `NotUnique`."""
        check_import(caller, new)
        await check_not_empty(new.secret_hash)
        with suppress(_NotMeant):
            async with self._change(caller) as change:
                check_import(change.caller, new)
                owner = await _owner_in(change.tx, change.caller, scope, owner_id)
                credentials = Credentials(new.access_key, new.secret_hash, sealed=False)
                view = await put_new_key(change, new.key, owner, credentials, action="import")
                if dry_run:
                    raise _NotMeant
        return view

    async def edit(
        self,
        caller: Caller,
        key_id: int,
        edit: Edit,
        scope: int | None = None,
        *,
        was: Limits | None = None,
    ) -> View[Key]:
        """Change a key's name, description, role, expiry or limits; with `was` only as long as its
        limits are those. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, owner = await _allowed(change.tx, change.caller, key_id, scope, Action.UPDATE)
            if was is not None and old.limits != was:
                raise Refused("Conflict", "the limits of the key have changed meanwhile")
            settings = await change.tx.settings()
            changes = judge_edit(change.caller, owner, old, edit, change.now, settings)
            key = edited(old, changes)
            async with keeping_an_admin(change.tx, owner.record, change.now):
                await change.put(Action.UPDATE, key, old=old)
        return _view(key, caller, owner, change.now)

    async def apply(
        self, caller: Caller, key_id: int, action: Action, scope: int | None = None
    ) -> View[Key]:
        """Activate, deactivate, remove or purge a key. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, owner = await _allowed(change.tx, change.caller, key_id, scope, action)
            key = transitioned(old, action, change.now)
            if action is Action.PURGE:
                key = replace(without_previous(key), secret_hash=b"")
            async with keeping_an_admin(change.tx, owner.record, change.now):
                await change.put(action, key, old=old)
        return _view(key, caller, owner, change.now)

    async def rotate(
        self,
        caller: Caller,
        key_id: int,
        overlap: int | None,
        scope: int | None = None,
        *,
        quiet: int | None = None,
    ) -> tuple[View[Key], str]:
        """Give a key a new secret. Returns the key and the secret, which is shown only here.

        The old secret stays valid for `overlap` milliseconds, or for as long as the setting says
        where that is None. With `quiet` it ends earlier, once it has not been used for so many
        milliseconds, and the default of `overlap` may be longer, as `usual_overlap` has it. Raises
        `Refused`, `ActionNotAvailable`.
        """
        seen, _ = await _allowed(self._store, caller, key_id, scope, Action.ROTATE)
        secret, credentials = await sealed_pair(self._store.seal_key, self._rounds, seen.access_key)
        async with self._change(caller) as change:
            old, owner = await _allowed(change.tx, change.caller, key_id, scope, Action.ROTATE)
            if overlap is None:
                setting = duration(value_of(ROTATION_OVERLAP, await change.tx.settings()))
                overlap = usual_overlap(setting, quiet=quiet is not None)
            if quiet is not None and not 0 < quiet < overlap:
                detail = "finishWhenQuiet must be more than 0, and shorter than the overlap"
                raise Refused("InvalidOption", detail, field="finishWhenQuiet")
            key = replace(
                with_secret(old, credentials.secret_hash, change.now, overlap, quiet),
                state=next_state(old.state, Action.ROTATE),
            )
            await change.put(Action.ROTATE, key, old=old)
        return _view(key, caller, owner, change.now), secret


class _NotMeant(Exception):
    """Rolls a change back that was only tried."""


def _view(key: Key, caller: Caller, owner: Owner, now: int) -> View[Key]:
    return View(key, actions_on(key, caller, owner), owner.record, now)


async def sealed_pair(
    seal_key: bytes, rounds: int, access_key: str | None = None
) -> tuple[str, Credentials]:
    """A new secret, for `access_key` or a generated one, and what the store keeps of the pair."""
    access_key = access_key or new_access_key()
    secret = generate(access_key, seal_key)
    secret_hash = await asyncio.to_thread(hash_secret, secret.encode(), rounds)
    return secret, Credentials(access_key, secret_hash, sealed=True)


async def put_new_key(
    change: Change, new: NewKey, owner: Owner, credentials: Credentials, action: str = "create"
) -> View[Key]:
    """Check that the caller may create a key, and write it. Raises `Refused`, `NotUnique`."""
    settings = await change.tx.settings()
    role, expires, limits = judge_new(change.caller, owner, new, change.now, settings)
    environment = owner.environment
    key = Key(
        id=await change.tx.next_id("key"),
        uuid=str(uuid4()),
        access_key=credentials.access_key,
        secret_hash=credentials.secret_hash,
        sealed=credentials.sealed,
        account_id=owner.record.id if environment is None else None,
        environment_id=None if environment is None else environment.id,
        creator_id=change.caller.owner.id,
        role=role,
        name=new.name,
        description=new.description,
        state=State.ACTIVE,
        created=change.now,
        expires=expires,
        limits=limits,
    )
    await change.put(action, key, old=None)
    return _view(key, change.caller, owner, change.now)


async def _owner_in(
    reader: Reader, caller: Caller, scope: int | None, owner_id: int | None
) -> Owner:
    """The environment `scope`, else the account or environment `owner_id`, else the caller's.
    Raises `Refused`."""
    owner = await owner_of(reader, caller, scope or owner_id or caller.owner.id)
    if scope is not None and owner.environment is None:
        raise Refused("NotFound")
    return owner


async def _find(
    reader: Reader, caller: Caller, key_id: int, scope: int | None
) -> tuple[Key, Owner]:
    """Get a key within `scope` that the caller may see. Raises `Refused`."""
    key = await reader.get_key(key_id)
    if key is None or key.state is State.PURGED:
        raise Refused("NotFound")
    if scope is not None and key.environment_id != scope:
        raise Refused("NotFound")
    owner = await owner_of(reader, caller, owner_id_of(key))
    require(owner.rights, Right.SEE)
    return key, owner


async def _allowed(
    reader: Reader, caller: Caller, key_id: int, scope: int | None, action: Action
) -> tuple[Key, Owner]:
    """Get a key within `scope` on which the caller may do `action`. Raises `Refused`."""
    key, owner = await _find(reader, caller, key_id, scope)
    require(owner.rights, RIGHT_OF[action])
    if action in STRENGTHENING:
        require_covered(caller, owner, key.role, key.expires, key.limits)
    return key, owner
