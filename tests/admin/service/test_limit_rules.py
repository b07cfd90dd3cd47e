"""No key breeds a wider one, whatever it makes and edits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin.service import AccountService, Caller, EnvironmentService, KeyService, NewKey
from admin.service.errors import Refused
from proxy.domain.limits import NONE, Limits, limits_json, parse_limits, wider_parts
from proxy.domain.model import Account, AccountKind, Environment, Key, Role
from tests.admin.admin_api import ROUNDS, AdminApi
from tests.proxy.domain.test_limits import LIMITS

NARROW = parse_limits({"rate": "10/s", "scopes": ["GET /v1/**"]})


def caller(key: Key, owner: Account | Environment) -> Caller:
    return Caller(key, owner, key.secret_hash, "127.0.0.1", "r1")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "edit"]),
        st.integers(0, 20),
        st.integers(0, 20),
        st.one_of(st.none(), LIMITS),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(LIMITS, LIMITS, STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_chain_of_keys_leads_to_a_wider_one(
    api: AdminApi,
    of_account: Limits,
    first: Limits,
    steps: list[tuple[str, int, int, Limits | None, bool]],
) -> None:
    """Every key that comes of one, by whatever other keys, is within it; a key of an environment
    also within the bound of the account that made it."""
    account = replace(await api.account(), limits=of_account)
    await api.put(account)
    environment = await api.environment({account: Role.OWNER})
    root = replace((await api.key(account)).key, limits=first)
    await api.put(root)
    service, keys = KeyService(api.store, api.clock, ROUNDS), [root.id]
    for what, by, to, limits, in_environment in steps:
        own = [key for key in keys if (await key_of(api, key)).account_id is not None]
        maker = await key_of(api, own[by % len(own)])
        try:
            if what == "create":
                owner = environment.id if in_environment else account.id
                new = NewKey(limits=limits, role=Role.MEMBER)
                view, _ = await service.create(caller(maker, account), new, owner)
                keys.append(view.record.id)
            else:
                target = keys[to % len(keys)]
                edit = {"name": "x"} if limits is None else {"limits": limits}
                view = await service.edit(caller(maker, account), target, edit)
        except Refused:
            continue
        made = view.record
        assert wider_parts(made.limits, maker.limits) == []
        assert wider_parts(made.limits, first) == []
        if made.environment_id is not None:
            assert wider_parts(made.limits, of_account) == []


async def key_of(api: AdminApi, number: int) -> Key:
    key = await api.store.get_key(number)
    assert key
    return key


async def test_a_new_key_has_the_limits_of_the_one_that_creates_it(api: AdminApi) -> None:
    """Unless others are given, which are no wider."""
    account = await api.account()
    maker = replace((await api.key(account)).key, limits=NARROW)
    await api.put(maker)
    service = KeyService(api.store, api.clock, ROUNDS)
    view, _ = await service.create(caller(maker, account), NewKey(), None)
    assert view.record.limits == NARROW
    with pytest.raises(Refused) as refused:
        await service.create(caller(maker, account), NewKey(limits=NONE), None)
    assert (refused.value.field, str(refused.value)) == (
        "limits.rate",
        "a key cannot make or change anything that is wider than itself: its rate is 10/s",
    )


async def test_a_key_does_not_change_or_rotate_a_wider_one(api: AdminApi) -> None:
    """A new secret would be a wider key. It may be deactivated."""
    account = await api.account()
    wide = (await api.key(account)).key
    narrow = replace((await api.key(account)).key, limits=NARROW)
    await api.put(narrow)
    service = KeyService(api.store, api.clock, ROUNDS)
    view = await service.get(caller(narrow, account), wide.id)
    assert [str(action) for action in view.actions] == ["deactivate"]
    with pytest.raises(Refused, match="wider than itself"):
        await service.rotate(caller(narrow, account), wide.id, None)
    with pytest.raises(Refused, match="wider than itself"):
        await service.edit(caller(narrow, account), wide.id, {"name": "n"})
    assert (await service.edit(caller(wide, account), narrow.id, {"name": "n"})).record.name == "n"


async def test_a_users_key_takes_the_bound_of_its_account_to_an_environment(
    api: AdminApi,
) -> None:
    """There the bound of the account itself does not apply. An admin's does not matter: an admin
    could change it."""
    service = KeyService(api.store, api.clock, ROUNDS)
    makers: list[Caller] = []
    environments: list[int] = []
    for kind, expected in ((AccountKind.USER, NARROW), (AccountKind.ADMIN, NONE)):
        account = replace(await api.account(kind), limits=NARROW)
        await api.put(account)
        environment = await api.environment({account: Role.OWNER})
        maker = caller((await api.key(account)).key, account)
        makers.append(maker)
        environments.append(environment.id)
        view, _ = await service.create(maker, NewKey(), environment.id)
        assert view.record.limits == expected
        view, _ = await service.create(maker, NewKey(), None)
        assert view.record.limits == NONE
    with pytest.raises(Refused, match="its rate is 10/s"):
        await service.create(makers[0], NewKey(limits=NONE), environments[0])
    await service.create(makers[1], NewKey(limits=NONE), environments[1])


async def test_only_admins_set_the_limits_of_accounts_and_environments(api: AdminApi) -> None:
    """They bound all keys there, so no owner may loosen them. Who sends the whole resource back
    changes nothing."""
    owner = await api.account()
    environment = replace(await api.environment({owner: Role.OWNER}), limits=NARROW)
    await api.put(environment)
    mine = caller((await api.key(owner)).key, owner)
    service = EnvironmentService(api.store, api.clock)
    for limits in (NONE, parse_limits(limits_json(NARROW) | {"rate": "1/s"})):
        with pytest.raises(Refused, match="only admins") as refused:
            await service.edit(mine, environment.id, {"limits": limits})
        assert refused.value.field == "limits"
    view = await service.edit(mine, environment.id, {"limits": NARROW, "name": "new"})
    assert (view.record.name, view.record.limits) == ("new", NARROW)


async def test_an_admins_key_loosens_no_bound_beyond_itself(api: AdminApi) -> None:
    """It may change the other parts, and narrow any."""
    (admin,) = (await api.store.get_account(1),)
    assert admin
    key = replace(api.admin.key, limits=parse_limits({"rate": "10/s"}))
    await api.put(key)
    target = replace(
        await api.account(), limits=parse_limits({"rate": "5/s", "window": "08:00-09:00"})
    )
    await api.put(target)
    service, by = AccountService(api.store, api.clock, ROUNDS), caller(key, admin)

    async def set_limits(limits: dict[str, Any]) -> Limits:
        edit = {"limits": parse_limits(limits)}
        return (await service.edit(by, target.id, edit)).record.limits

    for limits in ({}, {"rate": "11/s"}):
        with pytest.raises(Refused) as refused:
            await set_limits(limits)
        assert refused.value.field == "limits.rate"
    for limits in ({"rate": "10/s"}, {"rate": "1/s", "quota": "5/day"}):
        assert await set_limits(limits) == parse_limits(limits)
