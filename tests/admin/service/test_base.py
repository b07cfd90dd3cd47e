"""A change is made only by a caller who still has the right when it happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from admin.service import AccountService, Caller, KeyService, NewKey
from admin.service.base import Person
from admin.service.errors import Refused
from proxy.domain.errors import ActionNotAvailable
from proxy.domain.model import Account, AccountKind, Action, Role, State
from proxy.domain.session import Identity
from tests.admin.admin_api import ROUNDS, AdminApi


async def admin_caller(api: AdminApi) -> Caller:
    account = await api.store.get_account(1)
    assert account is not None
    return Caller(api.admin.key, account, api.admin.key.secret_hash, "127.0.0.1", "r1")


def admin_of(caller: Caller) -> Account:
    assert isinstance(caller.owner, Account)
    return caller.owner


@pytest.mark.parametrize(
    "what", ["key inactive", "key expired", "secret ended", "account inactive"]
)
async def test_a_caller_whose_key_or_account_ended_meanwhile_changes_nothing(
    api: AdminApi, what: str
) -> None:
    """The request was authenticated before its key, its secret or its account ended."""
    caller, key = await admin_caller(api), api.admin.key
    if what == "key inactive":
        await api.put(replace(key, state=State.INACTIVE))
    elif what == "key expired":
        await api.put(replace(key, expires=api.clock()))
    elif what == "secret ended":
        await api.put(replace(key, secret_hash=b"of another"))
    else:
        await api.put(replace(admin_of(caller), state=State.INACTIVE))
    keys = KeyService(api.store, api.clock, ROUNDS)
    accounts = AccountService(api.store, api.clock, ROUNDS)
    with pytest.raises(Refused, match="Unauthorized"):
        await keys.create(caller, NewKey(), 1)
    with pytest.raises(Refused, match="Unauthorized"):
        await accounts.apply(caller, 1, Action.DEACTIVATE)
    assert await api.store.get_key(2) is None
    assert api.audit() == []


async def test_a_person_whose_account_ended_meanwhile_changes_nothing(api: AdminApi) -> None:
    """There is no key that could have ended."""
    admin = await admin_caller(api)
    identity = Identity("https://login.example", "sub", "ada")
    caller = replace(admin, presented=Person(identity, Role.OWNER), secret_hash=None)
    keys = KeyService(api.store, api.clock, ROUNDS)
    await keys.create(caller, NewKey(), 1)
    await api.put(replace(admin_of(caller), state=State.INACTIVE))
    with pytest.raises(Refused, match="Unauthorized"):
        await keys.create(caller, NewKey(), 1)
    actors = [(each["account"], each["key"], each["identity"]) for each in api.audit()]
    assert actors == [("1a1", None, "ada")]


async def test_the_rights_at_the_time_of_the_change_count(api: AdminApi) -> None:
    """Not those at the time of the request."""
    caller = await admin_caller(api)
    stranger = await api.account()
    await api.put(replace(admin_of(caller), kind=AccountKind.USER))
    keys = KeyService(api.store, api.clock, ROUNDS)
    with pytest.raises(Refused) as caught:
        await keys.create(caller, NewKey(), stranger.id)
    assert caught.value.code == "NotFound"
    assert await api.store.get_key(2) is None


@pytest.mark.parametrize("action", [Action.UPDATE, Action.ROTATE])
async def test_no_action_that_does_more_than_change_a_state_is_noted_as_one(
    api: AdminApi, action: Action
) -> None:
    """The audit log has no entry of a rotation that was none."""
    keys = KeyService(api.store, api.clock, ROUNDS)
    with pytest.raises(ActionNotAvailable):
        await keys.apply(await admin_caller(api), 1, action)
    assert api.audit() == []
