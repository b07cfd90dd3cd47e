"""The metrics of a node as text, for Prometheus.

Tested in `tests/proxy/metrics/test_registry.py`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

Source: TypeAlias = Callable[[], Iterable[Metric]]
Addition: TypeAlias = Callable[[Iterable[Metric]], Iterable[Metric]]


class Metrics(Collector):
    """The metrics of one node: those of its parts, of the process, and which build it is."""

    def __init__(self, *sources: Source, add: Addition = list) -> None:
        """`sources` are called at each scrape. `add` adds what other processes have."""
        self._sources = (*sources, ProcessCollector(registry=None).collect)
        self._add = add
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Implements `Collector`."""
        build = {"version": version("wardgate"), "python": platform.python_version()}
        yield InfoMetricFamily("wardgate_build", "Which build runs", build)
        yield from self._add(self.own())

    def own(self) -> Iterator[Metric]:
        """Those of this process."""
        for source in self._sources:
            yield from source()
