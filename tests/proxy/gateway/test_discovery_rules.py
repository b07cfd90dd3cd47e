"""All that targets have applies to those that are found, too: priorities, checks, TLS, reloads."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from dns.rcode import NOERROR, SERVFAIL

from proxy.metrics.upstreams import of_upstreams
from tests.dns_server import DnsServer
from tests.harness import OK, until
from tests.proxy.gateway.resolving import NAME, SERVICE, announce, at, resolving
from tests.proxy.gateway.test_balancer import refuses
from tests.proxy.metrics.scrape import scrape
from tests.reloading import Reloading

SOON = {"failures": 1, "time": 0.01, "max_time": 0.02}
"""How soon a target is ejected, and for how long, in seconds."""


async def test_srv_records_say_port_weight_and_priority(tmp_path: Path) -> None:
    """Requests go to the next priority only while no server of the first one is well."""
    first, second, third = servers = at(3, apart=True)

    def prepare(dns: DnsServer) -> None:
        announce(dns, (10, 1, first), (10, 3, second), (20, 0, third))

    settings: dict[str, Any] = {
        "resolve": {"srv": SERVICE},
        "balance": "round_robin",
        "ejection": SOON,
    }
    async with resolving(tmp_path, servers, prepare=prepare, **settings) as world:
        assert (world.lookup.name, world.lookup.kind) == (SERVICE, "SRV")
        assert await world.ask(8) == {200: 8}
        assert [each.asked for each in servers] == [2, 6, 0]
        assert f"\r\nHost: {NAME}".encode() in first.upstream.requests[0]
        world.answer_srv((10, 1, first), (20, 0, third))
        await world.look_up()
        await first.kill()
        assert await world.ask(4) == {200: 4}
        assert third.asked == 4
        world.answer_srv((10, 1, first), (5, 0, second))
        await world.look_up()
        second.upstream.requests.clear()
        assert await world.ask(4) == {200: 4}
        assert second.asked == 4


async def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    """With the addresses of this machine permitted."""
    page = (Path(__file__).parents[3] / "docs" / "upstreams.md").read_text()
    text = next(each for each in re.findall(r"```yaml\n(.*?)```", page, re.S) if "resolve:" in each)
    settings: dict[str, Any] = yaml.safe_load(text)["upstreams"]["default"]
    settings["resolve"] |= {"networks": ["127.0.0.0/8"]}
    servers = at(2, apart=True)

    def prepare(dns: DnsServer) -> None:
        announce(dns, *((0, 1, each) for each in servers))

    async with resolving(tmp_path, servers, prepare=prepare, **settings) as world:
        assert set(world.targets) == {each.url for each in servers}
        assert await world.ask(8) == {200: 8}
        host = b"\r\nHost: api.internal\r\n"
        assert any(host in each for each in servers[0].upstream.requests)


async def test_requests_get_502_until_the_first_answer(tmp_path: Path) -> None:
    """The gateway starts without it, and asks again soon. What the system itself makes of the name
    does not count: that may be an address that is not permitted."""

    def prepare(dns: DnsServer) -> None:
        dns.code = SERVFAIL

    resolve = {"min_ttl": 0.01, "max_ttl": 0.05}
    async with resolving(tmp_path, at(1), prepare=prepare, resolve=resolve) as world:
        assert await world.ask(2) == {502: 2}
        assert "SERVFAIL" in world.lookup.why
        assert any("the DNS has no answer" in each for each in world.world.health.current)
        (upstream,) = world.world.node.gateway.upstreams()
        assert upstream.state == "down"
        world.dns.code = NOERROR
        await world.comes_to(*world.servers)
        assert await world.ask(2) == {200: 2}
        assert world.world.health.current == []


async def test_a_silent_dns_server_holds_up_no_request(tmp_path: Path) -> None:
    """It is asked in a thread."""
    async with resolving(tmp_path, at(2), resolve={"min_ttl": 0.01}) as world:
        world.dns.silent = True
        asked = len(world.dns.asked)
        await world.tick_until(lambda: len(world.dns.asked) > asked)
        assert await world.ask(10) == {200: 10}


async def test_of_a_flood_of_addresses_so_many_are_used_as_there_may_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Always the same ones, which share the connections of eight; the log says so once."""
    async with resolving(tmp_path, at(2), ejection=None) as world:
        flood = [f"127.1.{each >> 8}.{each & 255}" for each in range(3000)]
        world.dns.truncates = True
        with caplog.at_level(logging.WARNING, "wardgate"):
            for _ in range(3):
                world.dns.set(NAME, "A", *(each.host for each in world.servers), *flood)
                await world.look_up()
                flood.reverse()
        assert len(world.targets) == 256
        assert {each.url for each in world.servers} <= set(world.targets)
        assert {each.pool.dial.max_connections for each in world.targets.values()} == {16}
        said = [each for each in caplog.messages if "has 3002 servers: 256 are used" in each]
        assert len(said) == 1


async def test_addresses_that_are_not_permitted_get_nothing(tmp_path: Path) -> None:
    """By default these are the machine's own: an answer must not open the admin server."""
    resolve = {"networks": ["127.0.0.2/32"]}
    async with resolving(tmp_path, at(2), resolve=resolve) as world:
        assert list(world.targets) == [world.servers[1].url]
        world.answer(world.servers[0])
        await world.look_up()
        assert list(world.targets) == [world.servers[1].url]
        assert world.lookup.why.endswith("not permitted: 127.0.0.1")


async def test_targets_that_come_are_checked_and_those_that_stay_go_on_to_be(
    tmp_path: Path,
) -> None:
    """However often the answer changes."""
    checks = {"path": "/up", "interval": 0.01, "unhealthy": 1}
    first, second, third = servers = at(3)
    third.upstream.respond = lambda _: b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
    async with resolving(tmp_path, servers, known=1, checks=checks) as world:
        done = asyncio.Event()

        async def change() -> None:
            while not done.is_set():
                await world.use(first, second)
                await world.use(first, third)

        changing = asyncio.create_task(change())
        for _ in range(3):
            first.upstream.requests.clear()
            await until(lambda: first.asked)
        done.set()
        await changing
        await until(lambda: world.target(third).state == "down")
        assert b"\r\nHost: api.internal:" in third.upstream.requests[0]
        await world.use(first, second)
        asked = third.asked
        assert await world.ask(10) == {200: 10}
        assert third.asked <= asked + 1
        assert not any(third.url in each for each in world.world.health.current)


async def test_the_success_of_a_target_that_comes_counts_for_the_breaker(tmp_path: Path) -> None:
    """Which counts failures in a row, at whichever target."""
    settings: dict[str, Any] = {"breaker": {"failures": 2}, "ejection": None}
    async with resolving(tmp_path, at(2), known=1, **settings) as world:
        bad, good = world.servers
        bad.upstream.handle = refuses
        assert await world.ask(method=b"POST") == {502: 1}
        await world.use(good)
        assert await world.ask(method=b"POST") == {200: 1}
        await world.use(bad)
        assert await world.ask(method=b"POST") == {502: 1}
        (upstream,) = world.world.node.gateway.upstreams()
        assert upstream.breaker == "closed"


async def test_a_target_that_comes_starts_slowly(tmp_path: Path) -> None:
    """Unless all are new."""
    async with resolving(tmp_path, at(2), known=1, slow_start=3600) as world:
        assert [each.state for each in world.targets.values()] == ["up"]
        await world.use(*world.servers)
        assert [world.target(each).state for each in world.servers] == ["up", "starting"]


async def test_the_certificate_is_verified_against_the_name_of_the_url(tmp_path: Path) -> None:
    """An address that the DNS gives falsely gets no request, whatever certificate it has."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    true, false = servers = at(2)
    for server, name in ((true, NAME), (false, "127.0.0.2")):
        server.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(server.context)
    settings: dict[str, Any] = {"ca_file": str(tmp_path / "ca.pem"), "ejection": None}
    async with resolving(tmp_path, servers, known=1, **settings) as world:
        assert await world.ask(3) == {200: 3}
        await world.use(false)
        assert await world.ask(3) == {502: 3}
        assert false.asked == 0
        reloading = Reloading(world.world)
        await reloading.set_upstream(server_name="127.0.0.2")
        assert await world.ask(3) == {200: 3}
        assert false.asked == 3
        await reloading.set_upstream(server_name=None)
        assert await world.ask(1) == {502: 1}  # a connection verified for another name is not used


async def test_a_reload_goes_on_with_the_last_answer(tmp_path: Path) -> None:
    """Also while the DNS fails. Targets keep their connections, and new settings count."""
    async with resolving(tmp_path, at(2), resolve={"timeout": 0.3}) as world:
        await world.ask(8)
        opened = [len(each.upstream.connections) for each in world.servers]
        pools = {name: each.pool for name, each in world.targets.items()}
        world.dns.code = SERVFAIL
        reloading = Reloading(world.world)
        resolve = {"servers": [world.dns.place], "networks": ["127.0.0.0/8"], "max_ttl": 60}
        await reloading.set_upstream(resolve=resolve, balance="round_robin", max_connections=4)
        assert {name: each.pool for name, each in world.targets.items()} == pools
        assert await world.ask(8) == {200: 8}
        assert [len(each.upstream.connections) for each in world.servers] == opened
        await world.look_up()
        assert "SERVFAIL" in world.lookup.why
        world.dns.code = NOERROR
        await world.use(world.servers[1])
        assert await world.ask(2) == {200: 2}


async def test_a_reload_to_another_name_waits_for_its_answer(tmp_path: Path) -> None:
    """And to fixed targets, and back."""
    async with resolving(tmp_path, at(3), known=1) as world:
        first, second, third = world.servers
        reloading = Reloading(world.world)
        world.dns.set("other.internal", "A", second.host)
        await reloading.set_upstream(url=f"http://other.internal:{second.port}")
        assert await world.ask(2) == {200: 2}
        assert second.asked == 2
        name = {"url": f"http://other.internal:{second.port}"}
        resolve = {"servers": [world.dns.place], "networks": ["127.0.0.0/8"]}
        await reloading.set(upstreams={"default": {"targets": [first.url, third.url]}})
        assert world.balancer.discovery is None
        asked = len(world.dns.asked)
        statuses = Counter[int]()
        for _ in range(10):
            statuses += await world.ask()
        assert statuses == {200: 10}
        assert first.asked + third.asked == 10
        await reloading.set(upstreams={"default": {"url": first.url}})
        assert await world.ask(2) == {200: 2}
        assert len(world.dns.asked) == asked
        await reloading.set(upstreams={"default": name | {"resolve": resolve}})
        assert list(world.targets) == [second.url]
        assert await world.ask(2) == {200: 2}
        assert len(world.dns.asked) > asked


def test_who_has_no_name_to_look_up_does_not_load_dnspython() -> None:
    """It takes a tenth of a second or more."""
    code = "import sys, proxy.node, proxy.serve; sys.exit('dns' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


async def test_what_waits_for_a_target_is_served_by_one_that_comes(tmp_path: Path) -> None:
    """Where all of before are full."""
    async with resolving(tmp_path, at(2), known=1, max_connections=1) as world:
        full, free = world.servers
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            begun.set()
            await go_on.wait()
            writer.write(OK)

        full.upstream.handle = slow
        first = asyncio.create_task(world.ask())
        await begun.wait()
        second = asyncio.create_task(world.ask())
        await until(lambda: world.balancer.waiting)
        await world.use(full, free)
        assert await second == {200: 1}
        assert free.asked == 1
        go_on.set()
        assert await first == {200: 1}


async def test_the_metrics_show_lookups_and_the_targets_of_the_moment(tmp_path: Path) -> None:
    """A target that is gone has no series any more."""
    async with resolving(tmp_path, at(2)) as world:
        gateway = world.world.node.gateway
        found = scrape(lambda: of_upstreams(gateway.upstreams()))
        assert found["wardgate_upstream_resolved", "default"] == 1
        assert all(found["wardgate_target_up", each.url, "default"] for each in world.servers)
        await world.use(world.servers[0])
        world.dns.code = SERVFAIL
        await world.look_up()
        found = scrape(lambda: of_upstreams(gateway.upstreams()))
        assert found["wardgate_upstream_resolved", "default"] == 0
        assert ("wardgate_target_up", world.servers[1].url, "default") not in found
        assert gateway.telemetry.health.failures["resolver"] == 1
