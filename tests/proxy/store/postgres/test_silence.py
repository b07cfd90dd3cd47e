"""A server that never answers, as where a network drops every packet: nothing waits for ever, and
nothing is left behind."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import AccountKind
from proxy.store.open import open_store
from proxy.store.postgres import connection as module
from proxy.store.postgres.store import PostgresStore
from tests.harness import account
from tests.patience import PATIENCE
from tests.support.postgres import Server
from tests.support.relay import Relay, relay


@pytest.fixture
def between() -> Iterator[Path]:
    """The folder of the relay's socket, whose path must be short."""
    with tempfile.TemporaryDirectory(prefix="relay.") as folder:
        yield Path(folder)


@pytest.fixture
async def silenced(server: Server, between: Path) -> AsyncIterator[Relay]:
    """What is between the store and the server."""
    async with relay(server.folder / ".s.PGSQL.5432", between) as made:
        yield made
        made.mend()


@pytest.fixture
async def far(
    store: PostgresStore, url: str, server: Server, between: Path, silenced: Relay
) -> PostgresStore:
    """The store as it is reached through the relay, with all its connections made."""
    far = await open_store(url.replace(str(server.folder), str(between)))
    assert isinstance(far, PostgresStore)
    async with far.write() as change:
        await change.put(account(2, AccountKind.USER))
    await asyncio.gather(far.load_account(1), far.load_account(2), far.get_account(1))
    return far


async def test_a_store_is_closed_without_the_server(far: PostgresStore, silenced: Relay) -> None:
    """No error, and no connection that stays."""
    postgres: Any = far
    ends = [postgres._feed._connection, postgres._writer._connection, *postgres._loads._idle]
    silenced.cut()
    await asyncio.wait_for(far.close(), PATIENCE)
    assert all(each.is_closed() for each in ends)


async def test_who_waits_for_a_connection_does_not_wait_for_ever(
    far: PostgresStore, silenced: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: the times in which nothing comes are not added up."""
    monkeypatch.setattr(module, "MOST_SECONDS", 0.2)
    silenced.cut()
    loads = [asyncio.ensure_future(far.load_account(number)) for number in range(50)]
    done, waiting = await asyncio.wait(loads, timeout=PATIENCE, return_when=asyncio.ALL_COMPLETED)
    assert not waiting
    for each in done:
        with pytest.raises(StoreUnavailable, match="cannot be read: it does not answer"):
            await each
    await far.close()


async def test_changes_do_not_wait_for_their_turn_for_ever(
    far: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and however long the one before takes; the next one is made."""
    monkeypatch.setattr(PostgresStore, "_turn_seconds", 0.2)

    async def change() -> None:
        async with far.write() as change:
            await change.put(account(3, AccountKind.USER))

    async with far.write() as before:
        waiting = await asyncio.gather(*(change() for _ in range(20)), return_exceptions=True)
        text = "the store cannot be written: the changes before take too long"
        assert [str(each).partition(" (")[0] for each in waiting] == [text] * 20
        await before.put(account(2, AccountKind.USER))
    await change()
    assert (await far.load_account(3))[1] is not None
    await far.close()


async def test_an_answer_after_the_end_keeps_no_connection(
    far: PostgresStore, silenced: Relay
) -> None:
    """Whoever still waits for it gets it."""
    postgres: Any = far
    (connection, _) = postgres._loads._idle
    silenced.cut()
    loading = asyncio.ensure_future(far.load_account(1))
    await asyncio.sleep(0)
    await far.close()
    silenced.mend()
    assert (await loading)[1] is not None
    assert postgres._loads._idle == []
    assert connection.is_closed()


async def test_where_the_feed_is_made_anew_nothing_is_read_from_the_server_before(
    far: PostgresStore, silenced: Relay
) -> None:
    """It may be gone without a word, or another one may have taken its place."""
    postgres: Any = far
    before = [*postgres._loads._idle, *postgres._connection._idle]
    postgres._feed._connection.terminate()
    with pytest.raises(StoreUnavailable):
        await far.feed.pull()
    await far.feed.pull()
    assert before
    assert all(each.is_closed() for each in before)
    assert (await far.load_account(1))[1] is not None
    await far.close()
