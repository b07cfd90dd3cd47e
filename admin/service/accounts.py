"""Accounts: who may see, create and change which, and how. (Tested over HTTP, by
tests/admin/api/test_accounts.py.)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    require_generally,
    transitioned,
)
from admin.service.errors import Refused
from admin.service.key_rules import NewKey, keeping_an_admin, owner_of
from admin.service.keys import put_new_key, sealed_pair
from admin.service.limit_rules import judge_bound
from admin.service.permissions import (
    RIGHT_OF,
    Right,
    Rights,
    Standing,
    Subject,
    general_standing,
    rights,
    standing_to_account,
)
from proxy.domain.model import Account, AccountKind, Action, Key, State
from proxy.store.protocols import Reader, Store
from proxy.store.query import Filter, Modifier, Query


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The fields of an account to create."""

    name: str
    kind: AccountKind
    description: str | None = None


class AccountService(Service):
    """Reads and changes accounts."""

    def __init__(self, store: Store, clock: Callable[[], int], bcrypt_rounds: int) -> None:
        super().__init__(store, clock)
        self._rounds = bcrypt_rounds

    async def get(self, caller: Caller, account_id: int) -> View[Account]:
        """Get an account, also a removed one. Raises `Refused`."""
        account, allowed = await _find(self._store, caller, account_id)
        return View(account, actions_for(account, allowed))

    async def list(self, caller: Caller, query: Query) -> Listing[Account]:
        """List the accounts: for admins all of them, for users their own. Raises `Refused`."""
        allowed = _rights(caller, caller.owner.id)
        require_generally(allowed, Right.SEE)
        if general_standing(caller.owner) is Standing.NONE:
            own = Filter("id", Modifier.EQ, caller.owner.id)
            query = Query(limit=1, after=query.after, filters=(*query.filters, own))
        found = await self._store.list_accounts(query)
        views = [View(account, actions_for(account, allowed)) for account in found.records]
        return listing(found, views, may_create=Right.CREATE in allowed)

    async def create(
        self, caller: Caller, new: NewAccount, *, with_key: bool = False
    ) -> tuple[View[Account], tuple[View[Key], str] | None]:
        """Create an account, and with `with_key` its first key. Raises `Refused`.

        Returns the account, and the first key with its secret or None.
        """
        require_generally(_rights(caller, caller.owner.id), Right.CREATE)
        new_pair = await sealed_pair(self._store.seal_key, self._rounds) if with_key else None
        async with self._change(caller) as change:
            allowed = _rights(change.caller, change.caller.owner.id)
            require_generally(allowed, Right.CREATE)
            account = Account(
                id=await change.tx.next_id("account"),
                uuid=str(uuid4()),
                kind=new.kind,
                name=new.name,
                description=new.description,
                state=State.ACTIVE,
                created=change.now,
            )
            await change.put("create", account, old=None)
            first = None
            if new_pair is not None:
                secret, credentials = new_pair
                owner = await owner_of(change.tx, change.caller, account.id)
                key = await put_new_key(change, NewKey(name="first key"), owner, credentials)
                first = key, secret
        return View(account, actions_for(account, allowed)), first

    async def edit(self, caller: Caller, account_id: int, edit: Edit) -> View[Account]:
        """Change name, description or limits. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, account_id, Action.UPDATE)
            account = edited(old, judge_bound(change.caller, old.limits, edit))
            await change.put(Action.UPDATE, account, old=old)
        return View(account, actions_for(account, allowed))

    async def apply(self, caller: Caller, account_id: int, action: Action) -> View[Account]:
        """Activate, deactivate, remove or purge. Raises `Refused`, `ActionNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, account_id, action)
            account = transitioned(old, action, change.now)
            async with keeping_an_admin(change.tx, account, change.now):
                await change.put(action, account, old=old)
        return View(account, actions_for(account, allowed))


def _rights(caller: Caller, account_id: int) -> Rights:
    standing = standing_to_account(caller.owner, account_id)
    return rights(standing, caller.role, Subject.ACCOUNT)


async def _find(reader: Reader, caller: Caller, account_id: int) -> tuple[Account, Rights]:
    """Get an account that the caller may see. Raises `Refused`."""
    allowed = _rights(caller, account_id)
    account = await reader.get_account(account_id)
    if account is None or account.state is State.PURGED:
        raise Refused("NotFound")
    require(allowed, Right.SEE)
    return account, allowed


async def _allowed(change: Change, account_id: int, action: Action) -> tuple[Account, Rights]:
    """Get an account on which the caller may do `action`. Raises `Refused`."""
    account, allowed = await _find(change.tx, change.caller, account_id)
    require(allowed, RIGHT_OF[action])
    return account, allowed
