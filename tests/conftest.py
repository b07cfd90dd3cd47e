"""What all tests share: the event loop that the gateway runs on, and that no machine is too
slow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import uvloop
from hypothesis import HealthCheck, settings

# How long an example takes is for the machine to say, and no example is worse for it.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")

# Tests talk to this machine alone; a proxy that it reaches others by would not find the way back.
for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)

pytest_plugins = ["tests.unit"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, as in production."""
    return {"uvloop": uvloop.new_event_loop}
