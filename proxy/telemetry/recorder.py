"""Where outcomes go: a line in the access log, and the counters that the metrics show."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from proxy.domain.histogram import BOUNDS, Histogram
from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.health import Health
from proxy.telemetry.outcome import Outcome


class Telemetry:
    """Records the outcome of each request."""

    def __init__(self, log: AccessLog) -> None:
        self.log = log
        self.health = Health()
        self.latencies: dict[tuple[str, str, int], Histogram] = {}
        """Requests so far, by the path of their route, the name of their upstream, and the hundreds
        of their status. The first two are empty where there was none."""
        self.by_reason: Counter[str] = Counter()
        """Requests that were refused or failed so far, by the code of the reason."""

        self.by_would_refuse: Counter[str] = Counter()
        """Requests that passed so far although a limit that is not enforced would have refused
        them, by the code of the reason."""
        self.loop_lag = Histogram()
        """How much later than due each tick of the gateway came."""

        self.by_forward_auth = [0] * 6
        """Requests that other proxies asked about, by the hundreds of the answer."""

    def latency(self, status: int, route: str = "", upstream: str = "") -> Histogram:
        """Where the time of a request counts that ended with `status`."""
        labels = route, upstream, status // 100
        found = self.latencies.get(labels)
        if found is None:
            found = self.latencies[labels] = Histogram()
        return found

    def record(self, outcome: Outcome, latency: Histogram) -> None:
        """Log and count one outcome. `latency` is where its time counts."""
        seconds = outcome.seconds
        latency.counts[bisect_left(BOUNDS, seconds)] += 1  # `note`, without the call
        latency.sum += seconds
        if outcome.reason is not None:
            self.by_reason[outcome.reason.code] += 1
        self.log.record(outcome)
