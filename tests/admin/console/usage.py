"""Usage in a store, as the gateway would have counted it."""

from __future__ import annotations

from typing import Final

from proxy.domain.usage import HOUR, Series, Sums
from tests.admin.admin_api import AdminApi

ROUTE: Final = "/v1/projects/{environment}/**"


async def count(
    api: AdminApi,
    requests: int,
    *,
    key: int = 0,
    environment: int = 0,
    ago: int = 0,
    status: int = 2,
    reason: str = "",
    seconds: float = 0.0,
) -> None:
    """Count requests of the hour that began so many hours before this one."""
    hour = api.clock.now - api.clock.now % HOUR - ago * HOUR
    series = Series(hour, key, environment, ROUTE, "GET", status, reason)
    await api.store.record_usage({}, {series: Sums(requests, seconds=seconds)})
