"""One gateway for all rows of a file: it must come unharmed out of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.auth.ratelimit import GuessLimiter
from tests.harness import OK, World, running_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The gateway."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    async with running_world(folder) as here:
        yield here


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """The gateway, in front of an upstream without a past that answers `ok`."""
    for pool in running.node.gateway.runtime.pools.values():
        pool.close()
    running.upstream.forget()
    running.node.authenticator._guesses = GuessLimiter()
    yield running
    running.upstream.respond = lambda _request: OK
    running.upstream.handle = None
