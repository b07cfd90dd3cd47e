"""A store of each kind, new for each test, with two accounts and two environments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.protocols import Store
from tests.harness import account, environment
from tests.proxy.store.adapters import ADAPTERS, Adapter


@pytest.fixture(scope="session", params=ADAPTERS, ids=lambda adapter: adapter.name)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """The kind of store that is tested."""
    adapter: Adapter = request.param
    return adapter


@pytest.fixture
def url(adapter: Adapter, tmp_path: Path) -> Iterator[str]:
    """The URL of a store that does not exist yet."""
    with adapter.new_url(tmp_path) as url:
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A new store with the admin account 1, the user account 2 and the environments 3 and 4."""
    opened = await open_store(url, create=True)
    async with opened.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(account(2, AccountKind.USER))
        await change.put(environment(3, "a"))
        await change.put(environment(4, "b"))
    yield opened
    await opened.close()
