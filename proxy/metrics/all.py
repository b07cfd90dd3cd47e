"""The metrics that every process with a gateway has.

Tested in `tests/proxy/metrics/test_registry.py`.
"""

from __future__ import annotations

from proxy.auth.authenticator import Authenticator
from proxy.auth.records import CachedRecords
from proxy.gateway.server import Gateway
from proxy.metrics.auth import of_auth
from proxy.metrics.gateway import of_gateway
from proxy.metrics.registry import Source
from proxy.metrics.requests import of_requests
from proxy.telemetry.usage import UsageRecorder


def metrics_of(
    gateway: Gateway, authenticator: Authenticator, records: CachedRecords, usage: UsageRecorder
) -> list[Source]:
    """What authenticates requests, what became of them, and what is in progress."""
    return [
        lambda: of_auth(authenticator, records),
        lambda: of_requests(gateway.telemetry, usage),
        lambda: of_gateway(gateway),
    ]
