"""Names in place of ids: of what a caller may see, and of nothing else."""

from __future__ import annotations

from dataclasses import replace

from admin.api.handlers import STATE
from admin.api.representations import Links
from admin.api.resources import Name, RequestContext
from admin.service import Caller
from proxy.domain.model import Account, AccountKind, Environment, Role, State
from tests.admin.admin_api import AdminApi, Presented


async def names(api: AdminApi, presented: Presented, *refs: str | None) -> dict[str, Name]:
    """The names that are shown to whoever presents this key."""
    key = presented.key
    owner: Account | Environment | None
    if key.account_id is not None:
        owner = await api.store.get_account(key.account_id)
    else:
        owner = await api.store.get_environment(key.environment_id or 0)
    assert owner is not None
    assert api.client.app is not None
    context = RequestContext(
        Caller(key, owner, key.secret_hash, "127.0.0.1", "r1"), Links("http://admin"), None
    )
    return await api.client.app[STATE].resources.names_of(context, refs)


async def test_accounts_environments_and_keys_are_named_by_their_ids(api: AdminApi) -> None:
    """A key without a name by its access key. What is no id of any of them is left out."""
    account, environment = await api.account(), await api.environment()
    named, unnamed = await api.key(account), await api.key(environment)
    await api.put(replace(named.key, name="<b>deploys</b>"))
    refs = (account.ref, environment.ref, named.key.ref, unnamed.key.ref)
    assert await names(api, api.admin, *refs, None, "1a99", "1c99", "1m1", "x", "1a0") == {
        account.ref: Name(account.name, "account"),
        environment.ref: Name(environment.name, "project"),
        named.key.ref: Name("<b>deploys</b>", "apiKey"),
        unnamed.key.ref: Name(unnamed.key.access_key, "apiKey"),
    }
    assert await names(api, api.admin) == {}


async def test_a_name_is_shown_to_those_who_may_read_the_resource(api: AdminApi) -> None:
    """For every kind of caller, the ids that have names are those that the API answers."""
    accounts = [await api.account(kind) for kind in (AccountKind.USER, *AccountKind)]
    user, other = accounts[:2]
    environments = [
        await api.environment({user: role} if role else {}) for role in (*Role, None, None)
    ]
    owners: list[Account | Environment] = [*accounts, *environments]
    callers = [api.admin, *[await api.key(owner) for owner in owners]]
    callers += [await api.key(user, Role.READONLY), await api.key(environments[0], Role.READONLY)]
    for state, owner in ((State.REMOVED, user), (State.PURGED, user), (State.PURGED, other)):
        await api.key(owner, state=state)
    await api.put(replace(environments[-1], state=State.PURGED))
    paths = {each.ref: f"accounts/{each.ref}" for each in accounts}
    paths |= {each.ref: f"projects/{each.ref}" for each in environments}
    paths |= {each.key.ref: f"apikeys/{each.key.ref}" for each in api.keys}
    for caller in callers:
        if caller.key.environment_id == environments[-1].id:
            continue  # nobody is logged in with a key of an environment that is purged
        answers = {ref: await caller.get(f"/v2-beta/{path}") for ref, path in paths.items()}
        readable = {ref for ref, answer in answers.items() if answer.status == 200}
        assert set(await names(api, caller, *paths)) == readable
        assert caller.key.ref in readable
