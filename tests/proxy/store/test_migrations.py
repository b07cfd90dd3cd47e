"""A store of an earlier version is brought up to date: whole, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.domain.model import Membership, Role, State
from proxy.store.open import open_store
from proxy.store.query import Query
from proxy.store.sqlite import schema

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
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the first version, with something of everything."""
    tmp_path.chmod(0o700)
    path = tmp_path / "wardgate.db"
    whole = schema._steps()
    with monkeypatch.context() as only_the_first:
        only_the_first.setattr(schema, "_steps", lambda: {1: whole[1]})
        schema.prepare(path)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


async def test_everything_is_still_there(store: Path) -> None:
    """Each record as it was; memberships have ids, and the date of their environment."""
    opened = await open_store(f"sqlite:///{store}")
    assert version(store) == max(schema._steps())
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
    assert await opened.unsealed_rounds() == 5
    members = (await opened.list_memberships(Query(), environment=3)).records
    assert members == [Membership(1, 1, 3, Role.OWNER, 7), Membership(2, 2, 3, Role.MEMBER, 7)]
    async with opened.write() as change:
        assert await change.next_id("membership") == 4
        assert await change.next_id("account") == 5
    assert (await opened.load_settings())[0] == 7
    assert (await opened.list_audit(Query("sequence"))).records == []
    await opened.close()


async def test_a_step_that_is_broken_off_leaves_the_store_as_it_was(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any of its statements; the next start takes the step again."""
    before = store.read_bytes()
    statements = list(schema._statements(schema._steps()[2]))
    split = schema._statements

    for number in range(len(statements)):

        def broken(sql: str, number: int = number) -> Iterator[str]:
            yield from list(split(sql))[:number]
            raise KeyboardInterrupt

        with monkeypatch.context() as breaking:
            breaking.setattr(schema, "_statements", broken)
            with pytest.raises(KeyboardInterrupt):
                schema.prepare(store)
        assert version(store) == 1
    assert store.read_bytes()[100:] == before[100:]
    opened = await open_store(f"sqlite:///{store}")
    assert len((await opened.list_keys(Query())).records) == 2
    await opened.close()
