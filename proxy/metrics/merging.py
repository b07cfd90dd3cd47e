"""The metrics of several processes, added up.

The rule that lives here: counters never fall, also when a process has ended.

Tested in `tests/proxy/metrics/test_merging.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from prometheus_client.core import Metric

_LEAST: Final = {
    "wardgate_access_control",
    "wardgate_target_up",
    "wardgate_upstream_resolved",
    "process_start_time_seconds",
}
"""Gauges of which the least value counts: all processes have to agree that it is well."""
_MOST: Final = {"wardgate_upstream_breaker_open"}

Point: TypeAlias = tuple[str, dict[str, str], float]
"""The name of a sample, its labels and its value."""


class Family(NamedTuple):
    """One family of metrics, as plain data."""

    name: str
    text: str
    kind: Literal["counter", "gauge", "histogram", "summary", "info", "unknown"]
    points: list[Point]


def families_of(metrics: Iterable[Metric]) -> list[Family]:
    """Metrics as plain data."""
    return [
        Family(
            each.name,
            each.documentation,
            cast("Any", each.type),
            [(sample.name, dict(sample.labels), sample.value) for sample in each.samples],
        )
        for each in metrics
    ]


def metrics_of(families: Iterable[Family]) -> list[Metric]:
    """The metrics again."""
    found = []
    for name, text, kind, points in families:
        metric = Metric(name, text, kind)
        for point in points:
            metric.add_sample(*point)
        found.append(metric)
    return found


def added(processes: Iterable[Iterable[Family]]) -> list[Family]:
    """The families of all processes as one: in the order in which they first come."""
    first: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for families in processes:
        for family in families:
            name = family.name
            first.setdefault(name, family)
            sums, combine = values.setdefault(name, {}), _combination(family)
            for sample, labels, value in family.points:
                at = sample, tuple(labels.items())
                sums[at] = combine((sums[at], value)) if at in sums else value
    return [
        family._replace(
            points=[(sample, dict(labels), value) for (sample, labels), value in sums.items()]
        )
        for family, sums in ((first[name], values[name]) for name in first)
    ]


def lasting(families: Iterable[Family]) -> list[Family]:
    """What still counts when its process has ended."""
    return [each for each in families if each.kind in {"counter", "histogram"}]


def _combination(family: Family) -> Callable[[Iterable[float]], Any]:
    if family.name in _LEAST:
        return min
    return max if family.name in _MOST else sum
