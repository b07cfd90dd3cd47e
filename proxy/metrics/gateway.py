"""What is in progress at the gateway, as metrics.

Tested in `tests/proxy/metrics/test_gateway.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from proxy.gateway.server import Gateway
from proxy.metrics.families import Labels, counters, gauges, histograms


def of_gateway(gateway: Gateway) -> Iterator[Metric]:
    """Connections on both sides, limits in use, and how the event loop keeps up."""
    yield GaugeMetricFamily("wardgate_connections", "Clients connected", gateway.connected)
    connections = Counter[Labels]()
    for name, pool in gateway.pools:
        for state, number in pool.by_state.items():
            connections[name, state] += number
    yield gauges(
        "wardgate_upstream_connections",
        "Connections to an upstream, by what they do: they carry a request (active) or a tunnel, "
        "are idle, are being closed or opened",
        ["upstream", "state"],
        connections,
    )
    yield gauges(
        "wardgate_limits_in_use",
        "Rates, quotas and clients of public routes that are counted in memory",
        ["kind"],
        {(kind,): size for kind, size in gateway.limiter.sizes.items()},
    )
    yield counters(
        "wardgate_grants",
        "Parts of rates that others share, by what became of the question",
        ["result"],
        {(result,): count for result, count in gateway.limiter.grants.items()},
    )
    yield histograms(
        "wardgate_event_loop_lag_seconds",
        "Seconds by which the event loop was late, once a second",
        [],
        {(): gateway.telemetry.loop_lag},
    )
