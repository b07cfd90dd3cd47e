"""Requests that servers read in different ways, by way of real proxies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fronts.cases import Case
from tests.fronts.differences import CODINGS, ENDLESS, UNKNOWN_FIELD
from tests.fronts.fronts import STARTS, Front, running_front
from tests.harness import status
from tests.hostile import framing, heads
from tests.hostile.row import GET, LAST, PAIR, Row
from tests.hostile.test_forward_auth import IDENTITY
from tests.patience import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEHIND = GET.replace(b"/x", b"/behind") + LAST + b"\r\n"
LEFT_OUT = ENDLESS | CODINGS | UNKNOWN_FIELD


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=STARTS)
async def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    """One proxy for all tests of the file."""
    async with running_front(request.param, tmp_path_factory.mktemp("front")) as front:
        yield front


async def sent(front: Front, raw: bytes) -> list[bytes]:
    """What reaches the API of `raw` and of a good request behind it."""
    front.world.renew()
    front.arrived()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        writer.write(raw)
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65536):
                pass
    except (ConnectionResetError, BrokenPipeError):  # it may close while it is still sent to
        pass
    finally:
        writer.close()
    return front.arrived()


@pytest.mark.parametrize("rows", [framing.ROWS, heads.ROWS], ids=["framing", "heads"])
async def test_what_reaches_the_api_is_in_the_environment_and_the_name_of_the_key(
    front: Front, rows: list[Row]
) -> None:
    """Whatever a proxy makes of a hostile request: nothing reaches the API that was not asked
    about, or has an identity of the client."""
    pair = front.world.key_a.basic.split()[-1]
    key = b"x-wardgate-key: " + front.world.key_a.key.access_key.lower().encode() + b"\r"
    expected = [b"x-wardgate-environment: a\r", key, b"x-wardgate-role: owner\r"]
    arrived = 0
    for row in rows:
        if row.name in LEFT_OUT:
            continue
        for request in await sent(front, (row.sent + BEHIND).replace(PAIR, pair)):
            head = request.partition(b"\r\n\r\n")[0] + b"\r\n"
            assert re.match(rb"[A-Z]+ /v1/projects/a/[a-z]+ HTTP/1\.[01]\r\n", head), row.name
            assert sorted(line.lower() for line in IDENTITY.findall(head)) == expected, row.name
            arrived += 1
    assert arrived > len(rows) / 4


@pytest.mark.parametrize("count", [60, 90, 96, 97, 98, 99, 100, 101, 200, 1000])
async def test_many_fields_are_told_or_refused(front: Front, count: int) -> None:
    """And the proxy serves the next client."""
    front.world.renew()
    raw = Case("", 200, lines=(b"X: y",) * count).request(front.pairs)
    assert status(await front.send(raw)) in ({200} if count == 60 else {200, 400, 431})
    assert status(await front.send(Case("", 200).request(front.pairs))) == 200
