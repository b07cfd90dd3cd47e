"""The table through the gateway, and asked about by each convention: the two never differ."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.asking import CONVENTIONS, asked
from tests.fronts.cases import CASES, ROUTES, Case, keys
from tests.harness import Pair, World, running_world, status
from tests.hostile.test_forward_auth import IDENTITY, plain

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=CONVENTIONS)
async def asking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, World, dict[str, Pair]]]:
    """A convention, a gateway that is asked by it, and the keys of the table."""
    forward_auth = {"listen": "127.0.0.1:0", "fields": request.param}
    folder = tmp_path_factory.mktemp("world")
    async with running_world(folder, forward_auth=forward_auth, routes=ROUTES) as world:
        yield request.param, world, await keys(world)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_gets_one_answer_whoever_asks(
    asking: tuple[str, World, dict[str, Pair]], case: Case
) -> None:
    """The same status, challenge and body where it is refused, and the same identity where it is
    permitted. A preflight is permitted where the gateway would answer it itself."""
    convention, world, pairs = asking
    world.renew()
    raw = case.request(pairs)
    sent = await world.send(raw)
    world.inside.forget_guesses()
    told = await world.ask(asked(convention, raw))
    assert status(sent) == case.status
    if case.status >= 400:
        assert plain(told) == plain(sent)
        return
    assert status(told) == 200
    seen = world.upstream.requests[0] if world.upstream.requests else b""
    assert IDENTITY.findall(told) == IDENTITY.findall(seen)


async def test_a_rate_is_used_once_by_each_decision(
    asking: tuple[str, World, dict[str, Pair]],
) -> None:
    """Whoever asks for it: two requests an hour are two in all."""
    convention, world, pairs = asking
    world.renew()
    raw = Case("rated", 200, "rated").request(pairs)
    assert status(await world.send(raw)) == 200
    assert status(await world.ask(asked(convention, raw))) == 200
    sent = await world.send(raw)
    told = await world.ask(asked(convention, raw))
    assert plain(told) == plain(sent)
    assert status(told) == 429
    assert b"\r\nRetry-After: " in told
