"""A SQLite store, new for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.protocols import Store
from tests.harness import account, environment
from tests.proxy.store.adapters import sqlite_file, sqlite_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a store that does not exist yet."""
    with sqlite_url(tmp_path) as url:
        return url


@pytest.fixture
def file(url: str) -> Path:
    """The file of that store."""
    return sqlite_file(url)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A new store with the user accounts 1 and 2 and the environments 3 and 4."""
    opened = await open_store(url, create=True)
    async with opened.write() as change:
        for number in (1, 2):
            await change.put(account(number, AccountKind.USER))
        await change.put(environment(3, "a"))
        await change.put(environment(4, "b"))
    yield opened
    await opened.close()
