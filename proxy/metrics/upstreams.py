"""The upstreams and their targets, as metrics.

Tested in `tests/proxy/gateway/test_status.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import Metric

from proxy.metrics.families import counters, gauges
from proxy.targets.status import TargetStatus, UpstreamStatus

_UP: Final = frozenset({"up", "starting"})


def of_upstreams(upstreams: Sequence[UpstreamStatus]) -> Iterator[Metric]:
    """What each target does, and each upstream. The labels are names of the configuration,
    and addresses that the DNS gives for one."""
    yield counters(
        "wardgate_upstream_retries",
        "Requests sent to another target",
        ["upstream"],
        {(each.name,): each.retries for each in upstreams},
    )
    yield gauges(
        "wardgate_upstream_waiting",
        "Requests that wait for a connection",
        ["upstream"],
        {(each.name,): each.waiting for each in upstreams},
    )
    yield gauges(
        "wardgate_upstream_breaker_open",
        "Whether the circuit breaker refuses requests",
        ["upstream"],
        {(each.name,): int(each.breaker not in {None, "closed"}) for each in upstreams},
    )
    yield gauges(
        "wardgate_upstream_resolved",
        "Whether the last lookup of the upstream's name gave its targets",
        ["upstream"],
        {(each.name,): int(not each.lookup.why) for each in upstreams if each.lookup is not None},
    )
    yield from _of_targets(
        {(upstream.name, each.name): each for upstream in upstreams for each in upstream.targets}
    )


def _of_targets(targets: dict[tuple[str, ...], TargetStatus]) -> Iterator[Metric]:
    labels = ["upstream", "target"]
    yield gauges(
        "wardgate_target_up",
        "Whether the target works, and gets requests as usual",
        labels,
        {names: int(each.state in _UP) for names, each in targets.items()},
    )
    yield gauges(
        "wardgate_target_requests",
        "Requests and tunnels in progress at the target",
        labels,
        {names: each.requests for names, each in targets.items()},
    )
    yield gauges(
        "wardgate_target_connections",
        "Connections to the target",
        labels,
        {names: each.connections for names, each in targets.items()},
    )
    yield counters(
        "wardgate_target_failures",
        "Requests that the target failed",
        labels,
        {names: each.failures for names, each in targets.items()},
    )
    yield counters(
        "wardgate_target_ejections",
        "How often the target was ejected",
        labels,
        {names: each.ejections for names, each in targets.items()},
    )
