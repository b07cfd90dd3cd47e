"""A backup is whole, private and sound, and a store that is made of it has all that it holds."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.audit_chain import verify
from proxy.domain.clock import now_ms
from proxy.domain.model import State
from proxy.domain.session import Session
from proxy.domain.usage import HOUR, Series, Sums, UsageQuery
from proxy.store.open import open_store
from proxy.store.protocols import Store, StoreError, StoreInUse
from proxy.store.query import Query
from proxy.store.sqlite.backup import backup, restore
from proxy.store.sqlite.lock import StoreLock
from tests.harness import new_key, renewed


@pytest.fixture
async def store(store: Store) -> Store:
    """A store in use, with the active key 9, its usage, and two entries of the audit log."""
    async with store.write() as change:
        await change.put(new_key(store, 9, account_id=1).key)
        for number in (1, 2):
            await change.record(Entry(number, Actor(), "key.create", f"1c{number}", None, None))
    await store.record_usage({}, {Series(0, 9, 0, "/**", "GET", 2): Sums(3)})
    return store


@pytest.fixture
async def saved(store: Store, file: Path, tmp_path: Path) -> Path:
    """A backup of that store."""
    target = tmp_path / "backup"
    await asyncio.to_thread(backup, file, target)
    return target


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where there is no store yet, nor its folder."""
    return tmp_path / "other" / "wardgate.db"


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


async def restored(source: Path, place: Path) -> Store:
    """A store that was made of a backup, open."""
    await asyncio.to_thread(restore, source, place, 7)
    return await open_store(f"sqlite:///{place}")


async def test_a_backup_of_a_store_in_use_has_every_committed_change(
    store: Store, saved: Path, place: Path
) -> None:
    """It is one file of mode 0600; a copy of the store's file alone has no change at all: they are
    in the WAL beside it."""
    assert names_in(saved.parent) == {"backup", "var"}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    other = await restored(saved, place)
    assert other.seal_key == store.seal_key
    assert await other.get_key(9) == await store.get_key(9)
    assert await other.load_settings() == await store.load_settings()
    (row,) = await other.sum_usage(UsageQuery(0, HOUR, key=9))
    assert row.requests == 3
    await other.close()
    alone = shutil.copy(saved.parent / "var" / "wardgate.db", saved.parent / "alone")
    with closing(sqlite3.connect(alone)) as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone() == (0,)


async def test_a_backup_is_of_one_moment_and_delays_no_change(
    store: Store, file: Path, tmp_path: Path, place: Path
) -> None:
    """Each change is whole in it or not there, while changes go on."""
    over = asyncio.Event()

    async def go_on() -> None:
        number = 100
        while not over.is_set():
            async with store.write() as change:
                for each in (number, number + 1):
                    await change.put(new_key(store, each, account_id=1).key)
            number += 2

    writing = asyncio.create_task(go_on())
    for number in range(5):
        await asyncio.to_thread(backup, file, tmp_path / f"backup{number}")
    over.set()
    await writing
    for number in range(5):
        other = await restored(tmp_path / f"backup{number}", place.with_name(f"{number}.db"))
        keys = (await other.list_keys(Query(limit=100_000))).records
        assert len(keys) % 2 == 1
        await other.close()


async def test_what_changed_since_the_backup_is_undone_and_the_audit_log_says_so(
    store: Store, saved: Path, place: Path
) -> None:
    """A key that was deactivated since works again. The entry continues the chain."""
    key = await store.get_key(9)
    assert key
    async with store.write() as change:
        await change.put(renewed(new_key(store, 9, account_id=1), state=State.INACTIVE))
    other = await restored(saved, place)
    assert await other.get_key(9) == key
    log = (await other.list_audit(Query("sequence"))).records
    assert verify(log).problems == []
    assert [each.sequence for each in log] == [1, 2, 3]
    assert log[2].entry == Entry(7, Actor(), "store.restore", "store", None, {"file": str(saved)})
    assert names_in(place.parent) == {"wardgate.db"} | {f"wardgate.db{e}" for e in ENDS}
    await other.close()
    assert names_in(place.parent) == {"wardgate.db", "wardgate.db.lock"}
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


ENDS = ("-wal", "-shm", ".lock")


async def test_a_restored_store_has_no_sessions(
    store: Store, file: Path, tmp_path: Path, place: Path
) -> None:
    """However young: one that somebody ended since, because its cookie was stolen, stays ended."""
    now = now_ms()
    session = Session(0, b"d" * 32, 9, b"h", now, now, "192.0.2.1", "a browser", account_id=1)
    async with store.write() as change:
        await change.add_session(session)
    await asyncio.to_thread(backup, file, tmp_path / "young")
    assert len(await store.list_sessions(account=1)) == 1
    other = await restored(tmp_path / "young", place)
    assert await other.list_sessions(account=1) == []
    await other.close()


async def test_a_store_that_nobody_uses_is_backed_up_too(
    store: Store, file: Path, tmp_path: Path, place: Path
) -> None:
    """And a backup can be made of what was restored."""
    await store.close()
    backup(file, tmp_path / "backup")
    await (await restored(tmp_path / "backup", place)).close()
    backup(place, tmp_path / "again")


async def test_nothing_is_overwritten(store: Store, file: Path, saved: Path, place: Path) -> None:
    """Neither by a backup nor by a store, and no link is followed. Files that SQLite would apply to
    the new store must not lie beside it."""
    link = saved.with_name("link")
    link.symlink_to(saved.with_name("nothing"))
    for target in (saved, link, saved.parent):
        with pytest.raises(StoreError, match="exists already"):
            backup(file, target)
    with pytest.raises(StoreError, match="exists already"):
        restore(saved, file, 7)
    place.parent.mkdir(mode=0o700)
    for end in ("-wal", "-shm", "-journal"):
        other = place.with_name(place.name + end)
        other.touch()
        with pytest.raises(StoreError, match=f"{other} exists already"):
            restore(saved, place, 7)
        other.unlink()
    assert names_in(place.parent) == {"wardgate.db.lock"}
    assert not link.exists()


async def test_a_store_is_not_restored_while_a_server_holds_its_lock(
    saved: Path, place: Path
) -> None:
    """Although its file is gone."""
    place.parent.mkdir(mode=0o700)
    lock = StoreLock(place, "wardgate serve")
    with pytest.raises(StoreInUse, match="wardgate serve"):
        restore(saved, place, 7)
    lock.release()
    await asyncio.to_thread(restore, saved, place, 7)


def sql(statement: str) -> Callable[[Path], None]:
    """What changes a backup by a statement."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(statement)

    return change


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-4096:] = b"\xff" * 4096
    path.write_bytes(content)


def another_database(path: Path) -> None:
    path.unlink()
    sql("CREATE TABLE t (x)")(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: path.write_bytes(b""), "is empty: it is no backup"),
        (lambda path: path.write_text("listen: 127.0.0.1:8080\n" * 500), "not a database"),
        (another_database, "not a store of Wardgate"),
        (sql("PRAGMA user_version = 0"), "is no backup of a store"),
        (sql("PRAGMA user_version = 99"), "has schema 99"),
        (damage, "is damaged|malformed"),
        (sql("UPDATE audit SET act = 'x' WHERE sequence = 1"), "entry 1 was altered"),
        (sql("DELETE FROM audit WHERE sequence = 1"), "entry 1 is missing"),
        (sql("DELETE FROM audit"), "has no entry"),
    ],
)
async def test_what_is_no_sound_backup_is_refused_and_nothing_is_left(
    saved: Path, place: Path, spoil: Callable[[Path], None], message: str
) -> None:
    """Not even the folder of the store."""
    spoil(saved)
    with pytest.raises(StoreError, match=message):
        restore(saved, place, 7)
    assert not place.parent.exists()


def test_what_is_no_store_is_not_backed_up(file: Path, tmp_path: Path) -> None:
    """With the cause."""
    with pytest.raises(StoreError, match="there is no store"):
        backup(file, tmp_path / "backup")
    file.parent.mkdir()
    file.write_text("text" * 5000)
    with pytest.raises(StoreError, match="not a database"):
        backup(file, tmp_path / "backup")
    assert names_in(tmp_path) == {"var"}
