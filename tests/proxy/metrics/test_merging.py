"""The metrics of several processes are those of one that has done all of it."""

from __future__ import annotations

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from proxy.domain.histogram import Histogram
from proxy.metrics.families import counters, gauges, histograms
from proxy.metrics.merging import added, families_of, lasting, metrics_of


def process(requests: int, up: int, seconds: float) -> list[Metric]:
    """What one process has."""
    durations = Histogram()
    durations.note(seconds)
    return [
        counters("wardgate_requests", "text", ["status"], {("2xx",): requests}),
        gauges("wardgate_connections", "text", [], {(): requests}),
        gauges("wardgate_target_up", "text", ["target"], {("a",): up}),
        gauges("wardgate_upstream_breaker_open", "text", ["upstream"], {("u",): up}),
        histograms("wardgate_seconds", "text", [], {(): durations}),
    ]


def values(metrics: list[Metric]) -> dict[tuple[str, str], float]:
    """By the name of a sample, and its labels."""
    return {
        (sample.name, "".join(f"{k}={v}" for k, v in sample.labels.items())): sample.value
        for each in metrics
        for sample in each.samples
    }


def test_counts_are_added_and_states_agree_on_the_worst() -> None:
    """Counters, histograms and numbers add up; a target is up if all say so, a breaker is open if
    any does."""
    both = added([families_of(process(3, 1, 0.1)), families_of(process(4, 0, 9.0))])
    found = values(metrics_of(both))
    assert found["wardgate_requests_total", "status=2xx"] == 7
    assert found["wardgate_connections", ""] == 7
    assert found["wardgate_target_up", "target=a"] == 0
    assert found["wardgate_upstream_breaker_open", "upstream=u"] == 1
    assert found["wardgate_seconds_count", ""] == 2
    assert found["wardgate_seconds_sum", ""] == 9.1


def test_what_only_one_has_stays() -> None:
    """A family, or a label, that another process does not have."""
    one = families_of([GaugeMetricFamily("only", "text", 5)])
    other = families_of([counters("wardgate_requests", "text", ["status"], {("5xx",): 1})])
    found = values(metrics_of(added([one, other, families_of(process(3, 1, 0.1))])))
    assert found["only", ""] == 5
    assert found["wardgate_requests_total", "status=5xx"] == 1
    assert found["wardgate_requests_total", "status=2xx"] == 3


def test_of_a_process_that_has_ended_only_counts_stay() -> None:
    """What it had at the end is over."""
    left = lasting(families_of([*process(3, 1, 0.1), CounterMetricFamily("lost", "text", 2)]))
    assert {each.name for each in left} == {"wardgate_requests", "wardgate_seconds", "lost"}
