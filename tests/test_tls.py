"""TLS and Unix sockets, on either side of the gateway."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.harness import OK, RecordingUpstream, World, dechunk, running_world, status, until
from tests.patience import PATIENCE
from tests.programs import program


class Authority:
    """A new certificate authority, and a certificate of it for 127.0.0.1 and localhost."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.certificate = self.ca.issue_cert("127.0.0.1", "localhost")
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.certificate.private_key_pem.write_to_path(str(self.key))
        for blob in self.certificate.cert_chain_pems:
            blob.write_to_path(str(self.chain), append=True)

    @property
    def settings(self) -> dict[str, str]:
        """What a `tls` section of the configuration has."""
        return {"certificate": str(self.chain), "key": str(self.key)}

    def server(self) -> ssl.SSLContext:
        """The context of an upstream."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.certificate.configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """The context of a client."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority for each test."""
    return Authority(tmp_path)


async def send_tls(world: World, authority: Authority, raw: bytes) -> bytes:
    """Send to a gateway that speaks TLS, and read until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=authority.client())
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_gateway_speaks_tls_and_says_so_upstream(
    tmp_path: Path, authority: Authority
) -> None:
    """Only HTTP/1.1, and only over TLS; connections are kept as without TLS."""
    async with running_world(tmp_path, tls=authority.settings) as world:
        raw = world.request(close=False) + world.request()
        answer = await send_tls(world, authority, raw)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert (
            b"\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: gateway\r\n" in world.upstream.seen
        )
        assert b"\r\nX-Forwarded-Port: 443\r\n" in world.upstream.seen
        refused = await send_tls(world, authority, b"GET / HTTP/1.1\r\n\r\n")
        assert status(refused) == 400
        assert await without_tls(world) == b""


async def without_tls(world: World) -> bytes:
    """The answer to a client that does not speak TLS."""
    try:
        return await world.send(world.request())
    except ConnectionError:
        return b""


async def curl(*arguments: str) -> str:
    """What curl prints."""
    process = await asyncio.create_subprocess_exec(
        program("curl"), "-sS", "--max-time", "60", *arguments, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_curl_keeps_its_connection_over_tls(tmp_path: Path, authority: Authority) -> None:
    """For a GET and a PUT: the second needs no new handshake."""
    async with running_world(tmp_path, tls=authority.settings) as world:
        url = f"https://localhost:{world.port}/v1/projects/a/x"
        user = ("-u", world.key_a.credentials.pair)
        write = ("-w", " %{num_connects} ")
        trust = ("--cacert", str(authority.ca_file))
        again = ("--next", "-sS", *user, *write, "-X", "PUT", "-d", "body", *trust, url)
        assert await curl(*user, *write, *trust, url, *again) == "ok 1 ok 0 "
        assert world.upstream.requests[1].endswith(b"\r\n\r\nbody")


async def test_a_client_over_tls_that_leaves_ends_its_request_upstream(
    tmp_path: Path, authority: Authority
) -> None:
    """Half a request body never becomes a whole one, and the gateway goes on."""
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        if head := await reader.readline():  # else the gateway only tried whether the port is open
            began.set()
            with suppress(ConnectionResetError):  # which ends a request that is cut
                while data := await reader.read(1000):
                    head += data
            ended.set_result(head)

    began = asyncio.Event()
    upstream = RecordingUpstream(handle=handle)
    async with running_world(tmp_path, upstream, tls=authority.settings) as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=authority.client())
        chunked = (b"/v1/projects/a/x", b"Transfer-Encoding: chunked")
        writer.write(world.request(*chunked, method=b"PUT") + b"4\r\nhalf\r\n")
        await began.wait()
        writer.transport.abort()
        seen = await asyncio.wait_for(ended, PATIENCE)
        assert seen.endswith(b"4\r\nhalf\r\n")
        upstream.handle = None
        assert status(await send_tls(world, authority, world.request())) == 200
        assert [line["status"] for line in world.log()] == [499, 200]


async def test_the_admin_server_speaks_tls(tmp_path: Path, authority: Authority) -> None:
    """Also where the gateway does not; its links begin with https."""
    admin = {"listen": "127.0.0.1:0", "tls": authority.settings}
    async with running_world(tmp_path, admin=admin) as world:
        (url,) = world.node.admin_urls
        assert url.startswith("https://127.0.0.1:")
        user = ("-u", world.admin.credentials.pair)
        keys = await curl(*user, "--cacert", str(authority.ca_file), f"{url}/v2-beta/apikeys")
        assert json.loads(keys)["links"]["self"] == f"{url}/v2-beta/apikeys"
        assert status(await world.send(world.request())) == 200


async def test_a_large_body_passes_both_ways_over_tls(tmp_path: Path, authority: Authority) -> None:
    """8 MB from the client to the upstream and back, with TLS on both sides."""
    body = bytes(range(256)) * 32 * 1024
    upstream = RecordingUpstream(
        lambda request: (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            + request.partition(b"\r\n\r\n")[2]
        )
    )
    async with tls_upstream(authority, upstream) as port:
        dial = {"url": f"https://127.0.0.1:{port}", "ca_file": str(authority.ca_file)}
        async with running_world(tmp_path, tls=authority.settings, dial=dial) as world:
            length = b"Content-Length: %d" % len(body)
            raw = world.request(b"/v1/projects/a/x", length, method=b"PUT") + body
            answer = await send_tls(world, authority, raw)
            assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(
    ("dial", "expected"),
    [
        (lambda authority, port: {"ca_file": str(authority.ca_file)}, 200),
        (lambda authority, port: {}, 502),
        (lambda authority, port: {"verify": False}, 200),
        (
            lambda authority, port: {
                "ca_file": str(authority.ca_file),
                "server_name": "elsewhere.example",
            },
            502,
        ),
    ],
)
async def test_an_upstream_over_tls_is_verified_unless_configured_otherwise(
    tmp_path: Path,
    authority: Authority,
    dial: Callable[[Authority, int], dict[str, object]],
    expected: int,
) -> None:
    """Its certificate must be of the configured authority, for the name in the URL."""
    upstream = RecordingUpstream()
    async with tls_upstream(authority, upstream) as port:
        settings = {"url": f"https://127.0.0.1:{port}"} | dial(authority, port)
        async with running_world(tmp_path, dial=settings) as world:
            assert status(await world.send(world.request())) == expected
            if expected == 502:
                assert upstream.seen == b""
                assert world.log()[-1]["reason"] == "upstream-tls"


@asynccontextmanager
async def tls_upstream(authority: Authority, upstream: RecordingUpstream) -> AsyncIterator[int]:
    """The port of `upstream`, which speaks TLS until the context ends."""
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=authority.server())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def accept_request(server: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection on which a request has come, rather than one of the gateway's that only
    tries whether the port is open."""
    while True:
        connection = context.wrap_socket(server.accept()[0], server_side=True)
        if connection.recv(65536):
            return connection
        connection.close()


def answer_to_the_end(server: socket.socket, context: ssl.SSLContext, announced: bool) -> None:
    """Answer a request over TLS without a length, and end with a FIN. `announced`: after TLS's own
    close_notify (RFC 8446 section 6.1)."""
    with accept_request(server, context) as connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nas much as there is")
        with suppress(ConnectionError):  # the gateway closes as soon as it has seen the end
            if announced:
                connection.unwrap()
            connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_over_tls_is_whole_where_its_end_was_announced(
    tmp_path: Path, authority: Authority, announced: bool
) -> None:
    """Anybody on the network can send a FIN, so an answer that a bare FIN ends is cut."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, authority.server(), announced)
        answering = asyncio.ensure_future(asyncio.to_thread(answer_to_the_end, *arguments))
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        async with running_world(
            tmp_path, dial={"url": url, "ca_file": str(authority.ca_file)}
        ) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(world.request())
            head = await reader.readuntil(b"\r\n\r\n")
            assert status(head) == 200
            if announced:
                assert dechunk(await reader.read()) == b"as much as there is"
            else:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            await answering
            (line,) = world.log()
            assert line.get("reason") == (None if announced else "upstream-closed")
            writer.close()


def answer_and_go(server: socket.socket, context: ssl.SSLContext, answer: bytes) -> None:
    """Answer a request over TLS, and close TLS and the connection without waiting."""
    with accept_request(server, context) as connection:
        connection.sendall(answer)
        connection.setblocking(False)
        with suppress(ssl.SSLWantReadError):
            connection.unwrap()


TINY = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
LARGE = b"%x\r\n%b\r\n0\r\n\r\n" % (3_000_000, b"x" * 3_000_000)


@pytest.mark.parametrize("body", [TINY, LARGE], ids=["tiny", "large"])
@pytest.mark.parametrize("slow", [False, True], ids=["reads", "reads-late"])
async def test_an_answer_over_tls_is_whole_however_late_it_is_read(
    tmp_path: Path, authority: Authority, body: bytes, slow: bool
) -> None:
    """Whether the client reads late, or the gateway, which reads a little in each turn of its event
    loop: the end of the connection, which has come by then, cuts nothing off."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, authority.server(), answer)
        answering = asyncio.ensure_future(asyncio.to_thread(answer_and_go, *arguments))
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        async with running_world(
            tmp_path, dial={"url": url, "ca_file": str(authority.ca_file)}
        ) as world:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", world.port))
            reader, writer = await asyncio.open_connection(sock=client, limit=1000)
            writer.write(world.request())
            received = await reader.readuntil(b"\r\n\r\n")
            if slow:
                await until(lambda: world.inside.holds_back or answering.done())
            received += await asyncio.wait_for(reader.read(), PATIENCE)
            assert len(dechunk(received.partition(b"\r\n\r\n")[2])) == body.count(b"x")
            await answering
            (line,) = world.log()
            assert "reason" not in line
            writer.close()


async def test_what_came_with_a_101_over_tls_reaches_a_client_that_has_closed_its_side(
    tmp_path: Path, authority: Authority
) -> None:
    """TLS closes both sides at once, so the tunnel ends as it begins, but not before that."""

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        writer.write(b"Upgrade: websocket\r\n\r\nhi")
        await reader.read()

    upstream = RecordingUpstream()
    upstream.handle = switch
    offer = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
    async with tls_upstream(authority, upstream) as port:
        dial = {"url": f"https://127.0.0.1:{port}", "ca_file": str(authority.ca_file)}
        async with running_world(tmp_path, dial=dial) as world:
            raw = world.request(b"/v1/projects/a/x", *offer, close=False)
            answer = await world.send(raw, shut=True)
    assert status(answer) == 101
    assert answer.endswith(b"\r\n\r\nhi")


async def test_an_upstream_on_a_unix_socket_gets_localhost_as_its_host(tmp_path: Path) -> None:
    """A Unix socket has no name that Host could have."""
    upstream = RecordingUpstream()
    path = tmp_path / "up.sock"
    server = await asyncio.start_unix_server(upstream.serve, path)
    async with running_world(tmp_path, dial={"url": f"unix:{path}"}) as world:
        assert status(await world.send(world.request())) == 200
        assert b"\r\nHost: localhost\r\n" in upstream.seen
    server.close()


async def test_a_body_passes_both_ways_through_unix_sockets(tmp_path: Path) -> None:
    """The gateway listens on one, the upstream on another; curl is the client."""
    upstream = RecordingUpstream()
    up, gateway_path = tmp_path / "up.sock", tmp_path / "gateway.sock"
    server = await asyncio.start_unix_server(upstream.serve, up)
    listen = ["127.0.0.1:0", f"unix:{gateway_path}"]
    async with running_world(tmp_path, dial={"url": f"unix:{up}"}, listen=listen) as world:
        user = ("-u", world.key_a.credentials.pair)
        through = (
            "--unix-socket",
            str(gateway_path),
            "-d",
            "body",
            "http://gateway/v1/projects/a/x",
        )
        assert await curl(*user, *through) == "ok"
    (request,) = upstream.requests
    assert request.endswith(b"\r\n\r\nbody")
    assert b"\r\nX-Forwarded-Host: gateway\r\n" in request
    server.close()


async def test_a_gateway_listens_on_a_unix_socket_and_an_address_at_once(tmp_path: Path) -> None:
    """A client on the socket has no address for the forwarding fields."""
    path = tmp_path / "gateway.sock"
    async with running_world(tmp_path, listen=["127.0.0.1:0", f"unix:{path}"]) as world:
        assert status(await world.send(world.request())) == 200
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(world.request())
        assert (await reader.read()).endswith(OK[-2:])
        writer.close()
        assert world.upstream.seen.count(b"X-Forwarded-For") == 1
        assert b"\r\nForwarded: for=unknown;" in world.upstream.seen
        assert world.log()[-1]["client"] == "unix"
