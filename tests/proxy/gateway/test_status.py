"""What the gateway shows of its upstreams."""

from __future__ import annotations

from pathlib import Path

from proxy.domain.clock import now_ms
from proxy.metrics.upstreams import of_upstreams
from tests.harness import running_world
from tests.proxy.gateway.several import several
from tests.proxy.gateway.test_balancer import refuses
from tests.proxy.metrics.scrape import scrape


async def test_each_target_is_shown_with_its_state_why_and_since_when(tmp_path: Path) -> None:
    """And what it has failed."""
    began = now_ms()
    ejection = {"failures": 2, "time": 3600, "max_time": 3600}
    async with several(tmp_path, ejection=ejection, breaker={}) as two:
        first, second = two.servers
        first.upstream.handle = refuses
        await two.becomes(first, "ejected")
        (shown,) = two.world.node.gateway.upstreams()
        assert (shown.name, shown.state, shown.breaker) == ("default", "degraded", "closed")
        assert shown.retries == two.balancer.retries > 0
        assert shown.balance == "least_requests"
        assert shown.retries_left == int(two.balancer.budget.left) > 0
        bad, good = shown.targets
        assert (bad.name, bad.state, bad.why) == (first.url, "ejected", "upstream-closed")
        assert began - 1000 <= bad.since <= now_ms() + 1000
        assert (bad.ejections, bad.failures) == (1, 2)
        assert (good.name, good.state, good.why) == (second.url, "up", "")
        assert (good.ejections, good.requests) == (0, 0)


async def test_an_upstream_at_one_url_is_shown_as_one_target(tmp_path: Path) -> None:
    """It is failing after a failure, until something works."""
    async with running_world(tmp_path) as world:
        await world.send(world.request())
        (shown,) = world.node.gateway.upstreams()
        assert (shown.state, shown.breaker) == ("up", None)
        assert (shown.balance, shown.retries_left) == (None, None)
        assert shown.targets[0].name == f"http://127.0.0.1:{world.upstream.port}"
        world.upstream.handle = refuses
        world.pool.close()
        await world.send(world.request(method=b"POST"))
        (shown,) = world.node.gateway.upstreams()
        assert (shown.state, shown.targets[0].state) == ("down", "failing")
        assert shown.targets[0].why == "upstream-closed"
        world.upstream.handle = None
        await world.send(world.request())
        (shown,) = world.node.gateway.upstreams()
        assert shown.state == "up"
        assert shown.targets[0].failures == 1


async def test_the_metrics_name_targets_as_the_configuration_does(tmp_path: Path) -> None:
    """No client can add a label."""
    async with several(tmp_path) as two:
        await two.ask(4)
        gateway = two.world.node.gateway
        found = scrape(lambda: of_upstreams(gateway.upstreams()))
        for server in two.servers:
            assert found["wardgate_target_up", server.url, "default"] == 1
            assert found["wardgate_target_ejections_total", server.url, "default"] == 0
        assert found["wardgate_upstream_retries_total", "default"] == 0
        assert found["wardgate_upstream_breaker_open", "default"] == 0
