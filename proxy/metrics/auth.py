"""What authenticates requests, as metrics.

Tested in `tests/proxy/metrics/test_auth.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.metrics.families import gauges, histograms


def of_auth(authenticator: Authenticator, records: CachedRecords) -> Iterator[Metric]:
    """Whether keys are required, how they are verified, and what is in memory."""
    yield GaugeMetricFamily(
        "wardgate_access_control",
        "Whether keys are required; 0: all requests pass",
        int(records.access_control),
    )
    verifiers = {
        ("sealed",): authenticator.sealed,
        ("unsealed",): authenticator.unsealed,
    }
    yield gauges(
        "wardgate_verifications_waiting",
        "Credentials that wait for bcrypt or are with it; unsealed ones may be guesses",
        ["credentials"],
        {kind: verifier.waiting for kind, verifier in verifiers.items()},
    )
    yield histograms(
        "wardgate_verification_seconds",
        "Seconds that bcrypt took to verify credentials, without waiting",
        ["credentials"],
        {kind: verifier.durations for kind, verifier in verifiers.items()},
    )
    yield gauges(
        "wardgate_cache_entries",
        "What is in memory, so that no request waits for it",
        ["cache"],
        {(name,): size for name, size in {**records.sizes, **authenticator.sizes}.items()},
    )
