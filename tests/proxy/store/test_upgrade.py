"""What a store says of itself; with SQLite, an upgrade needs nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.__main__ import main
from proxy.store.open import finish_upgrade, migrate_store, open_store, store_status
from proxy.store.protocols import StoreError
from proxy.store.sqlite.schema import newest_schema
from tests.proxy.store.adapters import sqlite_file, sqlite_url


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """A SQLite store that is closed."""
    with sqlite_url(tmp_path) as url:
        await (await open_store(url, create=True)).close()
        return url


async def test_the_state_of_a_store_is_shown_while_it_is_in_use(url: str) -> None:
    """Nothing is changed by that."""
    store = await open_store(url)
    found = await store_status(url)
    assert (found.schema, found.known, found.moved_to) == (newest_schema(), newest_schema(), None)
    assert len(found.store_id or "") == 32
    await store.close()


async def test_stores_have_ids_of_their_own(url: str, tmp_path: Path) -> None:
    """So that one is not taken for another."""
    other = f"sqlite:///{tmp_path}/other/wardgate.db"
    await (await open_store(other, create=True)).close()
    assert (await store_status(url)).store_id != (await store_status(other)).store_id


async def test_there_is_nothing_to_finish(url: str) -> None:
    """One process uses the store, which was migrated at its start."""
    newest = newest_schema()
    assert await migrate_store(url) == (newest, newest)
    with pytest.raises(StoreError, match="one process uses it, so nothing is unfinished"):
        await finish_upgrade(url)


async def test_a_store_that_has_moved_is_refused(url: str) -> None:
    """The error says where it is, and how to take that back."""
    with closing(sqlite3.connect(sqlite_file(url))) as database, database:
        database.execute("UPDATE meta SET moved_to = 'postgresql://db/wardgate'")
    told = "has moved to postgresql://db/wardgate; `wardgate store reopen` takes that back"
    with pytest.raises(StoreError, match=told):
        await open_store(url)
    assert (await store_status(url)).moved_to == "postgresql://db/wardgate"


async def test_what_is_no_store_has_no_state(tmp_path: Path) -> None:
    """There is one clear error, and no file is made."""
    url = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(StoreError, match="there is no store at"):
        await store_status(url)
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        await store_status(f"sqlite:///{tmp_path}/text.db")
    assert [each.name for each in tmp_path.iterdir()] == ["text.db"]


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    """An error is one line, and the exit status 1."""
    config = tmp_path / "wardgate.yaml"
    settings = {"store": f"sqlite:///{tmp_path}/var/w.db", "listen": "127.0.0.1:0"}
    upstream = {"upstreams": {"api": {"url": "http://127.0.0.1:1"}}}
    routes = {"routes": [{"path": "/**", "upstream": "api", "access": "any"}]}
    config.write_text(json.dumps(settings | upstream | routes))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["store", *words, "--config", str(config)])
        return done.exit_code, done.output

    assert run("status")[0] == 1
    done = CliRunner().invoke(main, ["init", "--config", str(config)])
    assert done.exit_code == 0, done.output
    code, shown = run("status", "--output", "json")
    assert (code, json.loads(shown)["schema"]) == (0, newest_schema())
    assert f"schema      {newest_schema()}, this program" in run("status")[1]
    assert run("migrate") == (0, f"wardgate: the store has schema {newest_schema()} already\n")
    code, told = run("finish-upgrade")
    assert (code, told.count("\n")) == (1, 1)
