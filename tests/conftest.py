"""What all tests share: the event loop that the gate runs on."""

from __future__ import annotations

import asyncio

import pytest
import uvloop


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """uvloop, as in production."""
    return uvloop.EventLoopPolicy()
