"""Two nodes, of which one reaches the store through a relay."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness import World
from tests.proxy.cluster.nodes import another, first
from tests.support.postgres import Server, shared_server
from tests.support.relay import Relay, relay


class Two(NamedTuple):
    """The nodes `a` and `b`, and what is between `b` and the store."""

    a: World
    b: World
    relay: Relay


@pytest.fixture
def server() -> Server:
    """The server."""
    return shared_server()


@pytest.fixture
def url(server: Server) -> str:
    """The URL of an empty database."""
    return server.new_url()


@pytest.fixture
def between() -> Iterator[Path]:
    """The folder of the relay's socket, whose path must be short."""
    with tempfile.TemporaryDirectory(prefix="relay.") as folder:
        yield Path(folder)


@pytest.fixture
async def two(tmp_path: Path, server: Server, url: str, between: Path) -> AsyncIterator[Two]:
    """Two nodes."""
    through = url.replace(str(server.folder), str(between))
    async with (
        first(tmp_path, url) as a,
        relay(server.folder / ".s.PGSQL.5432", between) as made,
        another(a, tmp_path, through) as b,
    ):
        yield Two(a, b, made)
        made.mend()
