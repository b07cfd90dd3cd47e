"""What became of requests is counted by route, upstream, class of status and reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.domain.histogram import BOUNDS
from proxy.domain.model import Reason
from proxy.metrics.requests import of_requests
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.telemetry.accesslog import AccessLog, requested
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder
from tests.harness import World, running_world
from tests.proxy.metrics.scrape import scrape


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A new store."""
    tmp_path.chmod(0o700)
    made = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    yield made
    await made.close()


@pytest.fixture
def usage(store: Store) -> UsageRecorder:
    """What has counted nothing yet."""
    return UsageRecorder(store)


def of_world(world: World) -> dict[tuple[str, ...], float]:
    """The metrics of a running gateway's requests."""
    node = world.node
    return scrape(lambda: of_requests(node.gateway.telemetry, node.usage))


def test_answers_and_refusals_are_counted(usage: UsageRecorder) -> None:
    """Answers by the class of their status, refusals by their reason."""
    telemetry = Telemetry(AccessLog("off"))
    for status, reason in ((200, None), (204, None), (401, Reason.FORGED), (401, Reason.FORGED)):
        line = requested("192.0.2.1", b"GET", b"/")
        telemetry.record(
            Outcome(b"an-id", line, status, 0, 0, 0.0, reason=reason), telemetry.latency(status)
        )
    found = scrape(lambda: of_requests(telemetry, usage))
    total = "wardgate_requests_total"
    classes = {name[1]: count for name, count in found.items() if name[0] == total}
    assert classes == {"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 2, "5xx": 0}
    refused = {name[1:]: count for name, count in found.items() if "refused_total" in name[0]}
    assert refused == {("forged",): 2}


async def test_latencies_are_by_route_upstream_and_class_of_status(tmp_path: Path) -> None:
    """Each request is in one histogram. One that was refused has no upstream, and one that could
    not be read no route either."""
    route = "/v1/projects/{environment}/**"
    async with running_world(tmp_path) as world:
        for _ in range(3):
            await world.send(world.request(close=False) + world.request())
        world.upstream.respond = lambda _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        await world.send(world.request())
        await world.send(world.request(b"/v1/projects/b/x"))
        await world.send(b"no request\r\n\r\n")
        found = of_world(world)
    name = "wardgate_request_duration_seconds_count"
    counts = {labels[1:]: count for labels, count in found.items() if labels[0] == name}
    assert counts == {
        (route, "2xx", "default"): 6,
        (route, "4xx", "default"): 1,
        (route, "4xx", ""): 1,
        ("", "4xx", ""): 1,
    }
    bucket = "wardgate_request_duration_seconds_bucket"
    for labels, count in counts.items():
        buckets = [found[bucket, each, *labels] for each in (*map(str, BOUNDS), "+Inf")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == count
    assert found["wardgate_request_duration_seconds_sum", route, "2xx", "default"] > 0


async def test_latencies_go_on_after_an_hour_and_a_reload(tmp_path: Path) -> None:
    """Unlike the usage, which begins anew each hour, metrics never lose what they had."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        await world.send(world.request())
        await world.node.usage.write()
        world.pass_time(3600)
        await world.send(world.request())
        await world.node.reload(world.node.config)
        await world.send(world.request())
        found = of_world(world)
    assert found["wardgate_requests_total", "2xx"] == 3


async def test_requests_that_are_missing_from_the_usage_are_counted(
    usage: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those for which there was no room."""
    monkeypatch.setattr("proxy.telemetry.usage.MAX_GATHERED", 1)
    for status in (200, 200, 400, 500):
        usage.counter(0, status).requests += 1
    found = scrape(lambda: of_requests(Telemetry(AccessLog("off")), usage))
    assert found["wardgate_usage_lost_requests_total",] == 2
