"""People who log in with OpenID Connect: which account they act in, and in which role.

The rule that lives here: the configuration decides, at each request. Nobody gets an account by
logging in.

Tested in `tests/admin/console/test_oidc.py`.
"""

from __future__ import annotations

from admin.service.base import Caller, Person
from admin.service.errors import Refused
from proxy.config.oidc import Oidc
from proxy.domain.model import Account, State
from proxy.domain.session import Identity
from proxy.store.protocols import Reader
from proxy.store.query import Filter, Modifier, Query


async def caller_for(
    reader: Reader, settings: Oidc | None, identity: Identity, address: str, request_id: str
) -> Caller:
    """The person with this identity as a caller, whose address and request are given. Raises
    `Refused` for a person without an active account, and `StoreUnavailable`."""
    if settings is None or (identity.issuer, identity.claim) != (settings.issuer, settings.claim):
        raise Refused("Forbidden", "login with this provider is not set up any more")
    account = await _account(reader, settings, identity.value)
    if account is None:
        raise Refused(
            "Forbidden",
            f"“{identity.value}” has no account here. An administrator can give it one in the "
            "configuration, with admin.oidc.accounts",
        )
    if account.state is not State.ACTIVE:
        raise Refused("Forbidden", f"the account of “{identity.value}” is not active")
    return Caller(Person(identity, settings.role), account, None, address, request_id)


async def _account(reader: Reader, settings: Oidc, value: str) -> Account | None:
    """The account for the value of a claim, in any state. None where there is none; and where
    several have it as their name, because one of them might be meant for somebody else."""
    number = settings.accounts.get(value)
    if number is not None:
        return await reader.get_account(number)
    if not settings.account_names:
        return None
    named = Query("name", limit=2, filters=(Filter("name", Modifier.EQ, value),))
    found = (await reader.list_accounts(named)).records
    return found[0] if len(found) == 1 else None
