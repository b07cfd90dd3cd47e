"""The embedded store: what was acknowledged is kept, and whole, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from proxy.domain.model import AccountKind, Membership, NotUnique, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Changes, Store, StoreError, Usage
from proxy.store.query import Query
from tests.harness import account, environment, new_key


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a store may be made."""
    return f"sqlite:///{tmp_path}/var/wardgate.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A new store with an account and two environments."""
    opened = await open_store(url, create=True)
    async with opened.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        await change.put(account(2, AccountKind.USER))
        await change.put(environment(3, "a"))
        await change.put(environment(4, "b"))
    yield opened
    await opened.close()


def database(url: str) -> Path:
    """The file behind a store."""
    return Path(url.removeprefix("sqlite:///"))


# --- what is kept ---


async def test_a_record_comes_back_as_it_was_put(store: Store) -> None:
    """Every field of every sort of record, before and behind a change."""
    key = replace(
        new_key(store, 9, account_id=2).key,
        name="näme",
        description="two\nlines",
        expires=5,
        sealed=False,
        role=Role.RESTRICTED,
        creator_id=1,
    )
    async with store.write() as change:
        await change.put(key)
        assert await change.get_key(9) == key
    assert await store.get_key(9) == key
    assert await store.find_key(key.access_key) == key
    assert (await store.load_key(key.access_key))[1] == key
    changed = replace(key, name=None, state=State.INACTIVE)
    async with store.write() as change:
        await change.put(changed)
    assert await store.get_key(9) == changed
    assert await store.get_account(1) == account(1, AccountKind.ADMIN)
    assert await store.get_environment(3) == environment(3, "a")


async def test_the_store_is_as_it_was_when_it_is_opened_again(store: Store, url: str) -> None:
    """The seal key too, or every key would be forged from then on."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    await store.close()
    again = await open_store(url)
    assert again.seal_key == store.seal_key
    assert await again.get_key(9) == pair.key
    await again.close()


async def test_a_change_left_by_an_error_never_happened(store: Store) -> None:
    """Neither its records nor its audit entries nor a revision."""
    told: list[Changes | None] = []
    store.subscribe(told.append)
    before, _ = await store.load_settings()

    async def fail() -> None:
        async with store.write() as change:
            await change.put(account(5, AccountKind.USER))
            await change.record(Entry(1, Actor(), "account.create", "1a5", None, {}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await store.get_account(5) is None
    assert (await store.load_settings())[0] == before
    assert told == []


async def test_a_change_that_is_cancelled_while_it_commits_is_kept_and_told(store: Store) -> None:
    """Commit and telling are one step; whoever waits for the store comes after both."""
    told: list[Changes | None] = []
    store.subscribe(told.append)

    async def change() -> None:
        async with store.write() as tx:
            await tx.put(account(5, AccountKind.USER))
            current = asyncio.current_task()
            assert current
            current.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(change())
    async with store.write() as tx:
        assert await tx.get_account(5) is not None
        assert len(told) == 1
        assert told[0]
        assert told[0].accounts == [account(5, AccountKind.USER)]


async def test_listeners_are_told_before_the_caller_goes_on(store: Store) -> None:
    """So a request that comes behind the answer is judged by the change."""
    told: list[Changes | None] = []
    store.subscribe(told.append)
    async with store.write() as change:
        await change.put(environment(3, "a"))
        await change.put(Membership(1, 2, 3, Role.OWNER, 0))
        await change.end_membership(Membership(2, 2, 4, Role.OWNER, 0))
        await change.put_setting("access_control", "off")
        assert told == []
    (changes,) = told
    assert changes
    assert changes.environments == [environment(3, "a")]
    assert changes.memberships == [(2, 3, Membership(1, 2, 3, Role.OWNER, 0)), (2, 4, None)]
    assert changes.settings == {"access_control": "off"}
    assert (changes.revision, changes.settings) == await store.load_settings()


async def test_every_change_has_a_revision_of_its_own(store: Store) -> None:
    """It grows by one, and a record is read with the revision that it belongs to."""
    start, _ = await store.load_account(1)
    for number in range(1, 4):
        async with store.write() as change:
            await change.put(replace(account(1, AccountKind.ADMIN), name=f"n{number}"))
        revision, record = await store.load_account(1)
        assert revision == start + number
        assert record
        assert record.name == f"n{number}"
    assert await store.load_account(99) == (start + 3, None)


async def test_readers_see_the_state_before_a_change_until_it_is_kept(store: Store) -> None:
    """A change under way hides nothing and shows nothing."""
    async with store.write() as change:
        await change.put(replace(account(1, AccountKind.ADMIN), state=State.INACTIVE))
        _, seen = await store.load_account(1)
        assert seen
        assert seen.state is State.ACTIVE
    _, seen = await store.load_account(1)
    assert seen
    assert seen.state is State.INACTIVE


async def test_uses_are_written_down_and_change_nothing_else(store: Store) -> None:
    """No revision, and no edit of the record turns them back."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(pair.key)
    before = await store.load_settings()
    await store.record_usage({9: Usage(50, "192.0.2.1", 3), 12345: Usage(1, "192.0.2.1", 1)})
    await store.record_usage({9: Usage(100, "192.0.2.2", 4)})
    async with store.write() as change:
        await change.put(replace(pair.key, name="edited"))
    key = await store.get_key(9)
    assert key
    assert (key.last_used, key.last_used_address, key.use_count) == (100, "192.0.2.2", 7)
    assert (await store.load_settings())[0] == before[0] + 1


# --- names and numbers ---


@pytest.mark.parametrize("state", [State.REMOVED, State.PURGED])
async def test_what_was_removed_is_not_there_for_the_gateway(store: Store, state: State) -> None:
    """The admin server still finds it by its id."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(replace(pair.key, state=state))
        await change.put(replace(account(2, AccountKind.USER), state=state))
        await change.put(replace(environment(3, "a"), state=state))
    assert (await store.load_key(pair.key.access_key))[1] is None
    assert (await store.load_account(2))[1] is None
    assert (await store.load_environment(3))[1] is None
    assert (await store.load_slug("a"))[1] is None
    assert await store.get_key(9)
    assert (await store.list_keys(Query())).records == []


async def test_a_slug_is_unique_without_regard_to_case_and_found_exactly(store: Store) -> None:
    """`A` cannot stand beside `a`, and does not stand for it either."""
    with pytest.raises(NotUnique) as caught:
        async with store.write() as change:
            await change.put(environment(8, "A"))
    assert caught.value.field == "slug"
    assert (await store.load_slug("a"))[1] == 3
    assert (await store.load_slug("A"))[1] is None
    found = await store.find_environment("A")
    assert found
    assert found.id == 3


async def test_a_slug_that_was_given_up_can_be_used_again(store: Store) -> None:
    """And then stands for the new environment."""
    async with store.write() as change:
        await change.put(replace(environment(3, "a"), state=State.REMOVED))
        await change.put(environment(8, "A"))
    assert (await store.load_slug("A"))[1] == 8


async def test_an_access_key_is_unique_until_it_is_purged(store: Store) -> None:
    """A removed key's too: the audit log knows it by that."""
    pair = new_key(store, 9, account_id=1)
    async with store.write() as change:
        await change.put(replace(pair.key, state=State.REMOVED))
    with pytest.raises(NotUnique) as caught:
        async with store.write() as change:
            await change.put(replace(pair.key, id=10))
    assert caught.value.field == "publicValue"
    async with store.write() as change:
        await change.put(replace(pair.key, state=State.PURGED))
        await change.put(replace(pair.key, id=10))


async def test_numbers_are_given_once(store: Store) -> None:
    """A number that is taken moves the counter beyond it; one that a record has is refused."""
    async with store.write() as change:
        assert not await change.take_id("account", 1)
        assert not await change.take_id("account", 3)
        assert await change.take_id("account", 100)
        assert await change.next_id("account") == 101
        assert await change.take_id("account", 50)
        assert await change.next_id("account") == 102
        assert await change.next_id("key") == 1


async def test_until_when_somebody_can_administer(store: Store) -> None:
    """As long as the longest-lived key that is active, of the owner role, of an active admin."""
    keys = [new_key(store, number, account_id=1).key for number in range(1, 6)]
    async with store.write() as change:
        assert await change.administered_until() == 0
        await change.put(replace(keys[0], expires=7))
        await change.put(replace(keys[1], state=State.INACTIVE))
        await change.put(replace(keys[2], expires=1))
        await change.put(replace(keys[3], role=Role.READONLY))
        await change.put(replace(keys[4], account_id=2))
    assert await store.administered_until() == 7
    assert await store.has_admin()
    async with store.write() as change:
        await change.put(keys[0])
    assert await store.administered_until() > keys[0].created + 10**15


async def test_the_audit_log_is_a_chain(store: Store, url: str) -> None:
    """Each entry's hash covers its content and the hash before it."""
    entries = [
        Entry(number, Actor("1a1", "1c1", "::1", "r"), "key.create", f"1c{number}", None, {"n": 1})
        for number in range(3)
    ]
    async with store.write() as change:
        for entry in entries:
            await change.record(entry)
    with sqlite3.connect(f"file:{database(url)}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT sequence, hash FROM audit ORDER BY sequence").fetchall()
    db.close()
    previous = FIRST_HASH
    for (sequence, digest), entry in zip(rows, entries, strict=True):
        previous = chain(previous, sequence, entry)
        assert digest == previous


# --- what is refused ---


async def test_only_the_owner_can_read_a_store(store: Store, url: str) -> None:
    """Its files are 0600 in a directory of 0700."""
    folder = database(url).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_a_store_that_others_can_read_is_refused(store: Store, url: str) -> None:
    """With the command that mends it."""
    await store.close()
    database(url).chmod(0o644)
    with pytest.raises(StoreError, match=r"chmod 600 .*wardgate\.db"):
        await open_store(url)
    database(url).chmod(0o600)
    database(url).parent.chmod(0o777)
    with pytest.raises(StoreError, match="chmod 700 "):
        await open_store(url)


async def test_a_store_that_is_not_there_is_not_made_by_accident(url: str) -> None:
    """Nor is anything else."""
    with pytest.raises(StoreError, match="wardgate init"):
        await open_store(url)
    assert not database(url).parent.exists()


def spoil(path: Path, how: str) -> None:
    """Make of the store at `path` what must be refused."""
    if how == "not a database":
        path.write_bytes(b"hello" * 1000)
    elif how == "damaged":
        data = bytearray(path.read_bytes())
        data[4096:8192] = os.urandom(4096)
        path.write_bytes(data)
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        with sqlite3.connect(path) as db:
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
async def test_what_is_no_sound_store_of_ours_is_refused_and_left_alone(
    store: Store, url: str, how: str, message: str, create: bool
) -> None:
    """One clear message, and not a byte of it changed."""
    await store.close()
    path = database(url)
    spoil(path, how)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message) as caught:
        await open_store(url, create=create)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


HOLD = """
import asyncio, sys
from proxy.store.open import open_store
async def main():
    await open_store(sys.argv[1], holder="somebody else")
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def python(code: str, *arguments: str) -> asyncio.subprocess.Process:
    """A Python process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def test_a_second_process_is_refused_and_told_who_holds_the_store(
    store: Store, url: str
) -> None:
    """By any path that leads to it; a holder that was killed holds nothing."""
    await store.close()
    process = await python(HOLD, url)
    assert process.stdout
    await process.stdout.readline()
    link = database(url).with_name("link.db")
    link.symlink_to(database(url))
    for name in (url, f"sqlite:///{link}"):
        with pytest.raises(StoreError, match=f"in use by process {process.pid} .somebody else"):
            await open_store(name)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    again = await open_store(url)
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()} "):
        await open_store(url)
    await again.close()


CREATE = """
import asyncio, sys
from dataclasses import replace
from proxy.store.open import open_store
from tests.harness import new_key
async def main():
    store = await open_store(sys.argv[1])
    key = new_key(store, 1, account_id=1).key
    while True:
        async with store.write() as change:
            number = await change.next_id("key")
            await change.put(replace(key, id=number, access_key=f"K{number}"))
        print(number, flush=True)
asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill(store: Store, url: str) -> None:
    """A process killed amid its changes leaves each acknowledged one, whole, and a sound file."""
    await store.close()
    for _ in range(3):
        process = await python(CREATE, url)
        assert process.stdout
        acknowledged = 0
        for _ in range(40):
            acknowledged = int(await process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
        acknowledged = int((rest.split() or [b"%d" % acknowledged])[-1])
        again = await open_store(url)
        for number in range(1, acknowledged + 1):
            key = await again.get_key(number)
            assert key
            assert key.access_key == f"K{number}"
        await again.close()
    with sqlite3.connect(database(url)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
