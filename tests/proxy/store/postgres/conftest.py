"""A PostgreSQL server whose databases are new for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.postgres.store import PostgresStore
from tests.harness import account
from tests.support.postgres import Server, shared_server


@pytest.fixture
def server() -> Server:
    """The server."""
    return shared_server()


@pytest.fixture
def url(server: Server) -> str:
    """The URL of an empty database."""
    return server.new_url()


@pytest.fixture
def database(url: str) -> str:
    """The name of that database."""
    return url.removeprefix("postgresql://postgres@/").partition("?")[0]


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    """A new store with the admin account 1."""
    opened = await open_store(url, create=True)
    assert isinstance(opened, PostgresStore)
    async with opened.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
    yield opened
    await opened.close()
