"""A change is made by somebody who still may make it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from admin.service import AccountService, Caller, KeyService, NewKey
from admin.service.errors import Refused
from proxy.domain.model import Account, AccountKind, Act, State
from tests.admin.office import ROUNDS, Office


async def admin_caller(office: Office) -> Caller:
    account = await office.store.get_account(1)
    assert account is not None
    return Caller(office.admin.key, account, "127.0.0.1", "r1")


def admin_of(caller: Caller) -> Account:
    assert isinstance(caller.owner, Account)
    return caller.owner


@pytest.mark.parametrize("what", ["key inactive", "key expired", "account inactive"])
async def test_a_caller_who_ended_meanwhile(office: Office, what: str) -> None:
    """Who was authenticated and whose key or account ended before the change makes no change."""
    caller = await admin_caller(office)
    if what == "key inactive":
        await office.put(replace(caller.key, state=State.INACTIVE))
    elif what == "key expired":
        await office.put(replace(caller.key, expires=office.clock()))
    else:
        await office.put(replace(admin_of(caller), state=State.INACTIVE))
    keys = KeyService(office.store, office.clock, ROUNDS)
    accounts = AccountService(office.store, office.clock, ROUNDS)
    with pytest.raises(Refused, match="Unauthorized"):
        await keys.create(caller, NewKey(), 1)
    with pytest.raises(Refused, match="Unauthorized"):
        await accounts.act(caller, 1, Act.DEACTIVATE)
    assert await office.store.get_key(2) is None
    assert office.audit() == []


async def test_a_caller_who_became_weaker_meanwhile(office: Office) -> None:
    """The rights are those at the time of the change, not those at the time of the request."""
    caller = await admin_caller(office)
    stranger = await office.account()
    await office.put(replace(admin_of(caller), kind=AccountKind.USER))
    keys = KeyService(office.store, office.clock, ROUNDS)
    with pytest.raises(Refused) as caught:
        await keys.create(caller, NewKey(), stranger.id)
    assert caught.value.code == "NotFound"
    assert await office.store.get_key(2) is None
