"""What became of requests, as metrics.

Tested in `tests/proxy/metrics/test_requests.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric

from proxy.metrics.families import Labels, counters, histograms
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder


def of_requests(telemetry: Telemetry, usage: UsageRecorder) -> Iterator[Metric]:
    """What was counted of requests, and what was lost of it."""
    classes = Counter[Labels]({(f"{each}xx",): 0 for each in range(1, 6)})
    for (_, _, hundreds), latency in telemetry.latencies.items():
        classes[f"{hundreds}xx",] += latency.count
    yield counters(
        "wardgate_requests",
        "Requests that got a response, by class of status",
        ["status"],
        classes,
    )
    yield histograms(
        "wardgate_request_duration_seconds",
        "Seconds from the head of a request to the end of the response, or of the tunnel (1xx)",
        ["route", "upstream", "status"],
        {
            (route, upstream, f"{hundreds}xx"): latency
            for (route, upstream, hundreds), latency in telemetry.latencies.items()
        },
    )
    yield counters(
        "wardgate_forward_auth",
        "Those of the requests that other proxies asked about, by class of status",
        ["status"],
        {(f"{each}xx",): telemetry.by_forward_auth[each] for each in range(1, 6)},
    )
    yield counters(
        "wardgate_refused",
        "Requests that the gateway refused or failed, by reason",
        ["reason"],
        _labelled(telemetry.by_reason),
    )
    yield counters(
        "wardgate_would_refuse",
        "Requests that passed although a limit that is not enforced would refuse them",
        ["reason"],
        _labelled(telemetry.by_would_refuse),
    )
    yield counters(
        "wardgate_failures",
        "Failed attempts to write the store or the access log, to connect to an upstream, or "
        "to look up its host",
        ["what"],
        _labelled(telemetry.health.failures),
    )
    yield CounterMetricFamily(
        "wardgate_access_log_lost_lines",
        "Lines of the access log that could not be written",
        telemetry.log.lost,
    )
    yield CounterMetricFamily(
        "wardgate_usage_lost_requests",
        "Requests that are missing from the usage, since the store could not be written",
        usage.lost,
    )


def _labelled(counts: Mapping[str, int]) -> dict[Labels, float]:
    return {(name,): count for name, count in counts.items()}
