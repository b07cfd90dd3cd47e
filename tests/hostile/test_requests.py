"""Requests that some other server would read differently, each with the answer that it must get.

Each row is followed, on the same connection, by a good request. Where that is served although the
row says that the connection ends, the row has smuggled it. Slow clients are tested in tests/load,
hostile upstreams in test_answers.py and test_own_answers.py.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable

import pytest

from proxy.http1.chunked import LAST_CHUNK
from tests.harness import World
from tests.hostile import framing, heads, targets
from tests.hostile.row import AUTH, GET, LAST, PAIR, Row, Up
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = {row.name: row for row in (*framing.ROWS, *heads.ROWS, *targets.ROWS)}
BEHIND = GET.replace(b"/x", b"/behind") + LAST + b"\r\n"
FRAMED = rb"(?m)^(Content-Length: [1-9]|Transfer-Encoding: )"
"""The line of a request with a body. Such a request is the last on its connection upstream."""
DRIPS = 300
"""The number of pieces of a long row; shorter ones are sent byte by byte."""


def arrival(world: World, up: Up, request_id: bytes) -> bytes:
    """The bytes of `up` as they must arrive: its line and fields, then the gateway's own fields."""
    name = up.host
    port = (name.rpartition(b":")[2] if name and re.search(rb":\d+$", name) else b"") or b"80"
    host = b"X-Forwarded-Host: %b\r\nX-Forwarded-Port: %b\r\n" % (name, port) if name else b""
    forwarded = (
        b'for=127.0.0.1;proto=http;host="%b"' % name if name else b"for=127.0.0.1;proto=http"
    )
    last = LAST if re.search(FRAMED, up.fields) and LAST not in up.fields else b""
    return b"".join(
        (
            up.line,
            b"\r\nHost: 127.0.0.1:%d\r\n" % world.upstream.port,
            up.fields,
            last,
            b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n",
            host,
            b"Forwarded: " + forwarded + b"\r\n",
            b"X-Request-Id: " + request_id + b"\r\n",
            b"X-Wardgate-Key: " + world.key_a.key.access_key.encode() + b"\r\n",
            b"X-Wardgate-Environment: a\r\nX-Wardgate-Role: owner\r\n\r\n",
            up.body,
        )
    )


def as_it_came(message: bytes) -> bytes:
    """The message itself."""
    return message


def unchunked(message: bytes) -> bytes:
    """The message with the data of all its chunks in one piece, however they were chunked."""
    head, blank, body = message.partition(b"\r\n\r\n")
    if b"\r\nTransfer-Encoding: chunked\r\n" not in head:
        return message
    chunks = re.split(rb"(?:^|\r\n)[1-9a-f][0-9a-f]*\r\n|(\r\n)?0\r\n\r\n$", body)
    return head + blank + b"".join(filter(None, chunks)) + body[-5:] * body.endswith(LAST_CHUNK)


async def check(
    world: World, row: Row, *pieces: bytes, reading: Callable[[bytes], bytes] = as_it_came
) -> None:
    """Send `pieces`, those of the row and of a good request behind it, and check what happens.

    `reading` is applied to what should arrive upstream and to what did, before they are compared.
    """
    world.upstream.forget()
    received = await asyncio.wait_for(world.send(*pieces), PATIENCE)
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert statuses == ([row.status, 200] if row.kept else [row.status])
    assert received.count(b"\r\nConnection: close\r\n") == 1  # on the last of them
    ids = re.findall(rb"\r\nX-Request-Id: (\S+)\r\n", received)
    wanted = [] if row.up is None else [arrival(world, row.up, ids[0])]
    if not row.whole:
        assert world.upstream.requests == []
        assert reading(wanted[0]).startswith(reading(world.upstream.seen))
        return
    if row.kept:
        wanted.append(arrival(world, Up(b"GET /v1/projects/a/behind HTTP/1.1"), ids[1]))
    assert [*map(reading, world.upstream.requests)] == [*map(reading, wanted)]
    assert world.upstream.seen == b"".join(world.upstream.requests)


def in_base64(world: World) -> bytes:
    """The credentials of the key of `a`."""
    return world.key_a.basic.split()[-1]


def sent(world: World, row: Row) -> bytes:
    """What a client sends: the row, and a good request behind it."""
    return (row.sent + BEHIND).replace(PAIR, in_base64(world))


@pytest.mark.parametrize("name", ROWS)
async def test_each_request_gets_its_answer_and_nothing_else_goes_upstream(
    world: World, name: str
) -> None:
    """Checked are the status, the end of the connection, and each byte that the upstream gets."""
    await check(world, ROWS[name], sent(world, ROWS[name]))


@pytest.mark.parametrize("name", ROWS)
async def test_a_request_that_comes_byte_by_byte_gets_the_same_answer(
    world: World, name: str
) -> None:
    """And the same goes upstream, but for how bodies are chunked."""
    raw = sent(world, ROWS[name])
    step = max(1, len(raw) // DRIPS if len(raw) > 4000 else 1)
    pieces = (raw[at : at + step] for at in range(0, len(raw), step))
    await check(world, ROWS[name], *pieces, reading=unchunked)


@pytest.mark.parametrize("row", [row for row in targets.CREDENTIALS if row.status == 401])
async def test_the_gateway_gives_all_bad_credentials_the_same_answer(
    world: World, row: Row
) -> None:
    """Nobody learns from it which keys exist: it differs in its date and its request id alone."""
    none = GET.replace(AUTH, b"") + LAST + b"\r\n"
    answer, constant = [
        re.sub(
            rb"(?m)^Date: .*\r\n|[0-9a-f-]{36}",
            b"",
            await world.send(raw.replace(PAIR, in_base64(world))),
        )
        for raw in (row.sent[:-2] + LAST + b"\r\n", none)
    ]
    assert answer == constant


async def test_each_pipelined_request_is_judged_by_its_own_credentials(world: World) -> None:
    """A request without credentials, or into another environment, is refused behind good ones."""
    good = world.request(close=False)
    bare = b"GET /v1/projects/a/two HTTP/1.1\r\nHost: h\r\n\r\n"
    other = world.request(b"/v1/projects/b/x", close=False)
    answer = await world.send(good + bare + good + other + world.request())
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"401", b"200", b"403", b"200"]
    assert len(world.upstream.requests) == 3


@pytest.mark.parametrize(
    "pair", [b"x\r\nINFO ok:y", b"x\ny:z", b'"}\n{"status":200,"a":"b:c', b"\x1b[2J:x", b"\xff:x"]
)
@pytest.mark.parametrize(
    "target", [b"/v1/projects/a/%0a", b'/"}', b"/\xff\x1b[2J", b"/\\n\\", b"/v1/projects/a/x?\r"]
)
async def test_a_request_is_one_line_of_json_in_the_log(
    world: World, pair: bytes, target: bytes
) -> None:
    """Whatever its bytes are. Each line has the same members, and none has the credentials."""
    before = len(world.log())
    basic = b"Authorization: Basic " + base64.b64encode(pair)
    agent = b'User-Agent: \xff"\\}' + target.replace(b"\r", b"")
    for path in (target, b"/v1/projects/a/x"):
        lines = (b"GET " + path + b" HTTP/1.1", b"Host: h", basic, agent, LAST, b"")
        await world.send(b"\r\n".join(lines))
    (refused, denied) = world.log()[before:]
    assert {"time", "id", "client", "method", "path", "status", "reason"} <= refused.keys()
    assert refused.keys() == denied.keys()
    assert base64.b64encode(pair) not in world.log_file.read_bytes()
