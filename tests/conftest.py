"""What all tests share: the event loop, no deadlines for examples, and a gateway for a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping

import coverage
import pytest
import pytest_asyncio
import uvloop
from hypothesis import HealthCheck, settings

from tests.harness import World, running_world

# An example that takes long on a busy machine is no worse for it.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")

# Tests talk to this machine alone, and a proxy of the environment would not find the way back.
for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)

pytest_plugins = ["tests.unit"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, as in production."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_sessionfinish() -> None:
    """Keep what was measured: a process of xdist that takes long to end is killed."""
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.save()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of a file."""
    async with running_world(tmp_path_factory.mktemp("world")) as here:
        yield here


@pytest.fixture
def world(running: World) -> World:
    """The gateway of the file, as if it had just started. (It must come unharmed out of each
    test.)"""
    running.renew()
    return running
