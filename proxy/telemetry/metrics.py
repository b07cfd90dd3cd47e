"""The metrics of a node, for Prometheus. Labels are from fixed sets: no client can add one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.auth.records import CachedRecords
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder


class Metrics(Collector):
    """The metrics of one node, read at each scrape."""

    def __init__(
        self,
        telemetry: Telemetry,
        records: CachedRecords,
        usage: UsageRecorder,
        connections: Callable[[], int],
    ) -> None:
        """`connections` returns how many clients are connected."""
        self._telemetry = telemetry
        self._usage = usage
        self._records = records
        self._connections = connections
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Implements `Collector`."""
        telemetry = self._telemetry
        yield GaugeMetricFamily(
            "wardgate_access_control",
            "Whether keys are required; 0: all requests pass",
            int(self._records.access_control),
        )
        yield GaugeMetricFamily("wardgate_connections", "Clients connected", self._connections())
        answers = CounterMetricFamily(
            "wardgate_requests",
            "Requests that got a response, by class of status",
            labels=["status"],
        )
        for hundreds, count in enumerate(telemetry.by_class):
            if hundreds:
                answers.add_metric([f"{hundreds}xx"], count)
        yield answers
        refused = CounterMetricFamily(
            "wardgate_refused",
            "Requests that the gateway refused or failed, by reason",
            labels=["reason"],
        )
        for reason, count in sorted(telemetry.by_reason.items()):
            refused.add_metric([reason], count)
        yield refused
        shadow = CounterMetricFamily(
            "wardgate_would_refuse",
            "Requests that passed although a limit that is not enforced would refuse them",
            labels=["reason"],
        )
        for reason, count in sorted(telemetry.by_would_refuse.items()):
            shadow.add_metric([reason], count)
        yield shadow
        failures = CounterMetricFamily(
            "wardgate_failures",
            "Failed attempts to write the store or the access log, to connect to an upstream, or "
            "to look up its host",
            labels=["what"],
        )
        for kind, count in sorted(telemetry.health.failures.items()):
            failures.add_metric([kind], count)
        yield failures
        yield CounterMetricFamily(
            "wardgate_access_log_lost_lines",
            "Lines of the access log that could not be written",
            telemetry.log.lost,
        )
        yield CounterMetricFamily(
            "wardgate_usage_lost_requests",
            "Requests that are missing from the usage, since the store could not be written",
            self._usage.lost,
        )
