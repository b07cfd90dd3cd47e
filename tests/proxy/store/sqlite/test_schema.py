"""Making a store, bringing an older one up to date, and refusing what is no sound store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from proxy.domain.model import Membership, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Store, StoreError
from proxy.store.query import Query
from proxy.store.sqlite import schema
from proxy.store.sqlite.backup import backup, restore

FIRST = """
INSERT INTO accounts VALUES
    (1, 'u1', 'admin', 'admin', NULL, 'active', 5, NULL),
    (2, 'u2', 'user', 'ada', NULL, 'active', 6, NULL);
INSERT INTO environments VALUES (3, 'u3', 'prod', 'Production', NULL, 'active', 7, NULL),
    (4, 'u4', 'old', 'Old', NULL, 'removed', 8, 9);
INSERT INTO memberships VALUES (2, 3, 'member'), (1, 3, 'owner'), (1, 4, 'owner');
INSERT INTO keys VALUES
    (1, 'k1', 'AAAA', x'2432622430342461', 1, 1, NULL, NULL, 'owner', 'admin', NULL, 'active', 5,
     NULL, NULL, 99),
    (2, 'k2', 'BBBB', x'2432622430352461', 0, NULL, 3, 1, 'member', NULL, NULL, 'inactive', 6,
     1000, NULL, NULL);
UPDATE counters SET value = 4 WHERE name = 'account';
UPDATE counters SET value = 2 WHERE name = 'key';
UPDATE meta SET revision = 7;
"""


@pytest.fixture
def old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a store of the first schema, with records of every kind."""
    tmp_path.chmod(0o700)
    path = tmp_path / "wardgate.db"
    migrations = schema._migrations()
    with monkeypatch.context() as first_alone:
        first_alone.setattr(schema, "_migrations", lambda: {1: migrations[1]})
        schema.prepare(path)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST)
    return path


def version(path: Path) -> int:
    """The schema that a store has."""
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


async def test_a_migrated_store_has_all_its_records(old_store: Path) -> None:
    """Each as it was; memberships have ids, and the date of their environment."""
    opened = await open_store(f"sqlite:///{old_store}")
    assert version(old_store) == max(schema._migrations())
    admin, other = (await opened.list_keys(Query())).records
    assert (admin.access_key, admin.account_id, admin.last_used, admin.use_count) == (
        "AAAA",
        1,
        99,
        0,
    )
    assert (other.environment_id, other.expires, other.state) == (3, 1000, State.INACTIVE)
    assert (other.sealed, other.previous_sealed, other.previous_hash) == (False, True, None)
    assert [key.id for key in (await opened.list_keys(Query("name"), owner=3)).records] == [2]
    assert await opened.unsealed_rounds() == 0  # it has expired
    members = (await opened.list_memberships(Query(), environment=3)).records
    assert members == [Membership(1, 1, 3, Role.OWNER, 7), Membership(2, 2, 3, Role.MEMBER, 7)]
    async with opened.write() as change:
        assert await change.next_id("membership") == 4
        assert await change.next_id("account") == 5
    assert (await opened.load_settings())[0] == 7
    assert (await opened.list_audit(Query("sequence"))).records == []
    await opened.close()


async def test_a_backup_of_an_older_schema_is_migrated_when_it_is_restored(
    old_store: Path, tmp_path: Path
) -> None:
    """The backup itself stays as it is. Its audit log needs an entry, as `init` makes."""
    head = chain(FIRST_HASH, 1, Entry(7, Actor(), "key.create", "1c1", None, None))
    with closing(sqlite3.connect(old_store)) as database:
        database.execute(
            "INSERT INTO audit (sequence, time, act, subject, hash) VALUES (1, 7, 'key.create', "
            "'1c1', ?)",
            (head,),
        )
        database.commit()
    backup(old_store, tmp_path / "backup")
    place = tmp_path / "other.db"
    await asyncio.to_thread(restore, tmp_path / "backup", place, 7)
    assert version(tmp_path / "backup") == 1
    assert version(place) == max(schema._migrations())


async def test_a_migration_that_is_interrupted_leaves_the_store_as_it_was(
    old_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any of its statements; the next start runs the migration again."""
    before = old_store.read_bytes()
    statements = list(schema._statements(schema._migrations()[2]))
    split = schema._statements

    for number in range(len(statements)):

        def interrupted(sql: str, number: int = number) -> Iterator[str]:
            yield from list(split(sql))[:number]
            raise KeyboardInterrupt

        with monkeypatch.context() as interrupting:
            interrupting.setattr(schema, "_statements", interrupted)
            with pytest.raises(KeyboardInterrupt):
                schema.prepare(old_store)
        assert version(old_store) == 1
    assert old_store.read_bytes()[100:] == before[100:]
    opened = await open_store(f"sqlite:///{old_store}")
    assert len((await opened.list_keys(Query())).records) == 2
    await opened.close()


# --- what is refused -----------------------------------------------------------------------------


async def test_a_store_that_others_can_read_is_refused(store: Store, url: str, file: Path) -> None:
    """The message has the command that repairs it."""
    await store.close()
    file.chmod(0o644)
    with pytest.raises(StoreError, match=r"chmod 600 .*wardgate\.db"):
        await open_store(url)
    file.chmod(0o600)
    file.parent.chmod(0o777)
    with pytest.raises(StoreError, match="chmod 700 "):
        await open_store(url)


def spoil(path: Path, how: str) -> None:
    """Turn the store at `path` into something that must be refused."""
    if how == "not a database":
        path.write_bytes(b"hello" * 1000)
    elif how == "damaged":
        data = bytearray(path.read_bytes())
        data[4096:8192] = os.urandom(4096)
        path.write_bytes(data)
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        with closing(sqlite3.connect(path)) as db, db:
            if how == "newer":
                db.execute("PRAGMA user_version = 999")
            else:
                db.execute("PRAGMA application_id = 1")
        db.close()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("not a database", "cannot be used"),
        ("damaged", "damaged|cannot be used"),
        ("cut short", "damaged|cannot be used"),
        ("newer", "schema 999"),
        ("another program's", "not a store of Wardgate"),
    ],
)
@pytest.mark.parametrize("create", [False, True])
async def test_what_is_no_sound_store_is_refused_and_left_unchanged(
    store: Store, url: str, file: Path, how: str, message: str, create: bool
) -> None:
    """The message is one line, and not a byte of the file is changed."""
    await store.close()
    spoil(file, how)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=message) as caught:
        await open_store(url, create=create)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before
