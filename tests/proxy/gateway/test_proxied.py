"""Listeners that ask for the PROXY protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.harness import World, running_world, status, until
from tests.patience import PATIENCE
from tests.programs import free_port, program, running
from tests.test_tls import Authority

V1 = b"PROXY TCP4 198.51.100.7 127.0.0.1 4660 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = socket.inet_aton("198.51.100.7") + socket.inet_aton("127.0.0.1") + b"\x12\x34\x01\xbb"
V2 = SIGNATURE + b"\x21\x11\x00\x14" + ADDRESSES + b"\x20\x00\x05\x01\0\0\0\0"


@asynccontextmanager
async def proxied(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A gateway that expects the PROXY protocol from 127.0.0.1."""
    listen = {"address": "127.0.0.1:0", "proxy_protocol": True}
    trusted = {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}
    async with running_world(folder, listen=listen, **trusted | settings) as world:
        yield world


def clients(world: World) -> list[str]:
    """The clients in the access log."""
    return [line["client"] for line in world.log()]


async def ask(world: World, *pieces: bytes) -> bytes:
    """The answer to these pieces, or nothing where the connection is closed or reset."""
    try:
        return await world.send(*pieces)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_client_is_whom_the_header_names(tmp_path: Path, header: bytes) -> None:
    """For the log and for the upstream, whatever fields the client sends; every request of the
    connection has that client."""
    async with proxied(tmp_path) as world:
        forged = b"X-Forwarded-For: 10.0.0.9"
        raw = world.request(b"/v1/projects/a/x", forged, close=False) + world.request()
        answer = await world.send(header + raw)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert clients(world) == ["198.51.100.7"] * 2
        for request in world.upstream.requests:
            assert b"\r\nX-Forwarded-For: 198.51.100.7\r\n" in request
            assert b"\r\nForwarded: for=198.51.100.7;proto=http;" in request


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_a_header_may_come_byte_by_byte(tmp_path: Path, header: bytes) -> None:
    """And the request after it too."""
    async with proxied(tmp_path) as world:
        raw = header + world.request()
        assert status(await world.send(*(bytes([byte]) for byte in raw))) == 200
        assert clients(world) == ["198.51.100.7"]


async def test_a_named_client_may_be_a_trusted_proxy(tmp_path: Path) -> None:
    """Then its fields count, as if it had connected itself."""
    async with proxied(tmp_path) as world:
        header = V1.replace(b"198.51.100.7", b"10.0.0.2")
        said = b"X-Forwarded-For: 203.0.113.1"
        assert status(await world.send(header + world.request(b"/v1/projects/a/x", said))) == 200
        assert clients(world) == ["203.0.113.1"]
        assert b"\r\nX-Forwarded-For: 203.0.113.1, 10.0.0.2\r\n" in world.upstream.seen


async def test_a_proxy_may_speak_for_itself(tmp_path: Path) -> None:
    """As for a health check."""
    async with proxied(tmp_path) as world:
        assert status(await world.send(SIGNATURE + b"\x20\0\0\0" + world.request())) == 200
        assert clients(world) == ["127.0.0.1"]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\0\0\0"])
async def test_a_client_that_the_proxy_does_not_know_is_no_trusted_proxy(
    tmp_path: Path, header: bytes
) -> None:
    """The fields that it sends are its own, and it has no address."""
    async with proxied(tmp_path) as world:
        forged = b"X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Host: evil"
        assert status(await world.send(header + world.request(b"/v1/projects/a/x", forged))) == 200
        assert clients(world) == ["unix"]
        assert b"X-Forwarded-For" not in world.upstream.seen
        assert b"evil" not in world.upstream.seen


@pytest.mark.parametrize(
    "start", [b"", b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE + b"\x21\x12\0\0", b"\x16\x03\x01\x02\0"]
)
async def test_a_connection_without_a_valid_header_is_closed(tmp_path: Path, start: bytes) -> None:
    """Without an answer; the access log and the metrics say why."""
    async with proxied(tmp_path) as world:
        assert await ask(world, start + world.request()) == b""
        (line,) = world.log()
        assert (line["client"], line["reason"]) == ("127.0.0.1", "proxy-header")
        assert world.node.gateway.telemetry.by_reason["proxy-header"] == 1
        assert not world.upstream.requests
        await until(lambda: not world.node.gateway.connected)


async def test_a_header_counts_from_trusted_proxies_alone(tmp_path: Path) -> None:
    """Others are closed before they send anything."""
    async with proxied(tmp_path, trusted_proxies=["10.0.0.0/8"]) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert [line["reason"] for line in world.log()] == ["proxy-peer"]
        assert not world.node.gateway.connected


async def test_a_listener_that_does_not_ask_for_a_header_takes_none(tmp_path: Path) -> None:
    """Not even from a trusted proxy."""
    async with running_world(tmp_path, trusted_proxies=["127.0.0.1"]) as world:
        assert status(await world.send(V1 + world.request())) == 400
        assert clients(world) == ["127.0.0.1"]


async def test_a_connection_without_a_byte_leaves_no_trace(tmp_path: Path) -> None:
    """Some load balancers only try whether a port is open."""
    async with proxied(tmp_path) as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await until(lambda: world.node.gateway.connected)
        writer.close()
        await until(lambda: not world.node.gateway.connected)
        assert not world.log()


@pytest.mark.parametrize("start", [b"", V1[:-1], V2[:-1]])
async def test_a_header_has_the_time_of_a_head(tmp_path: Path, start: bytes) -> None:
    """However much of it has come."""
    async with proxied(tmp_path) as world:
        world.stop_clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(start)
        await until(lambda: world.node.gateway.connected)
        timeouts = world.node.gateway.runtime.timeouts
        world.pass_time(timeouts.head)
        assert world.node.gateway.connected
        world.pass_time(2)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert [line["reason"] for line in world.log()] == ["head-timeout"]


async def test_the_limit_for_a_source_is_that_of_the_named_client(tmp_path: Path) -> None:
    """The proxy itself has none, neither before nor after the header."""
    async with proxied(tmp_path, limits={"connections_per_source": 2}) as world:
        held = []
        for number in range(6):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            held.append(writer)
            header = V1.replace(b"100.7", b"100.%d" % (number // 2))
            writer.write(header + world.request(close=False))
            assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        assert world.inside.sources == {f"198.51.100.{number}": 2 for number in range(3)}
        assert await ask(world, V1.replace(b"100.7", b"100.1") + world.request()) == b""
        assert status(await ask(world, V1 + world.request())) == 200
        for writer in held:
            writer.close()
        await until(lambda: not world.inside.sources)


async def test_whoever_can_open_a_unix_socket_may_send_a_header(tmp_path: Path) -> None:
    """It has no address; the permissions of its folder say who that is."""
    listen = [
        {"address": f"unix:{tmp_path}/gateway", "proxy_protocol": True},
        {"address": "127.0.0.1:0", "proxy_protocol": False},
    ]
    async with running_world(tmp_path, listen=listen[::-1]) as world:
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/gateway")
        writer.write(V2 + world.request())
        assert status(await reader.read()) == 200
        writer.close()
        assert status(await world.send(world.request())) == 200
        assert clients(world) == ["198.51.100.7", "127.0.0.1"]


async def test_draining_does_not_wait_for_a_header(tmp_path: Path) -> None:
    """A connection without one has no request."""
    async with proxied(tmp_path, limits={"drain_timeout": PATIENCE}) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await until(lambda: world.node.gateway.connected)
        await world.node.__aexit__()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


# --- before TLS, and with real proxies -----------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
async def test_the_header_comes_before_tls(tmp_path: Path, together: bool) -> None:
    """In the same segment as the handshake or before it."""
    authority = Authority(tmp_path)
    async with proxied(tmp_path, tls=authority.settings) as world:
        client = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", world.port))
        client.sendall(V1)
        if not together:
            await until(lambda: "198.51.100.7" in world.inside.sources)
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(
            sock=client, ssl=authority.client(), server_hostname="localhost"
        )
        writer.write(world.request())
        assert status(await reader.read()) == 200
        writer.close()
        assert clients(world) == ["198.51.100.7"]
        assert b"\r\nForwarded: for=198.51.100.7;proto=https;" in world.upstream.seen
        await until(lambda: not world.inside.sources)


@asynccontextmanager
async def haproxy(folder: Path, world: World, options: str) -> AsyncIterator[int]:
    """HAProxy in front of the gateway, which passes bytes on. Yields its port."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(
        "defaults\n mode tcp\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n"
        f"listen front\n bind 127.0.0.1:{port}\n server gateway 127.0.0.1:{world.port} {options}\n"
    )
    command = [program("haproxy"), "-db", "-f", str(config)]
    starting = running(command, port, folder)
    await asyncio.to_thread(starting.__enter__)
    try:
        yield port
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_haproxy_names_its_client(tmp_path: Path, options: str, tls: bool) -> None:
    """With TLS from the client to the gateway, and without; its health checks are answered."""
    authority = Authority(tmp_path)
    settings = {"tls": authority.settings} if tls else {}
    async with proxied(tmp_path, **settings) as world:
        async with haproxy(tmp_path, world, f"{options} check inter 100ms") as port:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                port,
                ssl=authority.client() if tls else None,
                local_addr=("127.0.0.9", 0),
            )
            writer.write(world.request())
            assert status(await reader.read()) == 200
            writer.close()
        assert clients(world) == ["127.0.0.9"]
        assert b"\r\nX-Forwarded-For: 127.0.0.9\r\n" in world.upstream.seen


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_curl_names_itself(tmp_path: Path, tls: bool) -> None:
    """With --haproxy-protocol."""
    authority = Authority(tmp_path)
    settings = {"tls": authority.settings} if tls else {}
    async with proxied(tmp_path, **settings) as world:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{world.port}/v1/projects/a/x"
        process = await asyncio.create_subprocess_exec(
            *(program("curl"), "-sS", "--haproxy-protocol", "--cacert", str(authority.ca_file)),
            *("-u", world.key_a.credentials.pair, url),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert printed == b"ok"
        assert clients(world) == ["127.0.0.1"]
