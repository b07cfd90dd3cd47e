"""What a client gets for the response of an upstream."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from proxy.http1.error_response import CONTINUE
from tests.harness import OK, World, dechunk, running_world, status
from tests.upstream import Respond

pytestmark = pytest.mark.asyncio(loop_scope="module")


def always(answer: bytes) -> Respond:
    """An upstream's answer to every request."""
    return lambda _request: answer


async def test_a_response_passes_with_its_fields_and_reason_phrase(world: World) -> None:
    """The gateway does not judge cookies, redirects or odd reason phrases."""
    world.upstream.respond = lambda _: (
        b"HTTP/1.1 302 See: \xff this\r\nSet-Cookie: a=b\r\nLocation: http://internal/\r\n"
        b"Keep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n"
    )
    answer = await world.send(world.request())
    assert answer.startswith(
        b"HTTP/1.1 302 See: \xff this\r\nSet-Cookie: a=b\r\nLocation: http://internal/\r\n"
        b"Content-Length: 0\r\nDate: %b\r\nX-Request-Id: " % world.node.gateway.date
    )


async def test_a_response_that_ends_with_its_connection_is_chunked_for_the_client(
    world: World,
) -> None:
    """HTTP/1.1 clients then see where it ends; HTTP/1.0 clients get it unchanged."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    world.upstream.handle = speak
    answer = await world.send(world.request())
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert dechunk(answer.partition(b"\r\n\r\n")[2]) == b"until the end"
    old = await world.send(world.request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert old.endswith(b"Connection: close\r\n\r\nuntil the end")


@pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
async def test_a_response_without_a_body_ends_at_its_head(
    world: World, method: bytes, code: int
) -> None:
    """The fields do not matter; and the connection serves the next request, except after HEAD."""
    length = b"0" if code == 204 else b"5"
    world.upstream.respond = lambda _: (
        b"HTTP/1.1 %d X\r\nETag: e\r\nContent-Length: %b\r\n\r\n" % (code, length)
    )
    raw = world.request(method=method, close=False) + world.request(method=method)
    answer = await world.send(raw)
    assert answer.count(b"HTTP/1.1 %d X\r\n" % code) == 2
    assert (b"Content-Length" in answer) == (code != 204)
    opened = len([seen for seen in world.upstream.connections if seen])
    assert opened == (2 if method == b"HEAD" else 1)


@pytest.mark.parametrize(
    ("code", "fields", "kept", "delivered"),
    [
        (204, b"Content-Length: 0", True, b""),
        (204, b"Content-Length: 5", False, b""),
        (204, b"Transfer-Encoding: chunked", False, b""),
        (204, b"Content-Length: 0\r\nTransfer-Encoding: chunked", False, b""),
        (304, b"Content-Length: 5", True, b"Content-Length: 5\r\n"),
        (304, b"Transfer-Encoding: chunked", False, b""),
        (304, b"Content-Length: 5, 5", False, b""),
    ],
)
async def test_a_204_or_304_is_delivered_whatever_its_framing_fields_say(
    world: World, code: int, fields: bytes, kept: bool, delivered: bytes
) -> None:
    """A 304 tells the length of the representation (RFC 9110 section 8.6). Where the body could
    follow that the fields announce, the next request gets another connection."""
    world.upstream.respond = lambda _: b"HTTP/1.1 %d X\r\n%b\r\n\r\n" % (code, fields)
    answer = await world.send(world.request(close=False) + world.request())
    lines = b"%bDate: %b\r\n" % (delivered, world.node.gateway.date)
    assert answer.count(b"HTTP/1.1 %d X\r\n%bX-Request-Id: " % (code, lines)) == 2
    assert b"Transfer-Encoding" not in answer
    assert len([seen for seen in world.upstream.connections if seen]) == (1 if kept else 2)


@pytest.mark.parametrize("fields", [b"Date: then\r\n", b"DATE:\r\n"])
async def test_a_date_of_the_upstream_is_the_only_one(world: World, fields: bytes) -> None:
    """Whatever it says; and so for the answers that follow, with other dates."""
    for line in (fields, fields, b"Date: later\r\n"):
        world.upstream.respond = always(OK.replace(b"\r\n", b"\r\n" + line, 1))
        answer = await world.send(world.request())
        assert answer.lower().count(b"\r\ndate:") == 1
        assert line in answer


@pytest.mark.parametrize("fields", [b"", b"Connection: date\r\nDate: of this hop\r\n"])
async def test_a_response_without_a_date_gets_that_of_the_gateway(
    world: World, fields: bytes
) -> None:
    """RFC 9110 section 6.6.1: who forwards it adds the time at which it was received."""
    world.upstream.respond = lambda _: OK.replace(b"\r\n", b"\r\n" + fields, 1)
    answer = await world.send(world.request())
    assert answer.count(b"Date: ") == 1
    assert b"Date: %b\r\n" % world.node.gateway.date in answer


@pytest.mark.parametrize("named", [b"Connection: upgrade\r\n", b"Connection: close\r\n", b""])
async def test_a_426_says_what_to_upgrade_to(world: World, named: bytes) -> None:
    """It must (RFC 9110 section 15.5.22). In other answers Upgrade is an offer of the upstream's
    connection, which is not the client's."""
    fields = named + b"Upgrade: TLS/1.2, websocket\r\n"
    for code in (426, 400, 200):
        head = b"HTTP/1.1 %d X\r\n%bContent-Length: 0\r\n\r\n" % (code, fields)
        world.upstream.respond = always(head)
        answer = await world.send(world.request())
        required = b"Connection: Upgrade\r\nUpgrade: TLS/1.2, websocket\r\n"
        assert (required in answer) == (code == 426)
        assert answer.count(b"Upgrade:") == (code == 426)


async def test_a_redirect_to_the_upstream_itself_leads_to_the_gateway(tmp_path: Path) -> None:
    """In each answer of a connection, of which the URLs differ; and where the upstream believes
    what a trusted proxy says of the scheme."""
    async with running_world(tmp_path, trusted_proxies=["127.0.0.1"]) as world:
        own = b"//127.0.0.1:%d" % world.upstream.port
        urls = {b"http:%b/1" % own: b"/1", b"https:%b/2" % own: b"/2", own: b"/", b"//h/": b"//h/"}
        for url, led in urls.items():
            lines = b"Location: %b\r\nContent-Location: %b\r\n"
            answer = OK.replace(b"\r\n", b"\r\n" + lines % (url, url), 1)
            world.upstream.respond = always(answer)
            request = world.request(b"/v1/projects/a/x", b"X-Forwarded-Proto: https")
            assert b"\r\n" + lines % (led, led) in await world.send(request)
        assert len(world.inside.upstream) == 1


async def test_an_interim_response_is_relayed_only_if_it_is_for_the_client(world: World) -> None:
    """103 is relayed; 102 is for this hop only, and the client did not wait for 100."""
    world.upstream.respond = lambda _: (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    )
    answer = await world.send(world.request())
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")
    old = await world.send(world.request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert old.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("polite", [True, False])
async def test_continue_is_sent_once_and_only_after_the_key_was_accepted(
    world: World, polite: bool
) -> None:
    """The upstream sends it, or else the gateway when the client has waited."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if polite:
            writer.write(CONTINUE)
        await reader.readexactly(5)
        writer.write(OK if polite else CONTINUE + OK)
        await writer.drain()
        await reader.read()

    world.upstream.handle = speak
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    expect = (b"Expect: 100-continue", b"Content-Length: 5")
    writer.write(world.request(b"/v1/projects/a/x", *expect, method=b"PUT"))
    assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
    writer.write(b"hello")
    answer = await reader.read()
    assert status(answer) == 200
    assert answer.count(b"HTTP/1.1 ") == 1
    writer.close()


async def test_no_continue_is_sent_after_a_final_response_has_begun(tmp_path: Path) -> None:
    """It would be read as a part of the body of that response."""
    go_on = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.removesuffix(b"k"))
        await go_on.wait()
        writer.write(b"k")

    async with running_world(tmp_path) as world:
        world.upstream.handle = early
        world.stop_clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        expect = (b"Expect: 100-continue", b"Content-Length: 5")
        writer.write(world.request(b"/v1/projects/a/x", *expect, method=b"PUT"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(3):
            world.pass_time(1.0)
        go_on.set()
        assert await reader.read() == b"ok"
        writer.close()


async def test_a_server_sent_event_arrives_before_the_next_one_is_sent(world: World) -> None:
    """The client has the first event before the upstream sends the second."""
    go_on = asyncio.Event()

    async def ticking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
        await go_on.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    world.upstream.handle = ticking
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(world.request())
    await reader.readuntil(b"data: 1\n\n\r\n")
    go_on.set()
    assert (await reader.read()).endswith(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
    writer.close()


async def test_bytes_after_a_response_reach_no_client(world: World) -> None:
    """Surplus bytes of an upstream are never the response to a later request."""
    world.upstream.respond = lambda _: OK + OK.replace(b"ok", b"no")
    assert (await world.send(world.request())).endswith(b"ok")
    world.upstream.respond = lambda _: OK
    assert (await world.send(world.request())).endswith(b"ok")


async def test_each_request_is_logged_as_one_line_of_json_without_secrets(world: World) -> None:
    """Query, credentials and line ends of a request do not reach the log, whatever its bytes."""
    before = len(world.log())
    await world.send(
        world.request(
            b"/v1/projects/a/x?token=hunter2", b'User-Agent: a\xff"b', b"X-Request-Id: r1"
        )
    )
    await world.send(b'GET /\x00\x1b[31m"?token=hunter2 HTTP/1.1\r\nHost: h\r\n\r\n')
    await world.send(world.request(pair=world.key_b))
    passed, malformed, refused = world.log()[before:]
    assert passed["id"] == "r1"
    assert passed["key"] == world.key_a.key.ref
    assert passed["environment"] == "a"
    assert passed["path"] == "/v1/projects/a/x"
    assert passed["status"] == 200
    assert passed["out"] == 2
    assert passed["agent"] == 'a\xff"b'
    assert malformed["status"] == 400
    assert malformed["path"] == '/\x00\x1b[31m"'
    assert refused["reason"] == "environment"
    assert refused["key"] == world.key_b.key.ref
    text = world.log_file.read_text()
    assert "hunter2" not in text
    assert world.key_a.secret not in text
    assert (
        base64.b64encode(f"{world.key_a.key.access_key}:{world.key_a.secret}".encode()).decode()
        not in text
    )


async def test_a_body_after_a_response_to_head_reaches_no_client(world: World) -> None:
    """Some upstreams send one, late: the next request uses another connection."""

    async def thoughtless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        head, _, body = OK.rpartition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n" + body * (b"GET" in request))
        await reader.readuntil(b"\r\n\r\n")  # of the next request on this connection
        writer.write(OK.replace(b"ok", b"no"))

    world.upstream.handle = thoughtless
    answer = await world.send(world.request(method=b"HEAD", close=False) + world.request())
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.endswith(b"ok")
