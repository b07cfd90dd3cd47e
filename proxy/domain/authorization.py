"""Who may do what on a route, in which role. Pure.

The rule that lives here: a key may do what its own role, its account's kind and its membership all
allow, in the one environment that the path names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.domain.limiting import Metered
from proxy.domain.methods import READ_METHODS
from proxy.domain.model import (
    Account,
    AccountKind,
    Deny,
    Environment,
    Membership,
    Permit,
    Principal,
    Reason,
    Role,
    State,
)
from proxy.domain.routes import Access, Route


class Verdict(NamedTuple):
    """The decision on a request. A permit has a route; `allow` is the Allow field of a 405."""

    route: Route | None
    permit: Permit | Deny
    allow: Sequence[str] = ()
    version: int = -1
    """The version of the records that it was made from. It holds while they have that version; -1:
    for one request only."""
    until: int | None = None
    """When the clock ends it, in milliseconds since the Unix epoch; None: never."""
    preflight: bool = False
    """Whether it permits a preflight, which has no key: the gateway answers it, or where the route
    has no `cors` of its own, the upstream does."""
    metered: tuple[Metered, ...] = ()
    """The limits that each such request uses up."""
    would_refuse: Reason | None = None
    """Why a limit that is not enforced would refuse it."""
    upstream: str | None = None
    """The upstream that gets it, where its route divides requests among several."""
    by_path: bool = False
    """Whether a permit depends on more of the path than the route and the environment."""


def authorize(
    principal: Principal,
    route: Route,
    method: str,
    environment: Environment | None = None,
    membership: Membership | None = None,
    *,
    tunnel: bool = False,
) -> Permit | Deny:
    """Whether `principal` may use `method` on `route`, and in which role.

    `environment` is the one with the path's slug, None where no environment has it; `membership`
    is that of the principal's account in it. `tunnel`: the request offers a protocol in which
    nothing tells reading from writing, so a readonly role needs `route.readonly_upgrades`.
    """
    if route.access is Access.ENVIRONMENT:
        role = _role_in(principal, environment, membership)
        if role is None:
            # Rancher's CLI looks an environment up by its name only after a 404.
            of_account = principal.account is not None
            return Deny(Reason.NO_ENVIRONMENT if of_account else Reason.ENVIRONMENT)
    elif not _open_to(route.access, principal.account):
        return Deny(Reason.ACCESS)
    else:
        role = _bounded(principal)
    if role is Role.READONLY and (
        method not in READ_METHODS or (tunnel and not route.readonly_upgrades)
    ):
        return Deny(Reason.READ_ONLY, environment=environment)
    return Permit(principal, environment, role)


def _open_to(access: Access, account: Account | None) -> bool:
    """Whether a route that is not an environment's is open to a key of `account`."""
    if access is Access.ANY:
        return True
    if account is None:
        return False
    return access is Access.ACCOUNT or account.kind is not AccountKind.USER


def _role_in(
    principal: Principal, environment: Environment | None, membership: Membership | None
) -> Role | None:
    """The principal's role in an environment, None where it has no access to it."""
    if environment is None or environment.state is not State.ACTIVE:
        return None
    account = principal.account
    if account is None:
        same = principal.environment is not None and principal.environment.id == environment.id
        return principal.key.role if same else None
    if account.kind is not AccountKind.USER:
        return _bounded(principal)
    return principal.key.role.weaker(membership.role) if membership else None


def _bounded(principal: Principal) -> Role:
    """The role of the principal's key, limited to what the kind of its account allows."""
    account = principal.account
    if account is not None and account.kind is AccountKind.READ_ADMIN:
        return Role.READONLY
    return principal.key.role
