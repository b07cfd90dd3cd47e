"""Which limits apply to a request that is permitted, and which of them refuse it. Pure.

The rule that lives here: the limits of a key, of its account and of the environment apply together.
Those of an environment apply to its own keys everywhere, and to all others within its paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from proxy.domain.gcra import Rate
from proxy.domain.limits import NONE, Limits
from proxy.domain.model import Account, Environment, Key, Permit, Reason
from proxy.domain.quota import Quota
from proxy.domain.scopes import permit as within


class Metered(NamedTuple):
    """A limit that counts requests, and whose it is."""

    policy: str
    """Its name in the field RateLimit, such as `key-rate`."""
    subject: str
    """Who uses it up: the id of a record in the API, or an address."""
    limit: Rate | Quota
    reason: Reason
    """Why a request is refused where nothing is left."""
    enforced: bool = True
    """Whether it is; otherwise the request passes, and the log says so."""
    table: str = ""
    """Which subjects share memory: those of each public route have their own."""


class Reading(NamedTuple):
    """What is left of a limit that counts requests."""

    metered: Metered
    quota: int
    """How many requests the limit lets through in its window."""
    window: int
    """Seconds."""
    left: int
    seconds: int
    """Until more is left than now."""


class Limited(NamedTuple):
    """What limits say of a request."""

    refused: Reason | None = None
    would_refuse: Reason | None = None
    """Why it would be refused, if the limits were enforced."""
    metered: tuple[Metered, ...] = ()
    """What it uses up, if it passes."""
    until: int | None = None
    """When the clock changes this, in milliseconds since the epoch."""
    by_path: bool = False
    """Whether they look at the path."""


UNLIMITED: Final = Limited()


def limited(
    permit: Permit,
    method: str,
    paths: Sequence[bytes],
    address: str,
    now: int,
    *,
    enforced: bool = True,
) -> Limited:
    """What the limits of everybody concerned say of a request that has `permit`.

    `paths` are its own and the one that it names besides. An empty `address` is in all networks.
    `now` is in milliseconds since the epoch. `enforced`: whether its route enforces limits.
    """
    holders = _holders(permit)
    if not holders:
        return UNLIMITED
    would_refuse: Reason | None = None
    metered: list[Metered] = []
    ends: list[int] = []
    for name, record in holders:
        limits = record.limits
        holds = enforced and limits.enforce
        reason = _refusal(limits, method, paths, address, now)
        if reason is not None and holds:
            return Limited(refused=reason)
        would_refuse = would_refuse or reason
        if limits.rate is not None:
            metered.append(Metered(f"{name}-rate", record.ref, limits.rate, Reason.RATE, holds))
        if limits.quota is not None:
            metered.append(Metered(f"{name}-quota", record.ref, limits.quota, Reason.QUOTA, holds))
        end = None if limits.window is None else limits.window.changes_at(now)
        if end is not None:
            ends.append(end)
    scoped = any(record.limits.scopes for _, record in holders)
    return Limited(None, would_refuse, tuple(metered), min(ends, default=None), scoped)


def _holders(permit: Permit) -> list[tuple[str, Key | Account | Environment]]:
    """The records with limits, each with the word for it."""
    principal = permit.principal
    if principal is None:
        return []
    environment = principal.environment or permit.environment
    concerned: tuple[tuple[str, Key | Account | Environment | None], ...] = (
        ("key", principal.key),
        ("account", principal.account),
        ("environment", environment),
    )
    return [
        (name, record)
        for name, record in concerned
        if record is not None and record.limits is not NONE
    ]


def _refusal(
    limits: Limits, method: str, paths: Sequence[bytes], address: str, now: int
) -> Reason | None:
    if address and not limits.admits(address):
        return Reason.NETWORK
    if not all(within(limits.scopes, method, path) for path in paths):
        return Reason.SCOPE
    if limits.window is not None and not limits.window.is_open(now):
        return Reason.WINDOW
    return None
