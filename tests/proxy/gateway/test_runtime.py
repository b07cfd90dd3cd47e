"""Trusted proxies: whose forwarding fields count."""

from __future__ import annotations

from pathlib import Path

from tests.harness import running_world


async def test_the_forwarding_fields_of_a_trusted_proxy_are_passed_on(tmp_path: Path) -> None:
    """X-Forwarded-For is appended to; Proto, Host and Port are kept."""
    said = (
        b"X-Forwarded-For: 9.9.9.9",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: api.example",
        b"X-Forwarded-Prefix: /evil",
    )
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        await world.send(world.request(b"/v1/projects/a/x", *said))
        (request,) = world.upstream.requests
        assert b"\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n" in request
        assert b"\r\nX-Forwarded-Proto: https\r\n" in request
        assert b"\r\nX-Forwarded-Host: api.example\r\nX-Forwarded-Port: 443\r\n" in request
        assert b"evil" not in request


async def test_a_hop_with_a_zone_is_not_taken_for_an_address(tmp_path: Path) -> None:
    """Any text may follow its `%`, and none of it reaches the log."""
    hop = b'X-Forwarded-For: fe80::1%"x\\'
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        await world.send(world.request(b"/v1/projects/a/x", hop))
        (line,) = world.log()
        assert line["client"] == "127.0.0.1"
