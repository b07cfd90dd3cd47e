"""Where outcomes go: a line in the access log, and the counters that the metrics show."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import Final, TypeAlias

from proxy.domain.histogram import BOUNDS, Histogram
from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.health import Health
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.usage import Counter as UsageCounter

Passed: TypeAlias = tuple[bytes, bytes, int, int, float, float, UsageCounter, Histogram]
"""A request whose response was passed on as a whole: the form of its line (`line_form`), its id,
the bytes of both bodies, how many seconds it took, and when it ended, in monotonic seconds; and
where its usage and its time count."""
MANY: Final = 256
"""Requests that may have been passed on and are not counted yet."""


class Telemetry:
    """Records the outcome of each request."""

    def __init__(self, log: AccessLog) -> None:
        self.log = log
        self.health = Health()
        self.passed: list[Passed] = []
        """What is not counted and logged yet. Amid system calls, to do that takes several times
        what it takes for many requests in a row."""
        self._latencies: dict[tuple[str, str, int], Histogram] = {}
        self.by_reason: Counter[str] = Counter()
        """Requests that were refused or failed so far, by the code of the reason."""

        self.by_would_refuse: Counter[str] = Counter()
        """Requests that passed so far although a limit that is not enforced would have refused
        them, by the code of the reason."""
        self.loop_lag = Histogram()
        """How much later than due each tick of the gateway came."""

        self.by_forward_auth = [0] * 6
        """Requests that other proxies asked about, by the hundreds of the answer."""

    @property
    def latencies(self) -> dict[tuple[str, str, int], Histogram]:
        """Requests so far, by the path of their route, the name of their upstream, and the hundreds
        of their status. The first two are empty where there was none."""
        self.settle()
        return self._latencies

    def latency(self, status: int, route: str = "", upstream: str = "") -> Histogram:
        """Where the time of a request counts that ended with `status`."""
        labels = route, upstream, status // 100
        found = self._latencies.get(labels)
        if found is None:
            found = self._latencies[labels] = Histogram()
        return found

    def record(self, outcome: Outcome, latency: Histogram) -> None:
        """Log and count one outcome. `latency` is where its time counts."""
        if self.passed:
            self.settle()
        seconds = outcome.seconds
        latency.counts[bisect_left(BOUNDS, seconds)] += 1  # `note`, without the call
        latency.sum += seconds
        if outcome.reason is not None:
            self.by_reason[outcome.reason.code] += 1
        self.log.record(outcome)

    def pass_on(self, passed: Passed) -> None:
        """Note a request. It is counted and logged with others: before any later `record`, so that
        the lines of one connection are in order."""
        self.passed.append(passed)
        if len(self.passed) >= MANY:
            self.settle()

    def settle(self) -> None:
        """Count and log what was passed on. Where the clock was set meanwhile, the times in the log
        are by the new one."""
        passed, self.passed = self.passed, []
        began = time.time() - time.monotonic()
        for form, request_id, received, sent, seconds, now, counter, latency in passed:
            counter.requests += 1
            counter.received += received
            counter.sent += sent
            counter.seconds += seconds
            latency.note(seconds)
            self.log.repeat(form, request_id, sent, seconds, began + now)

    def flush(self) -> None:
        """Hand over all lines to what writes them."""
        self.settle()
        self.log.flush()
