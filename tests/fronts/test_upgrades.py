"""WebSockets by way of real proxies, and offers of other protocols."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fronts.cases import WEBSOCKET, Case
from tests.fronts.fronts import STARTS, Front, running_front
from tests.harness import status
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
OPEN = (b"Connection: Upgrade", *WEBSOCKET[1:])


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=STARTS)
async def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    """One proxy for all tests of the file."""
    async with running_front(request.param, tmp_path_factory.mktemp("front")) as front:
        yield front


async def opened(front: Front, case: Case) -> tuple[int, bytes]:
    """(the status that a client gets who offers another protocol, what it then hears of an API that
    agrees to everything, and says what it hears)."""

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(AGREED)
        writer.write(await reader.readexactly(4))

    seen: list[bytes] = []
    front.world.renew()
    front.world.upstream.handle = agree
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        async with asyncio.timeout(PATIENCE):
            raw = case.request(front.pairs).replace(b"Connection: close\r\n", b"")
            writer.write(raw)
            answer = await reader.readuntil(b"\r\n\r\n")
            if status(answer) != 101:
                return status(answer), b""
            writer.write(b"ping")
            return status(answer), await reader.readexactly(4)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("key", "target", "expected"),
    [
        ("owner", b"/v1/projects/a/x", (101, b"ping")),
        ("readonly", b"/v1/projects/a/free/x", (101, b"ping")),
        ("readonly", b"/v1/projects/a/x", (403, b"")),
        ("owner", b"/v1/projects/a/plain/x", (403, b"")),
        ("owner", b"/v1/projects/b/x", (403, b"")),
    ],
)
async def test_a_websocket_opens_where_the_key_may_open_one(
    front: Front, key: str, target: bytes, expected: tuple[int, bytes]
) -> None:
    """On a route that lists it; with a readonly key where the route allows that too."""
    case = Case("", expected[0], key, target=target, lines=OPEN)
    assert await opened(front, case) == expected


@pytest.mark.parametrize(
    "protocol",
    [
        *(b"h2c", b"tcp", b"websocket, h2c", b"h2c, websocket"),
        *(b"websocket\r\nUpgrade: h2c", b"h2c\r\nUpgrade: websocket"),
    ],
)
async def test_an_offer_of_another_protocol_does_not_reach_the_api(
    front: Front, protocol: bytes
) -> None:
    """It is refused or taken off, also beside an offer of a WebSocket."""
    front.world.renew()
    front.arrived()
    lines = (b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: " + protocol)
    more = (b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    raw = Case("", 403, lines=(*lines, *more)).request(front.pairs)
    answer = await front.send(raw)
    assert status(answer) in {200, 400, 403}
    for request in front.arrived():
        assert not re.search(rb"(?im)^upgrade:.*(h2c|tcp)", request)
