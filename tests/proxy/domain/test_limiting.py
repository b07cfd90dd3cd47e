"""Which limits apply to a request, and what they say of it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.gcra import Rate
from proxy.domain.limiting import UNLIMITED, Limited, Metered, limited
from proxy.domain.limits import Limits, parse_limits
from proxy.domain.model import (
    Account,
    AccountKind,
    Environment,
    Permit,
    Principal,
    Reason,
    Role,
)
from proxy.domain.quota import Quota
from tests.support.clocks import moment
from tests.support.seed import account, environment, key

NOON = moment("2026-11-27T12:00:00")
"""A Friday."""


def permit(owner: Account | Environment, limits: Limits, path: Environment | None = None) -> Permit:
    """A permit with a key of `owner` that has these limits, in the environment of the path."""
    bare = key(5, "AAAA", b"", limits=limits)
    of_account = isinstance(owner, Account)
    principal = Principal(bare, owner if of_account else None, None if of_account else owner)  # type: ignore[arg-type]
    return Permit(principal, path, Role.OWNER)


def judged(limits: dict[str, Any], **how: Any) -> Limited:
    """What the limits of a key say of a request."""
    given: dict[str, Any] = {"method": "GET", "paths": [b"/v1/x"], "address": "192.0.2.1"}
    given |= {"now": NOON} | how
    return limited(permit(account(1, AccountKind.USER), parse_limits(limits)), **given)


def test_nobody_is_limited_by_default() -> None:
    """Nor is a request without a key."""
    assert judged({}) is UNLIMITED
    assert limited(Permit(), "GET", [b"/"], "192.0.2.1", NOON) is UNLIMITED


@pytest.mark.parametrize(
    ("limits", "how", "reason"),
    [
        ({"networks": ["192.0.2.0/24"]}, {}, None),
        ({"networks": ["192.0.2.0/24"]}, {"address": "192.0.3.1"}, Reason.NETWORK),
        ({"networks": ["192.0.2.0/24"]}, {"address": "unix"}, Reason.NETWORK),
        ({"networks": ["192.0.2.0/24"]}, {"address": ""}, None),
        ({"scopes": ["GET /v1/**"]}, {}, None),
        ({"scopes": ["GET /v1/**"]}, {"method": "POST"}, Reason.SCOPE),
        ({"scopes": ["GET /v1/**"]}, {"paths": [b"/v2/x"]}, Reason.SCOPE),
        ({"scopes": ["* /v1/**"]}, {"paths": [b"/v1/x", b"/v2/x"]}, Reason.SCOPE),
        ({"scopes": ["* /v1/**"]}, {"paths": [b"/v1/x", b"/v1/y"]}, None),
        ({"window": "Mon-Fri 08:00-18:00"}, {}, None),
        ({"window": "Sat 00:00-24:00"}, {}, Reason.WINDOW),
    ],
)
def test_a_key_is_limited_by_networks_scopes_and_hours(
    limits: dict[str, Any], how: dict[str, Any], reason: Reason | None
) -> None:
    """A second path counts as the first does; an address that is not known is not judged."""
    assert judged(limits, **how).refused == reason


@pytest.mark.parametrize("by", ["key", "route"])
def test_what_is_not_enforced_would_refuse(by: str) -> None:
    """The request passes, and what counts it is marked."""
    limits = {"scopes": ["POST /v1"], "rate": "1/s", "enforce": by != "key"}
    found = judged(limits, enforced=by != "route")
    assert (found.refused, found.would_refuse) == (None, Reason.SCOPE)
    assert [each.enforced for each in found.metered] == [False]


def test_the_limits_of_key_account_and_environment_apply_together() -> None:
    """Each is counted by itself."""
    limits = parse_limits({"rate": "1/s", "quota": "5/day"})
    rate, quota = Rate.parse("1/s"), Quota.parse("5/day")
    user = account(2, AccountKind.USER, limits=limits)
    place = environment(3, "a", limits=limits)
    found = limited(permit(user, limits, place), "GET", [b"/"], "192.0.2.1", NOON)
    assert found.metered == tuple(
        each
        for name, subject in (("key", "1c5"), ("account", "1a2"), ("environment", "1a3"))
        for each in (
            Metered(f"{name}-rate", subject, rate, Reason.RATE),
            Metered(f"{name}-quota", subject, quota, Reason.QUOTA),
        )
    )
    own = limited(permit(place, parse_limits({}), None), "GET", [b"/"], "192.0.2.1", NOON)
    assert [each.policy for each in own.metered] == ["environment-rate", "environment-quota"]


@pytest.mark.parametrize("holder", ["key", "account", "environment"])
def test_each_of_them_can_refuse(holder: str) -> None:
    """The narrowest counts."""
    narrow, none = parse_limits({"networks": ["198.51.100.1"]}), parse_limits({})
    of = {name: narrow if name == holder else none for name in ("key", "account", "environment")}
    user = account(2, AccountKind.USER, limits=of["account"])
    place = environment(3, "a", limits=of["environment"])
    found = limited(permit(user, of["key"], place), "GET", [b"/"], "192.0.2.1", NOON)
    assert found.refused is Reason.NETWORK


def test_a_verdict_ends_when_the_first_window_opens_or_closes() -> None:
    """Whether it is enforced or not."""
    user = account(2, AccountKind.USER, limits=parse_limits({"window": "06:00-20:00"}))
    closing = limited(
        permit(user, parse_limits({"window": "10:00-14:00", "enforce": False})),
        "GET",
        [b"/"],
        "192.0.2.1",
        NOON,
    )
    assert closing.until == moment("2026-11-27T14:00:00")
    assert judged({"window": "00:00-24:00"}).until is None
