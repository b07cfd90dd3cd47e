"""Where outcomes go: a line in the access log, and the counters that the metrics show."""

from __future__ import annotations

from collections import Counter

from proxy.telemetry.accesslog import AccessLog
from proxy.telemetry.health import Health
from proxy.telemetry.outcome import Outcome


class Telemetry:
    """Records the outcome of each request."""

    def __init__(self, log: AccessLog) -> None:
        self.log = log
        self.health = Health()
        self.by_class = [0] * 6
        """Requests so far, by the hundreds of their status."""
        self.by_reason: Counter[str] = Counter()
        """Requests that were refused or failed so far, by the code of the reason."""

        self.by_would_refuse: Counter[str] = Counter()
        """Requests that passed so far although a limit that is not enforced would have refused
        them, by the code of the reason."""

    def record(self, outcome: Outcome) -> None:
        """Log and count one outcome."""
        self.by_class[outcome.status // 100] += 1
        if outcome.reason is not None:
            self.by_reason[outcome.reason.code] += 1
        self.log.record(outcome)
