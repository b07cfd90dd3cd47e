"""Trusted proxies: whose forwarding fields count."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from proxy.gateway.runtime import Runtime
from proxy.http1.forwarding import LOCAL
from tests.harness import running_world


def is_trusted(address: str, *networks: str) -> bool:
    """Whether a runtime with these trusted proxies trusts an address."""
    runtime = SimpleNamespace(trusted_proxies=[ip_network(network) for network in networks])
    return Runtime.is_trusted(cast("Runtime", runtime), address)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("fe81::1%10.0.0.1", False),
        (LOCAL, False),
    ],
)
def test_an_address_is_trusted_if_a_network_holds_it(address: str, trusted: bool) -> None:
    """Networks of both versions may be mixed. A zone does not count; a Unix socket is never
    trusted."""
    networks = ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "fe80::/16")
    assert is_trusted(address, *networks) == trusted


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", LOCAL])
def test_no_address_is_trusted_without_trusted_proxies(address: str) -> None:
    """Not even that of the machine itself."""
    assert not is_trusted(address)


def test_all_addresses_can_be_trusted_for_each_version_of_ip() -> None:
    """A network of one version holds no address of the other."""
    assert is_trusted("203.0.113.1", "0.0.0.0/0")
    assert not is_trusted("2001:db8::1", "0.0.0.0/0")
    assert is_trusted("2001:db8::1", "::/0")


SAID = (
    b"X-Forwarded-For: 9.9.9.9",
    b"Forwarded: for=9.9.9.9;by=_edge",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: api.example",
    b"X-Forwarded-Prefix: /prefix",
)


async def test_the_forwarding_fields_of_a_trusted_proxy_are_passed_on(tmp_path: Path) -> None:
    """X-Forwarded-For and Forwarded are appended to; Proto, Host, Port and Prefix are kept."""
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        await world.send(world.request(b"/v1/projects/a/x", *SAID))
        (request,) = world.upstream.requests
        assert b"\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n" in request
        assert b"\r\nX-Forwarded-Proto: https\r\n" in request
        assert b"\r\nX-Forwarded-Host: api.example\r\nX-Forwarded-Port: 443\r\n" in request
        assert b"\r\nX-Forwarded-Prefix: /prefix\r\n" in request
        ours = b'for=127.0.0.1;proto=https;host="api.example"'
        assert b"\r\nForwarded: for=9.9.9.9;by=_edge, %b\r\n" % ours in request


async def test_the_forwarding_fields_of_a_client_are_not_passed_on(tmp_path: Path) -> None:
    """Nor does the log believe them."""
    async with running_world(tmp_path) as world:
        await world.send(world.request(b"/v1/projects/a/x", *SAID))
        (request,) = world.upstream.requests
        for said in (b"9.9.9.9", b"edge", b"https", b"api.example", b"prefix"):
            assert said not in request
        assert world.log()[0]["client"] == "127.0.0.1"


async def test_the_log_has_the_client_that_forwarded_names(tmp_path: Path) -> None:
    """Where a trusted proxy sends no X-Forwarded-For, as for all limits."""
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        said = b'Forwarded: for="[2001:db8::7]:4711"'
        await world.send(world.request(b"/v1/projects/a/x", said))
        assert world.log()[0]["client"] == "2001:db8::7"


async def test_a_hop_with_a_zone_is_not_taken_for_an_address(tmp_path: Path) -> None:
    """Any text may follow its `%`, and none of it reaches the log."""
    hop = b'X-Forwarded-For: fe80::1%"x\\'
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        await world.send(world.request(b"/v1/projects/a/x", hop))
        (line,) = world.log()
        assert line["client"] == "127.0.0.1"
