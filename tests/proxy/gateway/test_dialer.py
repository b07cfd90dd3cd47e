"""Connections to an upstream whose host has several addresses, some of which do not work."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohappyeyeballs import AddrInfoType

from tests.harness import OK, World, running_world, status, until
from tests.programs import free_port
from tests.proxy.gateway.test_addresses import info

FIRST, SECOND, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


class Upstreams:
    """A gateway to `localhost`, and what is at the addresses that the test gives to that name."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        self.asked: list[str] = []
        """The address of each request."""
        self.seen: list[str] = []
        """The address of each connection."""

    def named(self, *ips: str) -> None:
        """From now on, the name has these addresses; without any, it cannot be looked up."""

        async def resolve(_host: str) -> Sequence[AddrInfoType]:
            if not ips:
                raise socket.gaierror(socket.EAI_AGAIN, "try again")
            return [info(ip) for ip in ips]

        self.world.inside.resolve_with(resolve)

    async def moved(self, *ips: str) -> None:
        """The same, and the gateway has looked it up again."""
        known = self.world.pool.addresses._known
        self.named(*ips)
        self.world.pool.addresses._known = known
        await self.world.inside.look_up()

    @asynccontextmanager
    async def live(
        self, ip: str, tls: ssl.SSLContext | None = None, greeting: bytes = b""
    ) -> AsyncIterator[None]:
        """A server at one address. With a `greeting`, it sends that at once and closes."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.seen.append(ip)
            writer.write(greeting)
            with suppress(ConnectionResetError):
                while not greeting and (head := await reader.readline()):
                    if head == b"\r\n":
                        self.asked.append(ip)
                        writer.write(OK)
            writer.close()

        server = await asyncio.start_server(serve, ip, self.port, ssl=tls)
        try:
            yield
        finally:
            server.close()

    @contextmanager
    def silent(self, ip: str) -> Iterator[None]:
        """An address that answers no attempt to connect: the queue of those that wait to be
        accepted is full."""
        with socket.socket() as deaf:
            deaf.bind((ip, self.port))
            deaf.listen(0)
            waiting = []
            for _ in range(3):
                waiting.append(client := socket.socket())
                client.setblocking(False)
                client.connect_ex((ip, self.port))
            try:
                yield
            finally:
                for client in waiting:
                    client.close()

    async def ask(self) -> int:
        """The status of a request for which a new connection is opened."""
        for connection in [*self.world.inside.upstream]:
            connection.discard()
        return status(await self.world.send(self.world.request()))

    @property
    def causes(self) -> str:
        """Why the upstream fails now, as in the log and in /readyz."""
        return "\n".join(self.world.node.gateway.telemetry.health.current)


@asynccontextmanager
async def upstreams(folder: Path, scheme: str = "http", **dial: Any) -> AsyncIterator[Upstreams]:
    """A gateway to a name at which nobody listens yet."""
    port = free_port()
    dial["url"] = f"{scheme}://localhost:{port}"
    async with running_world(folder, dial=dial) as world:
        up = Upstreams(world, port)
        await until(lambda: up.causes)  # the attempt at the start is over
        yield up


async def test_all_live_addresses_are_used_in_turn(tmp_path: Path) -> None:
    """IPv4 and IPv6 alike."""
    async with upstreams(tmp_path) as up, up.live(FIRST), up.live("::1"), up.live(SECOND):
        up.named(FIRST, "::1", SECOND)
        assert [await up.ask() for _ in range(6)] == [200] * 6
        assert sorted(up.asked[:3]) == sorted(up.asked[3:]) == sorted([FIRST, "::1", SECOND])


async def test_a_silent_address_does_not_hide_a_live_one(tmp_path: Path) -> None:
    """It is put aside: the next connections are opened to the live one at once."""
    async with upstreams(tmp_path) as up, up.live(SECOND):
        with up.silent(FIRST):
            up.named(FIRST, SECOND)
            assert [await up.ask() for _ in range(4)] == [200] * 4
            order = [each[4][0] for each in await up.world.pool.addresses.in_order(1)]
            assert order == [SECOND, FIRST]
        assert up.asked == [SECOND] * 4
        assert up.causes == ""


@pytest.mark.parametrize("first", [FIRST, "::1"])
async def test_an_address_that_refuses_does_not_hide_a_live_one(tmp_path: Path, first: str) -> None:
    """Whichever version of IP it is of."""
    async with upstreams(tmp_path) as up, up.live(SECOND):
        up.named(first, SECOND)
        assert [await up.ask() for _ in range(3)] == [200] * 3
        assert up.causes == ""


async def test_an_upstream_without_a_live_address_fails_with_each_cause(tmp_path: Path) -> None:
    """502 where all refuse; 504 where one is silent. It is served again as soon as one is live."""
    async with upstreams(tmp_path, connect_timeout=1) as up:
        up.named(FIRST, SECOND)
        assert await up.ask() == 502
        assert f": {FIRST}:{up.port}, {SECOND}:{up.port}: Connection refused; req" in up.causes
        up.named(FIRST)
        with up.silent(FIRST):
            assert await up.ask() == 504
            assert f": {FIRST}:{up.port}: no answer within 1 s; requests get 502" in up.causes
        up.named(FIRST, SECOND)
        async with up.live(FIRST):
            assert await up.ask() == 200
            assert up.causes == ""


async def test_a_name_that_cannot_be_looked_up_is_a_502_with_the_cause(tmp_path: Path) -> None:
    """At the first lookup, which each request tries again."""
    async with upstreams(tmp_path) as up, up.live(FIRST):
        up.named()
        assert await up.ask() == 502
        assert ") does not answer: localhost: try again; requests get 502 until" in up.causes
        up.named(FIRST)
        assert await up.ask() == 200


async def test_the_time_to_connect_includes_the_lookup(tmp_path: Path) -> None:
    """A resolver that hangs gives 504."""

    async def resolve(_host: str) -> Sequence[AddrInfoType]:
        await asyncio.Event().wait()
        return []

    async with upstreams(tmp_path, connect_timeout=0.2) as up:
        up.world.inside.resolve_with(resolve)
        assert await up.ask() == 504
        assert "localhost: no answer within 0.2 s" in up.causes


async def test_a_real_name_is_looked_up(tmp_path: Path) -> None:
    """As by any other program on the machine."""
    port = free_port()
    async with running_world(tmp_path, dial={"url": f"http://localhost:{port}"}) as world:
        up = Upstreams(world, port)
        async with up.live("127.0.0.1"):
            assert await up.ask() == 200


# --- an upstream that moves ----------------------------------------------------------------------


async def test_idle_connections_to_an_address_that_is_gone_are_closed(tmp_path: Path) -> None:
    """The next request goes to the new address; a connection to one that stayed is kept."""
    async with upstreams(tmp_path) as up, up.live(FIRST), up.live(SECOND), up.live(THIRD):
        up.named(FIRST)
        assert await up.ask() == 200
        await up.moved(FIRST, SECOND)
        assert up.world.inside.idle == 1
        await up.moved(SECOND)
        assert up.world.inside.idle == 0
        await until(lambda: not up.world.inside.upstream)
        assert status(await up.world.send(up.world.request())) == 200
        assert up.seen == up.asked == [FIRST, SECOND]


async def test_an_answer_from_an_address_that_is_gone_is_completed(tmp_path: Path) -> None:
    """Its connection is not used for another request, even where one waits for it."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"
    async with upstreams(tmp_path, max_connections=1) as up, up.live(SECOND):
        writers = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(half)
            assert await reader.read() == b""
            writer.close()

        server = await asyncio.start_server(serve, FIRST, up.port)
        up.named(FIRST)
        answer = asyncio.ensure_future(up.world.send(up.world.request()))
        await until(lambda: writers)
        waits = asyncio.ensure_future(up.world.send(up.world.request()))
        await until(lambda: up.world.inside.waiting)
        await up.moved(SECOND)
        writers[0].write(b"lf")
        assert (await answer).endswith(b"\r\n\r\nhalf")
        assert status(await waits) == 200
        assert (up.asked, len(writers)) == ([SECOND], 1)
        server.close()


async def test_the_last_addresses_are_used_while_the_name_cannot_be_looked_up(
    tmp_path: Path,
) -> None:
    """That is said once, and that it is over."""
    async with upstreams(tmp_path) as up, up.live(FIRST):
        up.named(FIRST)
        assert await up.ask() == 200
        await up.moved()
        assert await up.ask() == 200
        assert "cannot be looked up: try again; its last addresses are used" in up.causes
        await up.moved(FIRST)
        assert up.causes == ""


# --- TLS -----------------------------------------------------------------------------------------


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """(the context of a server with a certificate for `name`, the file with its authority)."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    folder.mkdir(exist_ok=True)
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return context, str(file)


async def test_a_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    """At whichever address the upstream is."""
    context, ca_file = certified(tmp_path, "localhost")
    async with (
        upstreams(tmp_path, "https", ca_file=ca_file) as up,
        up.live(FIRST, tls=context),
        up.live(SECOND, tls=context),
    ):
        up.named(FIRST, SECOND)
        assert [await up.ask() for _ in range(4)] == [200] * 4
        assert set(up.asked) == {FIRST, SECOND}


@pytest.mark.parametrize("name", ["127.0.0.2", "other.test"])
async def test_a_certificate_of_another_name_is_a_502(tmp_path: Path, name: str) -> None:
    """That of the address does not do; the cause says for which address it was."""
    context, ca_file = certified(tmp_path, name)
    async with (
        upstreams(tmp_path, "https", ca_file=ca_file) as up,
        up.live(FIRST, tls=context),
    ):
        up.named(FIRST)
        assert await up.ask() == 502
        assert up.world.log()[-1]["reason"] == "upstream-tls"
        assert f"{FIRST}:{up.port}: [SSL: CERTIFICATE_VERIFY_FAILED]" in up.causes


async def test_an_address_whose_handshake_fails_does_not_hide_a_live_one(tmp_path: Path) -> None:
    """Where it has another certificate, or speaks no TLS: the next address is tried at once."""
    context, ca_file = certified(tmp_path, "localhost")
    other, _ = certified(tmp_path / "other", "localhost")
    async with (
        upstreams(tmp_path, "https", ca_file=ca_file) as up,
        up.live(FIRST, tls=other),
        up.live(SECOND, greeting=b"220 ready\r\n"),
        up.live(THIRD, tls=context),
    ):
        up.named(FIRST, SECOND, THIRD)
        assert [await up.ask() for _ in range(6)] == [200] * 6
        assert set(up.asked) == {THIRD}


async def test_an_address_that_is_silent_in_its_handshake_is_put_aside(tmp_path: Path) -> None:
    """The request fails, and the next ones go to another address."""
    context, ca_file = certified(tmp_path, "localhost")
    async with upstreams(tmp_path, "https", ca_file=ca_file, connect_timeout=1) as up:
        with socket.create_server((FIRST, up.port)):
            async with up.live(SECOND, tls=context):
                up.named(FIRST, SECOND)
                answers = [await up.ask() for _ in range(4)]
                assert sorted(answers) == [200, 200, 200, 504]
