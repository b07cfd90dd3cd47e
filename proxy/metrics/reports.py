"""What workers report to the keeper, and what the keeper shows of all of them.

Tested in `tests/proxy/metrics/test_reports.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client.core import Metric
from pydantic import TypeAdapter, ValidationError

from proxy.metrics.merging import Family, added, families_of, lasting, metrics_of
from proxy.targets.merging import merged
from proxy.targets.status import UpstreamStatus

log = logging.getLogger("wardgate")

EVERY: Final = 1.0
"""Seconds between two reports of each worker."""


class Report(NamedTuple):
    """How one process does."""

    health: list[str]
    """One line for each failure that lasts."""
    upstreams: list[UpstreamStatus]
    metrics: list[Family]


_REPORT: Final = TypeAdapter(Report)
_FAMILIES: Final = TypeAdapter(list[Family])


def report_json(
    health: list[str], upstreams: list[UpstreamStatus], metrics: Iterable[Metric]
) -> Any:
    """The report of a worker."""
    report = Report(health, upstreams, families_of(metrics))
    return _REPORT.dump_python(report, mode="json")


class Reports:
    """The last report of each worker, by its process."""

    def __init__(self, ask: Callable[[], Awaitable[dict[int, Any]]], file: Path) -> None:
        """`ask` gets the reports of all workers that answer. `file` keeps, for the next keeper,
        what workers have counted that have ended."""
        self._ask = ask
        self._file = file
        self._last: dict[int, Report] = {}
        self._ended: list[Family] = []
        with suppress(OSError, ValidationError):
            self._ended = _FAMILIES.validate_json(file.read_bytes())

    async def run(self) -> None:
        """Ask for reports, for ever."""
        while True:
            for pid, report in (await self._ask()).items():
                self.take(pid, report)
            await asyncio.sleep(EVERY)

    def take(self, pid: int, report: Any) -> None:
        """Take the report of a worker."""
        try:
            self._last[pid] = _REPORT.validate_python(report)
        except ValidationError:
            log.error("process %d reports what cannot be read", pid)

    def left(self, pid: int) -> None:
        """A worker has ended: what it has counted stays."""
        report = self._last.pop(pid, None)
        if report is not None:
            self._ended = added([self._ended, lasting(report.metrics)])
            with suppress(OSError):  # then the next keeper begins with less
                new = self._file.with_suffix(".new")
                new.write_bytes(_FAMILIES.dump_json(self._ended))
                new.replace(self._file)

    @property
    def health(self) -> list[str]:
        """One line for each failure that lasts, in any worker."""
        return list(dict.fromkeys(line for each in self._last.values() for line in each.health))

    @property
    def upstreams(self) -> list[UpstreamStatus]:
        """What all workers together know of the upstreams."""
        return merged(each.upstreams for each in self._last.values())

    def with_metrics(self, own: Iterable[Metric]) -> list[Metric]:
        """The metrics of the keeper, which are `own`, and of all workers."""
        each = [report.metrics for report in self._last.values()]
        return metrics_of(added([families_of(own), self._ended, *each]))
