"""Usage: what is counted of requests, and by which of their properties. Pure.

The rule that lives here: how many counters there are is bounded by the routes, the keys and fixed
sets, never by what clients send. A counter has the pattern of its route, never a path.

Tested in `tests/proxy/store/contract/test_usage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

HOUR: Final = 60 * 60 * 1000
"""Milliseconds."""
DAY: Final = 24 * HOUR

OTHER_METHOD: Final = "other"
"""In place of a method that is not registered."""

CLIENT_CLOSED: Final = "client-closed"
"""The reason of requests that end with a 499 although nobody refused them."""


class Dimension(StrEnum):
    """A property by which usage is told apart, under the name that the API has for it."""

    HOUR = "hour"
    DAY = "day"
    """In UTC."""
    ROUTE = "route"
    METHOD = "method"
    STATUS = "status"
    REASON = "reason"
    KEY = "key"
    ENVIRONMENT = "environment"


class Series(NamedTuple):
    """The requests that are counted together."""

    hour: int
    """When the hour begins in which they ended, in milliseconds since the Unix epoch."""
    key_id: int
    """0: no key was proved."""
    environment_id: int
    """The environment in which they acted, or that an environment's key belongs to; 0: none."""
    route: str
    """The path pattern of the route; empty where none was found."""
    method: str
    """A registered method, or `OTHER_METHOD`."""
    status: int
    """The hundreds of the status."""
    reason: str = ""
    """The code of the reason why they were refused or failed; empty where there was none."""


@dataclass(slots=True)
class Sums:
    """What is summed up of some requests."""

    requests: int = 0
    received: int = 0
    """Bytes of bodies, and through tunnels, from clients."""
    sent: int = 0
    """The same to clients."""
    seconds: float = 0.0
    """From the heads of the requests to their ends."""

    def add(self, other: Sums) -> None:
        """Add the sums of other requests."""
        self.requests += other.requests
        self.received += other.received
        self.sent += other.sent
        self.seconds += other.seconds


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which usage is asked for, and how it is told apart. At most one of `key`, `account` and
    `environment` is given; without them it is that of all requests."""

    start: int
    """Milliseconds since the Unix epoch, as is `end`. Whole hours are counted: those that begin
    from `start` on and before `end`."""
    end: int
    by: Sequence[Dimension] = ()
    """In this order the rows are sorted. Without any, there is one row."""
    key: int | None = None
    account: int | None = None
    """The id of an account: all of its keys count, also those that are removed."""
    environment: int | None = None
    most: int = 10_000
    """Rows that are returned at most, the first ones."""


Value: TypeAlias = int | str


class UsageRow(NamedTuple):
    """The usage of the requests that have these values in common."""

    values: tuple[Value, ...]
    """Of the dimensions asked for, in their order, as in `Series`; a day is the time when it
    begins."""
    requests: int
    refused: int
    """Those that the gateway refused: with a 4xx of its own. A client that closes its connection
    is not refused."""
    failed: int
    """Those that got a 5xx, from the upstream or from the gateway."""
    received: int
    sent: int
    seconds: float
