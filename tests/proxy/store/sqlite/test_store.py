"""The store in a SQLite file: its permissions, and a commit whose outcome is unknown."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.errors import StoreUnavailable
from proxy.store.open import open_store
from proxy.store.protocols import Changes, Store, StoreError
from proxy.store.sql.store import uncancelled
from tests.harness import new_key


async def test_only_the_owner_can_read_a_store(store: Store, file: Path) -> None:
    """The files of a store have mode 0600, in a directory of mode 0700."""
    folder = file.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


async def test_a_store_that_does_not_exist_is_not_made_by_accident(url: str, file: Path) -> None:
    """Neither is its directory."""
    with pytest.raises(StoreError, match="wardgate init"):
        await open_store(url)
    assert not file.parent.exists()


async def test_a_failed_commit_makes_listeners_forget_what_they_know(store: Store) -> None:
    """They are called with None, the caller gets an error, and the next change goes through."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    orphan = new_key(store, 9, account_id=77).key

    async def fail() -> None:
        async with store.write() as change:
            sqlite: Any = change
            await sqlite._writer.db.execute("PRAGMA defer_foreign_keys = ON")
            await change.put(orphan)  # its account is missing, which the commit finds out

    with pytest.raises(StoreUnavailable, match="may not have been kept"):
        await fail()
    assert announced == [None]
    assert await store.get_key(9) is None
    async with store.write() as change:
        await change.put_setting("access_control", "on")
    assert announced[1:] != []


async def test_a_step_runs_to_its_end_although_its_caller_is_cancelled() -> None:
    """However often; then the cancellation is raised."""
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step() -> None:
        began.set()
        await may_end.wait()
        ended.set()

    caller = asyncio.ensure_future(uncancelled(step()))
    await began.wait()
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


async def test_an_error_of_an_uncancelled_step_reaches_its_caller() -> None:
    """As it was raised."""

    async def step() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await uncancelled(step())
