"""A month of requests by the company's keys, as a gateway counts them."""

from __future__ import annotations

import asyncio
import math
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from proxy.domain.usage import HOUR, Series, Sums
from proxy.store.open import open_store
from tests.browser.company import Company

DAYS: Final = 30
ROUTE: Final = "/v1/projects/{environment}/**"


class Flow(NamedTuple):
    """Requests of one kind."""

    key: str
    """Empty for requests that proved no key."""
    environment: str
    busy: int
    """Requests in the busiest hour of a working day."""
    seconds: float
    method: str = "GET"
    status: int = 2
    reason: str = ""
    night: bool = False
    """Whether the busiest hour is at night."""


FLOWS: Final = (
    Flow("depot-scanners", "prod", 3100, 0.018),
    Flow("depot-scanners", "prod", 1250, 0.031, "POST"),
    Flow("depot-scanners", "prod", 9, 0.4, "POST", 5),
    Flow("billing-worker", "prod", 900, 0.055, "POST", night=True),
    Flow("deploy-pipeline", "prod", 140, 0.024),
    Flow("terraform", "staging", 60, 0.021),
    Flow("status-page", "prod", 420, 0.012),
    Flow("status-page", "prod", 14, 0, "POST", 4, "read-only"),
    Flow("partner-northwind", "sandbox", 210, 0.027),
    Flow("partner-northwind", "sandbox", 31, 0, "GET", 4, "environment"),
    Flow("", "prod", 22, 0, "GET", 4, "no-credentials"),
    Flow("", "prod", 17, 0, "GET", 4, "key-expired"),
)


def record_traffic(company: Company, now: int) -> None:
    """Count the requests of the days before `now`, in seconds since the epoch, while the company's
    Wardgate is stopped."""
    store = company.site.here.folder / "var" / "wardgate.db"
    with ThreadPoolExecutor(1) as pool:  # Playwright has a loop of its own in this thread
        pool.submit(asyncio.run, _record(store, _usage(company, now * 1000))).result()


async def _record(file: Path, usage: dict[Series, Sums]) -> None:
    store = await open_store(f"sqlite:///{file}")
    try:
        await store.record_usage({}, usage)
    finally:
        await store.close()


def _usage(company: Company, now: int) -> dict[Series, Sums]:
    chance = random.Random(2026)
    usage = {}
    for flow in FLOWS:
        key = int(company.keys[flow.key][0][2:]) if flow.key else 0
        environment = int(company.environments[flow.environment][2:])
        for hour in range(now - now % HOUR - DAYS * 24 * HOUR, now, HOUR):
            requests = int(flow.busy * _share(hour, night=flow.night) * chance.uniform(0.8, 1.2))
            if requests:
                series = Series(
                    hour, key, environment, ROUTE, flow.method, flow.status, flow.reason
                )
                seconds = requests * flow.seconds * chance.uniform(0.9, 1.3)
                usage[series] = Sums(requests, requests * 300, requests * 1900, seconds)
    return usage


def _share(hour: int, *, night: bool) -> float:
    """The part of the busiest hour's requests: few at night, and few at weekends."""
    days, of_day = divmod(hour // HOUR, 24)
    busiest = 2 if night else 11
    day = 0.35 if (days + 4) % 7 in {0, 6} and not night else 1.0
    return day * (0.06 + 0.94 * max(0.0, math.cos((of_day - busiest) / 24 * math.tau)) ** 2)
