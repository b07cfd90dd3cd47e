"""The keys that are stored, as metrics.

Tested in `tests/proxy/metrics/test_keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from proxy.metrics.families import gauges


def of_keys(expiring: Iterable[tuple[int, int]]) -> Iterator[Metric]:
    """How many expire soon. `expiring` has (days, keys that expire within them)."""
    yield gauges(
        "wardgate_keys_expiring",
        "Active keys that expire within so many days, as of the last minute",
        ["days"],
        {(str(days),): count for days, count in expiring},
    )
