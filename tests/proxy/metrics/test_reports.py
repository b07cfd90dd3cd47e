"""What workers report is shown as if one process had it, and is kept when they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from proxy.metrics.reports import Reports, report_json
from proxy.targets.status import LookupStatus, TargetStatus, UpstreamStatus


async def nobody() -> dict[int, Any]:
    """The reports where no worker answers."""
    return {}


def upstream(state: str, failures: int) -> UpstreamStatus:
    """One with a target in a state."""
    target = TargetStatus("http://a", state, "why", 1, 1, 0, 2, 3, failures, 0)
    lookup = LookupStatus("a", "SRV", "", 5)
    return UpstreamStatus("u", "closed", 1, 0, [target], "random", 10, lookup)


def report(requests: int, *health: str, state: str = "up") -> Any:
    """That of one worker."""
    metrics = [
        CounterMetricFamily("requests", "text", requests),
        GaugeMetricFamily("connections", "text", requests),
    ]
    return report_json(list(health), [upstream(state, requests)], metrics)


def value(reports: Reports, name: str) -> float:
    """The value of a metric of all."""
    own = [GaugeMetricFamily("connections", "text", 100)]
    found = {sample.name: sample.value for m in reports.with_metrics(own) for sample in m.samples}
    return found[name]


def test_reports_of_all_workers_are_one(tmp_path: Path) -> None:
    """Failures are named once, targets have the worst state, and counts add up."""
    reports = Reports(nobody, tmp_path / "counted")
    reports.take(1, report(3, "the log fails"))
    reports.take(2, report(4, "the log fails", "an upstream fails", state="down"))
    assert reports.health == ["the log fails", "an upstream fails"]
    (found,) = reports.upstreams
    assert (found.waiting, found.retries_left, found.state) == (2, 20, "down")
    assert (found.targets[0].failures, found.targets[0].connections) == (7, 6)
    assert value(reports, "requests_total") == 7
    assert value(reports, "connections") == 107


def test_what_a_worker_has_counted_outlives_it_and_the_keeper(tmp_path: Path) -> None:
    """Its connections are gone, its counts stay: also for the next keeper."""
    reports = Reports(nobody, tmp_path / "counted")
    reports.take(1, report(3))
    reports.take(2, report(4))
    reports.left(1)
    reports.left(1)
    assert value(reports, "requests_total") == 7
    assert value(reports, "connections") == 104
    after = Reports(nobody, tmp_path / "counted")
    after.take(2, report(5))
    assert value(after, "requests_total") == 8


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A report of another form changes nothing, and neither does a file."""
    (tmp_path / "counted").write_text("{")
    reports = Reports(nobody, tmp_path / "counted")
    reports.take(1, report(3))
    reports.take(1, {"health": 5})
    reports.take(1, [[], [], [["requests", "text", "counter", [["requests_total", {}, "x"]]]]])
    assert value(reports, "requests_total") == 3
