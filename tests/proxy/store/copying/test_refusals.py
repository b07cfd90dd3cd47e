"""What cannot be copied is refused with the reason, and nothing is left where the copy would be."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from proxy.store.feed import NodeIdentity
from proxy.store.open import open_store, store_status
from proxy.store.protocols import StoreError
from tests.proxy.store.adapters import sqlite_file
from tests.proxy.store.copying.conftest import KINDS, copied, place, rows_of

Filled = Callable[[str], Any]
NewUrl = Callable[[str], str]


async def refused(source: str, target: str) -> str:
    """The error of a copy."""
    with pytest.raises(StoreError) as raised:
        await asyncio.to_thread(copied, source, target)
    return str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_store_is_never_overwritten(kind: str, filled: Filled) -> None:
    """Be it the same one, another one, or one of a newer schema."""
    source, other = await filled(kind), await filled(kind)
    assert await refused(source, source) == (
        f"{place(source)} is the same store, or a backup of it: it has the same id"
    )
    before = await asyncio.to_thread(rows_of, other)
    assert await refused(source, other) == (
        f"there is a store at {place(other)} already: it is not overwritten"
    )
    assert await asyncio.to_thread(rows_of, other) == before
    assert (await store_status(source)).moved_to is None


async def test_a_file_of_a_newer_schema_is_not_overwritten(filled: Filled) -> None:
    """It says which program it needs."""
    source, other = await filled("sqlite"), await filled("sqlite")
    with closing(sqlite3.connect(sqlite_file(other))) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("UPDATE meta SET min_schema = 99")
        db.commit()
    assert "already" in await refused(source, other) or "99" in await refused(source, other)


async def test_a_file_that_is_in_use_names_the_process(filled: Filled, new_url: NewUrl) -> None:
    """By its number."""
    source = await filled("sqlite")
    store = await open_store(source, holder="wardgate serve")
    try:
        assert f"in use by process {os.getpid()}" in await refused(source, new_url("sqlite"))
    finally:
        await store.close()


async def test_nodes_that_use_a_store_are_named(filled: Filled, new_url: NewUrl) -> None:
    """Those that have left do not count."""
    source, target = await filled("postgres"), new_url("sqlite")
    store = await open_store(source)
    assert store.feed is not None
    try:
        assert await store.feed.join(NodeIdentity(uuid4(), "gate-1", 30.0))
        assert await store.feed.beat(0)
        assert "is in use by gate-1: stop these nodes" in await refused(source, target)
        await store.feed.leave()
        assert not sqlite_file(target).exists()
        await asyncio.to_thread(copied, source, target)
    finally:
        await store.close()


async def test_a_node_gets_no_lease_from_a_store_that_has_moved(
    filled: Filled, new_url: NewUrl
) -> None:
    """Whenever it has opened the store, so that nothing is permitted by an old record."""
    source = await filled("postgres")
    store = await open_store(source)
    assert store.feed is not None
    try:
        assert await store.feed.join(NodeIdentity(uuid4(), "gate-1", 30.0))  # it is not seen yet
        await asyncio.to_thread(copied, source, new_url("sqlite"))
        assert not await store.feed.beat(0)
        assert not await store.feed.join(NodeIdentity(uuid4(), "gate-2", 30.0))
    finally:
        await store.close()


async def test_an_audit_log_that_was_altered_is_not_copied(filled: Filled, new_url: NewUrl) -> None:
    """The new store is not made then, and the old one stays in use."""
    source = await filled("sqlite")
    with closing(sqlite3.connect(sqlite_file(source))) as db:
        db.execute("UPDATE audit SET subject = 'x' WHERE sequence = 2")
        db.commit()
    for target in (new_url("sqlite"), new_url("postgres")):
        assert "the audit log does not verify: entry 2 was altered" in await refused(source, target)
        with pytest.raises(StoreError, match="there is no store"):
            await open_store(target)
    await (await open_store(source)).close()


async def test_a_store_without_its_rows_of_reference_is_not_copied(
    filled: Filled, new_url: NewUrl
) -> None:
    """In either kind."""
    source = await filled("sqlite")
    with closing(sqlite3.connect(sqlite_file(source))) as db:
        db.execute("DELETE FROM accounts WHERE id = 1")
        db.commit()
    assert "leads to none of accounts" in await refused(source, new_url("sqlite"))
    assert "foreign key constraint" in await refused(source, new_url("postgres"))


async def test_a_server_that_does_not_answer_is_named(filled: Filled) -> None:
    """As where the store is opened."""
    source, nowhere = await filled("sqlite"), "postgresql://wardgate@127.0.0.1:1/wardgate"
    assert f"store {nowhere} cannot be used: " in await refused(source, nowhere)


KILLED = """
import os, signal, sys
from proxy.store.copying import copy
from proxy.store.open import place_of
def report(table, rows, total):
    if table == "quotas":
        print("copying", flush=True)
        signal.pause()
copy.copy(place_of(sys.argv[1]), place_of(sys.argv[2]), 77, report, keep=False)
"""


@pytest.mark.parametrize("kind", KINDS)
async def test_a_copy_that_was_killed_leaves_no_store_and_can_be_made_again(
    kind: str, filled: Filled, new_url: NewUrl
) -> None:
    """Nor is anything left beside it once that is done."""
    source, target = await filled("sqlite"), new_url(kind)
    before = await asyncio.to_thread(rows_of, source)
    await asyncio.to_thread(kill_a_copy, source, target)
    with pytest.raises(StoreError, match="there is no store"):
        await open_store(target)
    await asyncio.to_thread(copied, source, target)
    assert await asyncio.to_thread(rows_of, target) == before
    if kind == "sqlite":
        path = sqlite_file(target)
        assert {each.name for each in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


def kill_a_copy(source: str, target: str) -> None:
    """Begin to copy, and kill that in the middle."""
    run = [sys.executable, "-c", KILLED, source, target]
    with subprocess.Popen(run, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"copying\n"
        process.send_signal(signal.SIGKILL)
