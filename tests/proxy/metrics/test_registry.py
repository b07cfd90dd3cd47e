"""All metrics of a node are one text, which Prometheus' own checker accepts."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

from proxy.metrics.auth import of_auth
from proxy.metrics.cluster import of_cluster
from proxy.metrics.gateway import of_gateway
from proxy.metrics.keys import of_keys
from proxy.metrics.registry import Metrics
from proxy.metrics.requests import of_requests
from proxy.metrics.upstreams import of_upstreams
from tests.harness import World, running_world
from tests.programs import program
from tests.proxy.metrics.scrape import samples, scrape


def of_node(world: World) -> bytes:
    """What `/metrics` answers."""
    node = world.node
    return Metrics(
        lambda: of_auth(node.authenticator, node.records),
        lambda: of_requests(node.gateway.telemetry, node.usage),
        lambda: of_gateway(node.gateway),
        lambda: of_upstreams(node.gateway.upstreams()),
        lambda: of_keys(node.expiring.counts),
        lambda: of_cluster(node._following),
    ).text()


async def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    """Neither before the first request nor after some of each kind."""
    promtool = program("promtool")
    async with running_world(tmp_path) as world:
        texts = [of_node(world)]
        await world.send(world.request())
        await world.send(b"no request\r\n\r\n")
        await world.send(b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        texts.append(of_node(world))
    for text in texts:
        command = [promtool, "check", "metrics"]
        checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_no_label_is_from_a_client(tmp_path: Path) -> None:
    """Its words are in no line: not in the path, the method, a field, the name of a key."""
    async with running_world(tmp_path) as world:
        await world.send(world.request(b"/v1/projects/a/canary?canary", method=b"CANARY"))
        await world.send(world.request(b"/canary", b"Host: canary", b"User-Agent: canary"))
        await world.send(world.request(b"/v1/projects/canary/x"))
        assert b"canary" not in of_node(world).lower()


def test_they_name_the_build_and_measure_the_process() -> None:
    """So that a dashboard shows which version runs where, and what it takes."""
    found = scrape()
    assert found["wardgate_build_info", platform.python_version(), version("wardgate")] == 1
    assert found["process_start_time_seconds",] > 0
    assert 0 < found["process_open_fds",] <= len(os.listdir("/proc/self/fd")) + 1


def test_sources_are_asked_at_each_scrape() -> None:
    """What they tell is of the moment."""
    value = 0.0
    metrics = Metrics(lambda: [GaugeMetricFamily("wardgate_test", "A test", value)])
    for value in (3.0, 0.0):
        assert samples(metrics.text())["wardgate_test",] == value


async def test_what_is_named_has_its_unit(tmp_path: Path) -> None:
    """Names begin with `wardgate_`, and durations are in seconds (Prometheus' conventions)."""
    async with running_world(tmp_path) as world:
        names = re.findall(rb"# TYPE (\S+) (\S+)", of_node(world))
    for name, kind in names:
        assert name.startswith((b"wardgate_", b"process_"))
        if kind == b"histogram":
            assert name.endswith(b"_seconds")
