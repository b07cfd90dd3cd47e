"""Accounts: who may see, make and change which, and the acts themselves."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from admin.errors import Refused
from admin.permissions import RIGHT_OF, Right, Rights, Subject, rights, standing_to_account
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
from admin.service.keys import keep_an_admin
from proxy.model import Account, AccountKind, Act, State
from proxy.store import Page, Reader


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is asked of an account that is to be made."""

    name: str
    kind: AccountKind
    description: str | None = None


class AccountService(Service):
    """The accounts."""

    async def get(self, caller: Caller, account_id: int) -> View[Account]:
        """One account, removed ones too. Raises `Refused`."""
        account, allowed = await _find(self._store, caller, account_id)
        return View(account, acts_for(account.state, allowed))

    async def list(self, caller: Caller, page: Page) -> Listing[Account]:
        """The accounts: all of them to admins, to others their own."""
        allowed = _rights(caller, caller.account.id)
        found: list[Account] = []
        if caller.account.kind is not AccountKind.USER:
            found = list(await self._store.list_accounts(one_more(page)))
        elif caller.account.id > page.after:
            found = [caller.account]
        views = [View(account, acts_for(account.state, allowed)) for account in found[: page.limit]]
        return Listing(views, next_after(page, found), Right.CREATE in allowed)

    async def create(self, caller: Caller, new: NewAccount) -> View[Account]:
        """Make an account. Raises `Refused`."""
        async with self._change(caller) as change:
            allowed = _rights(change.caller, change.caller.account.id)
            demand(allowed, Right.CREATE)
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
        return View(account, acts_for(account.state, allowed))

    async def edit(self, caller: Caller, account_id: int, edit: Edit) -> View[Account]:
        """Change the name or description. Raises `Refused`, `ActNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, account_id, Act.UPDATE)
            account = edited(old, edit)
            await change.put(Act.UPDATE, account, old=old)
        return View(account, acts_for(account.state, allowed))

    async def act(self, caller: Caller, account_id: int, act: Act) -> View[Account]:
        """Activate, deactivate or remove. Raises `Refused`, `ActNotAvailable`."""
        async with self._change(caller) as change:
            old, allowed = await _allowed(change, account_id, act)
            account = moved(old, act, change.now)
            await change.put(act, account, old=old)
            await keep_an_admin(change.tx, account, old.state)
        return View(account, acts_for(account.state, allowed))


def _rights(caller: Caller, account_id: int) -> Rights:
    standing = standing_to_account(caller.account, account_id)
    return rights(standing, caller.key.role, Subject.ACCOUNT)


async def _find(reader: Reader, caller: Caller, account_id: int) -> tuple[Account, Rights]:
    """An account that the caller may see. Raises `Refused`."""
    allowed = _rights(caller, account_id)
    account = await reader.get_account(account_id)
    if account is None or account.state is State.PURGED:
        raise Refused("NotFound")
    demand(allowed, Right.SEE)
    return account, allowed


async def _allowed(change: Change, account_id: int, act: Act) -> tuple[Account, Rights]:
    """An account to which the caller may do `act`. Raises `Refused`."""
    account, allowed = await _find(change.tx, change.caller, account_id)
    demand(allowed, RIGHT_OF[act])
    return account, allowed
