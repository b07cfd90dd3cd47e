"""How counts become families of metrics.

Tested by the tests of the modules that use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from proxy.domain.histogram import Histogram

Labels: TypeAlias = tuple[str, ...]


def counters(
    name: str, text: str, labels: Sequence[str], counts: Mapping[Labels, float]
) -> CounterMetricFamily:
    """A counter for each set of values of `labels`. Prometheus' name of it ends in `_total`."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def gauges(
    name: str, text: str, labels: Sequence[str], values: Mapping[Labels, float]
) -> GaugeMetricFamily:
    """A gauge for each set of values of `labels`."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for each, value in sorted(values.items()):
        family.add_metric(each, value)
    return family


def histograms(
    name: str, text: str, labels: Sequence[str], found: Mapping[Labels, Histogram]
) -> HistogramMetricFamily:
    """A histogram for each set of values of `labels`."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for each, histogram in sorted(found.items()):
        family.add_metric(each, list(histogram.cumulative()), histogram.sum)
    return family
