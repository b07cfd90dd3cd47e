"""What is shown of upstreams and their targets: plain data, for the API and the metrics. Pure.

There is nothing to test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class TargetStatus(NamedTuple):
    """One target. Its name is its URL, configured or looked up. Times are milliseconds since the
    epoch."""

    name: str
    state: str
    """`up`, `failing` (the last request failed), `starting` (slowly), `down` (its checks fail),
    `ejected`, or `trial` (it was ejected, and gets one request at a time)."""
    why: str
    """Why it is in that state; empty where that needs no reason."""
    since: int
    """Since when."""
    weight: int
    priority: int
    requests: int
    """How many requests and tunnels are in progress."""
    connections: int
    """How many connections are open."""
    failures: int
    """How many requests and attempts to connect have failed so far."""
    ejections: int
    """How often it was ejected so far."""


class LookupStatus(NamedTuple):
    """The lookups of the name of an upstream. Times are milliseconds since the epoch."""

    name: str
    kind: str
    """The type of the records: `SRV`, `A`, `AAAA`, or `A, AAAA`."""
    why: str
    """Why the last lookup failed; empty where it did not."""
    since: int
    """Since when lookups work, or fail."""
    answered: bool = True
    """Whether there was any answer; before that, there are no targets but the name itself."""


class UpstreamStatus(NamedTuple):
    """One upstream. Its name is that of the configuration."""

    name: str
    breaker: str | None
    """`closed`, `open` or `half-open`; None where it has none."""
    waiting: int
    """How many requests wait for a connection."""
    retries: int
    """How many requests were sent to another target so far."""
    targets: Sequence[TargetStatus]
    balance: str | None = None
    """By what a target is chosen for a request; None where it is one URL alone."""
    retries_left: int | None = None
    """How many requests may be sent to another target now; None as for `balance`."""
    lookup: LookupStatus | None = None
    """None where its name does not resolve to targets."""

    @property
    def state(self) -> str:
        """`up`, `degraded` (some target is not up), `down` (none gets requests), or `open` (its
        circuit breaker is)."""
        if self.breaker == "open":
            return "open"
        if all(each.state in {"up", "starting"} for each in self.targets):
            return "up"
        usable = any(each.state in {"up", "starting", "trial"} for each in self.targets)
        return "degraded" if usable else "down"
