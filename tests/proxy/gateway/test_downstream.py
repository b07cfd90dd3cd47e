"""Clients' connections: kept, bounded in number and in time, and closed so that answers arrive."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.gateway.admission import Connection
from proxy.gateway.downstream import Downstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.transport import PEER
from proxy.http1.outbound import Peer
from tests.harness import OK, World, dechunk, running_world, status, until
from tests.patience import PATIENCE

SOON = 0.5
"""Seconds of a timeout that is waited for. The clock ticks once a second: it may come at once."""


async def test_a_connection_serves_one_request_after_another(tmp_path: Path) -> None:
    """HTTP/1.1 keeps it by default, HTTP/1.0 where it asks for that."""
    async with running_world(tmp_path) as world:
        again = world.request(close=False)
        assert (await world.send(again + world.request())).count(b"HTTP/1.1 200") == 2
        old = again.replace(b"HTTP/1.1", b"HTTP/1.0")
        assert (await world.send(old + old)).count(b"HTTP/1.1 200") == 1
        kept = old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
        answer = await world.send(kept + old)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert answer.count(b"Connection: keep-alive\r\n") == 1


async def test_what_was_sent_before_a_fin_is_answered(tmp_path: Path) -> None:
    """All whole requests, in order; half a one behind them is not."""
    async with running_world(tmp_path) as world:
        ask = world.request(close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(ask * 3 + ask[:-2])
        writer.write_eof()
        assert (await reader.read()).count(b"HTTP/1.1 200") == 3
        assert len(world.upstream.requests) == 3
        writer.close()


async def test_a_client_that_does_not_read_is_not_read_either(tmp_path: Path) -> None:
    """Requests that are refused one after the other fill no memory while nobody reads why."""
    async with running_world(tmp_path) as world:
        flood = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1024)
        writer.transport.set_write_buffer_limits(high=0)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                writer.write(flood)
                sent += len(flood)
                async with asyncio.timeout(1):
                    await writer.drain()
        except TimeoutError:
            pass
        assert sent < 64 * 1024 * 1024
        (held,) = world.node.gateway.admission.connections
        assert isinstance(held, Downstream)
        assert len(held._buffer) < 1024 * 1024
        writer.transport.abort()


async def test_a_last_answer_arrives_whole_however_late_it_is_read(tmp_path: Path) -> None:
    """A client that pauses longer than the gateway lingers loses nothing that was written for
    it."""
    sizes = iter(range(2_000_000, 6_000_000, 40_000))

    def body(_: bytes) -> bytes:
        size = next(sizes)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    async def read_late(world: World) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
        writer.write(world.request())
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        answer = await reader.read()
        head, _, got = answer.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(got)}\r\n".encode() in head + b"\r\n"
        writer.close()

    async with running_world(tmp_path) as world:
        world.allow_clients(linger=0.1)
        world.upstream.respond = body
        await asyncio.gather(*(read_late(world) for _ in range(100)))


@pytest.mark.parametrize("path", [b"/v1/projects/a/x", b"/nowhere"])
async def test_a_client_far_ahead_of_its_answers_is_read_no_further(
    tmp_path: Path, path: bytes
) -> None:
    """Whether its requests go upstream or are refused here, what waits stays small."""
    async with running_world(tmp_path) as world:
        ask = world.request(path, close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(ask * 20_000)
        for _ in range(50):
            assert await reader.read(20_000)
            (held,) = world.node.gateway.admission.connections
            assert isinstance(held, Downstream)
            assert len(held._buffer) <= 2 * 256 * 1024
        writer.transport.abort()


async def test_a_flood_of_refusals_leaves_the_others_their_turn(tmp_path: Path) -> None:
    """Another client is answered while it lasts, not when all of it is."""
    async with running_world(tmp_path) as world:
        tiny = b"GET / HTTP/1.1\r\nHost:h\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        refused = 0
        assert status(await world.send(world.request())) == 200  # and its key is known from now on

        async def flood() -> None:
            nonlocal refused
            while data := await reader.read(1 << 20):
                refused += data.count(b"HTTP/1.1 401 ")

        writer.write(tiny * 20_000)
        flooding = asyncio.ensure_future(flood())
        for _ in range(3):
            assert status(await world.send(world.request())) == 200
        assert refused < 20_000
        writer.transport.abort()
        with suppress(ConnectionError):
            await flooding


async def test_large_heads_are_fewer_to_a_turn(tmp_path: Path) -> None:
    """A turn takes so many bytes of them, whatever is made of each."""
    large = b"GET /" + b"%41" * 2500 + b" HTTP/1.1\r\nHost:h\r\n\r\n"
    async with running_world(tmp_path) as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(large * 100)
        answered, turns = world.node.gateway.telemetry.by_class, [0]
        async with asyncio.timeout(PATIENCE):
            while answered[4] < 100:
                await asyncio.sleep(0)
                turns.append(answered[4])
        assert max(after - before for before, after in pairwise(turns)) <= 6  # two turns may pass
        writer.transport.abort()


async def test_a_body_in_tiny_chunks_arrives_whole(tmp_path: Path) -> None:
    """Taken apart slice by slice, however much comes at once, and the next request behind it."""
    async with running_world(tmp_path) as world:
        head = world.request(
            b"/v1/projects/a/x", b"Transfer-Encoding: chunked", method=b"POST", close=False
        )
        body = b"1\r\nZ\r\n" * 100_000 + b"0\r\n\r\n"
        answer = await world.send(head + body + world.request())
        assert answer.count(b"HTTP/1.1 200") == 2
        first, second = world.upstream.requests
        assert first.partition(b"\r\n\r\n")[2].count(b"Z") == 100_000
        assert first.endswith(b"0\r\n\r\n")
        assert second.startswith(b"GET ")


TINY = b"1\r\nx\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_an_answer_in_tiny_chunks_leaves_the_others_their_turn(tmp_path: Path) -> None:
    """Another client is answered while it comes, not when all of it has."""
    answer = CHUNKED + TINY * 300_000 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        world.upstream.respond = lambda request: OK if b"/b/" in request else answer
        ask = world.request(b"/v1/projects/b/x", pair=world.key_b)
        assert status(await world.send(ask)) == 200  # and its key is known from now on
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(world.request(close=False))
        said = await reader.read(1)

        async def listen() -> None:
            nonlocal said
            while not said.endswith(b"\r\n0\r\n\r\n"):
                said += await reader.read(1 << 20)

        listening = asyncio.ensure_future(listen())
        for _ in range(3):
            assert status(await world.send(ask)) == 200
        assert not listening.done()
        await asyncio.wait_for(listening, PATIENCE)
        assert dechunk(said.partition(b"\r\n\r\n")[2]) == b"x" * 300_000
        writer.transport.abort()


@pytest.mark.parametrize("slowly", [False, True])
async def test_an_answer_in_tiny_chunks_arrives_whole(tmp_path: Path, slowly: bool) -> None:
    """Also to a client for whom the upstream is held; and its connection is used again."""
    large = b"x" * 65_536
    answer = CHUNKED + (b"10000\r\n" + large + b"\r\n" + TINY * 3000) * 100 + b"0\r\n\r\n"
    async with running_world(tmp_path) as world:
        world.upstream.respond = lambda _request: answer
        for times in (1, 2):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=65536)
            writer.write(world.request())
            if slowly:
                await until_held(world)
            said = await asyncio.wait_for(reader.read(), PATIENCE)
            assert dechunk(said.partition(b"\r\n\r\n")[2]) == (large + b"x" * 3000) * 100
            assert len(world.upstream.requests) == times
            assert sum(map(bool, world.upstream.connections)) == 1
            writer.close()


async def until_held(world: World) -> None:
    """Wait until a connection to the upstream is read no further because its client reads none."""
    pool = world.node.gateway.runtime.pools["default"]
    await until(lambda: any(each.flow.holds & PEER for each in pool._open))


async def test_an_early_answer_is_no_leave_to_drip(tmp_path: Path) -> None:
    """A body that stops is cut off, also where its answer has begun already and goes on."""

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with running_world(tmp_path) as world:
        world.upstream.handle = chatty
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 10", method=b"POST")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(raw + b"1")
        said = await reader.readuntil(b"\r\n\r\n")
        assert status(said) == 200
        world.allow_clients(body_window=0.2)
        with suppress(ConnectionError):
            while data := await asyncio.wait_for(reader.read(1000), PATIENCE):
                said += data
        assert not said.endswith(b"0\r\n\r\n")
        assert world.log()[-1]["reason"] == "body-slow"
        writer.transport.abort()


async def test_a_repeated_field_block_is_judged_afresh(tmp_path: Path) -> None:
    """The same fields behind another version, method or path are another request."""
    async with running_world(tmp_path) as world:
        fields = world.request(b"/v1/projects/a/x", b"Transfer-Encoding: chunked", close=False)
        fields = fields.partition(b"\r\n")[2]
        good = b"POST /v1/projects/a/x HTTP/1.1\r\n" + fields + b"0\r\n\r\n"
        elsewhere = b"POST /v1/projects/b/x HTTP/1.1\r\n" + fields
        old = b"POST /v1/projects/a/x HTTP/1.0\r\n" + fields + b"0\r\n\r\n"
        for second, expected in ((good + old, b"400"), (elsewhere, b"403"), (old, b"400")):
            answer = await world.send(good + second)
            assert answer.split(b"HTTP/1.1 ")[-1][:3] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"", 408), (b"GET / HTTP/1.1\r\nHost:", 408), (b"GET /x\r\n", 400), (b"\r\n", 408)],
)
async def test_a_head_that_does_not_come_is_not_waited_for(
    tmp_path: Path, sent: bytes, expected: int
) -> None:
    """Silent or dripping: 408 and closed."""
    limits = {"head_timeout": SOON} if expected == 408 else {}
    async with running_world(tmp_path, limits=limits) as world:
        assert status(await world.send(sent)) == expected


async def test_an_idle_connection_is_closed_without_a_word(tmp_path: Path) -> None:
    """An answer that nobody asked for would answer the next request."""
    async with running_world(tmp_path, limits={"keepalive_timeout": SOON}) as world:
        answer = await world.send(world.request(close=False))
        assert status(answer) == 200
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_body_that_does_not_come_is_a_408_and_never_whole_upstream(tmp_path: Path) -> None:
    """The upstream's connection is cut."""
    async with running_world(tmp_path) as world:
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 10", method=b"POST")
        asking = asyncio.ensure_future(world.send(raw + b"half"))
        await until(lambda: world.upstream.seen.endswith(b"half"))
        world.allow_clients(body_idle=SOON)
        assert status(await asking) == 408
        assert world.upstream.requests == []
        assert world.upstream.seen.endswith(b"half")


@pytest.mark.parametrize(("patience", "expected"), [(PATIENCE, 200), (SOON, 504)])
async def test_a_client_is_not_blamed_for_an_upstream_that_reads_slowly(
    tmp_path: Path, patience: float, expected: int
) -> None:
    """While the upstream takes no more, the body's clock stands still and the upstream's runs."""
    go_on = asyncio.Event()

    async def dozing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        await reader.readexactly(len(body))
        writer.write(OK)
        await writer.drain()

    body = b"x" * 30_000_000
    async with running_world(tmp_path) as world:
        gateway, usual = world.node.gateway, world.node.gateway.runtime
        world.upstream.handle = dozing
        length = b"Content-Length: %d" % len(body)
        raw = world.request(b"/v1/projects/a/x", length, method=b"POST")
        pushing = asyncio.ensure_future(push(world, raw + body))
        await until(lambda: any(is_stuck(each) for each in gateway.admission.connections))
        world.allow_clients(body_idle=SOON, body_window=SOON)
        world.dial(idle_timeout=patience)
        if expected == 200:
            ticks = gateway._ticks
            await until(lambda: gateway._ticks >= ticks + 3 or pushing.done())
            gateway.runtime = usual
            go_on.set()
        assert status(await pushing) == expected
        go_on.set()


def is_stuck(connection: Connection) -> bool:
    """Whether its upstream takes no more of what it sends."""
    assert isinstance(connection, Downstream)
    handler = connection._handler
    return isinstance(handler, Exchange) and handler._upstream_stalled


async def push(world: World, raw: bytes) -> bytes:
    """Send until it is all sent or the gateway answers, and read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(raw)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return answer


async def test_a_body_over_the_limit_is_a_413(tmp_path: Path) -> None:
    """At once where its length says so, else as soon as it is passed."""
    async with running_world(tmp_path, limits={"body_size": 10}) as world:
        raw = world.request(b"/v1/projects/a/x", b"Content-Length: 11", method=b"POST")
        assert status(await world.send(raw + b"12345678901")) == 413
        assert world.upstream.seen == b""
        raw = world.request(b"/v1/projects/a/x", b"Transfer-Encoding: chunked", method=b"POST")
        assert status(await world.send(raw + b"6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n")) == 413
        assert world.upstream.requests == []


async def test_an_upstream_that_says_nothing_is_a_504(tmp_path: Path) -> None:
    """And the request is not sent again."""

    asked = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        world.dial(first_byte_timeout=SOON)
        await reader.read()

    async with running_world(tmp_path) as world:
        world.upstream.handle = mute
        assert status(await world.send(world.request())) == 504
        assert len(asked) == 1


async def test_one_source_has_only_so_many_connections(tmp_path: Path) -> None:
    """The next is closed; once one has gone there is room again."""
    async with running_world(tmp_path, limits={"connections_per_source": 2}) as world:
        gateway = world.node.gateway
        held = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(2)]
        await until(lambda: gateway.connected == 2)
        assert await ask(world) == b""
        held[0][1].close()
        await until(lambda: gateway.connected == 1)
        assert status(await ask(world)) == 200
        held[1][1].close()


async def test_an_ipv6_network_of_64_bits_is_one_source(tmp_path: Path) -> None:
    """A customer has one at least, with any number of addresses."""
    async with running_world(tmp_path, limits={"connections_per_source": 2}) as world:
        gateway = world.node.gateway

        def come(address: str) -> Downstream:
            client = Downstream(gateway)
            client.peer = Peer(address, "http", trusted=False)
            client.admitted = gateway.admit(client)
            return client

        first, second, third = (come(f"2001:db8::{number}") for number in (1, 2, 3))
        assert (first.admitted, second.admitted, third.admitted) == (True, True, False)
        elsewhere = come("2001:db8:0:1::1")
        assert elsewhere.admitted
        gateway.leave(first)
        fourth = come("2001:db8::4")
        assert fourth.admitted
        for client in (second, fourth, elsewhere):
            gateway.leave(client)
        assert not gateway.admission._sources


async def ask(world: World) -> bytes:
    """The answer to a request, or nothing where the connection is refused."""
    try:
        return await world.send(world.request())
    except ConnectionError:
        return b""


async def test_stopping_lets_what_runs_finish(tmp_path: Path) -> None:
    """Idle connections go at once, a request under way gets its answer, and none is accepted."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await go_on.wait()
        writer.write(OK)
        await writer.drain()

    async with running_world(tmp_path, limits={"drain_timeout": PATIENCE}) as world:
        world.upstream.handle = slow
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", world.port)
        asking = asyncio.ensure_future(world.send(world.request(close=False)))
        await begun.wait()
        stopping = asyncio.ensure_future(world.node.gateway.stop())
        assert await idle.read() == b""
        idle_writer.close()
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection("127.0.0.1", world.port)
        go_on.set()
        answer = await asking
        assert status(answer) == 200
        assert b"\r\nConnection: close\r\n" in answer
        await stopping


async def test_a_proxy_of_ours_is_believed_about_its_client(tmp_path: Path) -> None:
    """From a trusted address X-Forwarded-For is appended to, and Proto, Host and Port are kept."""
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


async def test_a_hop_with_a_zone_is_no_address(tmp_path: Path) -> None:
    """Any text may stand behind its `%`, and none of it gets into the log."""
    hop = b'X-Forwarded-For: fe80::1%"x\\'
    async with running_world(tmp_path, trusted_proxies=["127.0.0.0/8"]) as world:
        await world.send(world.request(b"/v1/projects/a/x", hop))
        (line,) = world.log()
        assert line["client"] == "127.0.0.1"
