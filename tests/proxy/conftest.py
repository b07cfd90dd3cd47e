"""A gateway for the tests of a file, as good as new for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.auth.ratelimit import GuessLimiter
from tests.harness import OK, World, running_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("exchange")
    async with running_world(folder) as here:
        yield here


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """The gateway, in front of an upstream without a past that answers `ok`."""
    for pool in running.node.gateway.runtime.pools.values():
        pool.close()  # what is idle there belongs to the test before
    running.upstream.forget()
    running.node.authenticator._guesses = GuessLimiter()
    yield running
    running.upstream.respond = lambda _request: OK
    running.upstream.handle = None
