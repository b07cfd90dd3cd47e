"""The settings of an upstream with several targets: where they are, which of them gets a request,
which is well, and which requests are sent again.

Tested in `tests/proxy/config/test_targets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator

from proxy.config import values
from proxy.config.resolve import Resolve
from proxy.config.settings import WEEK, Count, Fault, Seconds, Settings
from proxy.config.values import UpstreamUrl
from proxy.targets.retries import IDEMPOTENT

MOST_TARGETS: Final = 256
Balance: TypeAlias = Literal["least_requests", "round_robin", "hash"]
SecondsOrNone: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=WEEK, allow_inf_nan=False)]
_Status: TypeAlias = Annotated[Count, Field(ge=200, le=599)]


class Target(Settings):
    """One server of an upstream."""

    url: Annotated[UpstreamUrl, PlainValidator(values.upstream_url)]
    weight: Annotated[Count, Field(ge=1, le=1000)] = 1
    priority: Annotated[Count, Field(ge=0, le=100)] = 0
    """As Envoy's priority levels; nginx and HAProxy have two, with `backup`."""
    max_connections: Annotated[Count, Field(ge=1, le=65535)] | None = None
    """None: as many as the upstream says for each."""


def _written_target(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


Targets: TypeAlias = Annotated[
    list[Annotated[Target, BeforeValidator(_written_target)]],
    Field(min_length=1, max_length=MOST_TARGETS),
]


def _idempotent(text: object) -> str:
    name = values.method(text)
    if name not in IDEMPOTENT:
        known = ", ".join(sorted(IDEMPOTENT))
        raise ValueError(f"may act twice if it is sent twice: only {known} may be sent again")
    return name


class Retries(Settings):
    """Which requests are sent to another target where one has failed."""

    attempts: Annotated[Count, Field(ge=0, le=10)] = 2
    """Envoy: 1 (num_retries); HAProxy: 3 (retries); nginx: as often as there are servers."""
    methods: list[Annotated[str, PlainValidator(_idempotent)]] = ["GET", "HEAD", "OPTIONS"]
    """nginx repeats every idempotent one; a DELETE that is repeated may get a 404, though."""
    budget: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.2
    """Finagle and Linkerd: 0.2."""
    min_per_second: Annotated[Count, Field(ge=0, le=10_000)] = 10
    """Finagle and Linkerd: 10."""


class Ejection(Settings):
    """When a target that fails gets no requests for a while."""

    failures: Annotated[Count, Field(ge=1, le=1000)] = 5
    """Envoy: 5 (consecutive_5xx); nginx: 1 (max_fails)."""
    time: Seconds = 10
    """nginx: 10 (fail_timeout); Envoy: 30 (base_ejection_time)."""
    max_time: Seconds = 300
    """Envoy: 300 (max_ejection_time)."""
    statuses: list[Annotated[Count, Field(ge=500, le=599)]] = []
    """None, as in nginx: a client that knows a request with which the API fails could otherwise
    have targets ejected. Envoy: all 5xx."""

    def rules(self) -> Iterator[Fault]:
        if self.max_time < self.time:
            yield "max_time", "should be at least time"


class Breaker(Settings):
    """When an upstream that fails gets no requests at all for a while."""

    failures: Annotated[Count, Field(ge=1, le=100_000)] = 20
    time: Seconds = 5
    max_time: Seconds = 60

    def rules(self) -> Iterator[Fault]:
        if self.max_time < self.time:
            yield "max_time", "should be at least time"


class Checks(Settings):
    """Requests of the gateway's own, by which it finds out which targets are well."""

    path: Annotated[str, PlainValidator(values.check_path)]
    host: Annotated[str, PlainValidator(values.host_field)] | None = None
    interval: Seconds = 2
    """HAProxy: 2 (inter); nginx Plus: 5; Caddy: 30."""
    timeout: Seconds = 2
    """HAProxy: as long as the interval; Caddy: 5."""
    unhealthy: Annotated[Count, Field(ge=1, le=100)] = 3
    """HAProxy: 3 (fall)."""
    healthy: Annotated[Count, Field(ge=1, le=100)] = 2
    """HAProxy: 2 (rise)."""
    statuses: Annotated[list[_Status], Field(min_length=1)] | None = None
    """None: 200 to 399, as in HAProxy and nginx Plus."""


GROUPS: Final[dict[str, type[Settings]]] = {
    "retries": Retries,
    "ejection": Ejection,
    "checks": Checks,
    "breaker": Breaker,
    "resolve": Resolve,
}
"""The groups of an upstream's settings."""
