"""Changes: whole or not at all, announced in the step that commits them, kept once acknowledged."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.model import AccountKind, Membership, Role, State
from proxy.store.open import open_store
from proxy.store.protocols import Changes, Store
from proxy.store.query import Query
from tests.harness import account, environment
from tests.proxy.store.adapters import Adapter


async def test_a_change_that_raises_leaves_nothing_behind(store: Store) -> None:
    """There is no record of it, no audit entry and no revision, and no listener is called."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    before, _ = await store.load_settings()

    async def fail() -> None:
        async with store.write() as change:
            await change.put(account(5, AccountKind.USER))
            await change.record(Entry(1, Actor(), "account.create", "1a5", None, {}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await store.get_account(5) is None
    assert (await store.list_audit(Query("sequence"))).records == []
    assert (await store.load_settings())[0] == before
    assert announced == []


async def test_a_change_that_is_cancelled_during_its_commit_is_kept_and_announced(
    store: Store,
) -> None:
    """Commit and announcement are one step; the next change begins after both."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)

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
        assert len(announced) == 1
        assert announced[0]
        assert announced[0].accounts == [account(5, AccountKind.USER)]


async def test_listeners_are_called_before_the_caller_goes_on(store: Store) -> None:
    """So a request that follows the answer is decided by the change."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    async with store.write() as change:
        await change.put(environment(3, "a"))
        await change.put(Membership(1, 2, 3, Role.OWNER, 0))
        await change.end_membership(Membership(2, 2, 4, Role.OWNER, 0))
        await change.put_setting("access_control", "off")
        assert announced == []
    (changes,) = announced
    assert changes
    assert changes.environments == [environment(3, "a")]
    assert changes.memberships == [(2, 3, Membership(1, 2, 3, Role.OWNER, 0)), (2, 4, None)]
    assert changes.settings == {"access_control": "off"}
    assert (changes.revision, changes.settings) == await store.load_settings()


async def test_every_change_has_a_revision_of_its_own(store: Store) -> None:
    """The revision grows by one, and a record is loaded with the revision that it belongs to."""
    start, _ = await store.load_account(1)
    for number in range(1, 4):
        async with store.write() as change:
            await change.put(replace(account(1, AccountKind.ADMIN), name=f"n{number}"))
        revision, record = await store.load_account(1)
        assert revision == start + number
        assert record
        assert record.name == f"n{number}"
    assert await store.load_account(99) == (start + 3, None)


async def test_a_change_without_a_record_has_no_revision(store: Store) -> None:
    """An audit entry alone changes no decision, so no listener is called."""
    announced: list[Changes | None] = []
    store.subscribe(announced.append)
    before, _ = await store.load_settings()
    async with store.write() as change:
        await change.record(Entry(1, Actor(), "key.recover", "1c1", None, {}))
    assert (await store.load_settings())[0] == before
    assert len((await store.list_audit(Query("sequence"))).records) == 1
    assert announced == []


async def test_readers_see_the_state_before_a_change_until_it_is_committed(store: Store) -> None:
    """A change in progress hides nothing and shows nothing."""
    async with store.write() as change:
        await change.put(replace(account(1, AccountKind.ADMIN), state=State.INACTIVE))
        _, seen = await store.load_account(1)
        assert seen
        assert seen.state is State.ACTIVE
        assert await store.get_account(1) == seen
    _, seen = await store.load_account(1)
    assert seen
    assert seen.state is State.INACTIVE


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


async def test_what_was_acknowledged_survives_a_kill(
    adapter: Adapter, store: Store, url: str
) -> None:
    """A process killed amid its changes leaves each acknowledged one whole, and sound storage."""
    await store.close()
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CREATE, url, stdout=asyncio.subprocess.PIPE
        )
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
    adapter.check_storage(url)


async def test_a_change_knows_its_revision_once_it_is_committed(store: Store) -> None:
    """One that changes no record makes none."""
    before, _ = await store.load_settings()
    async with store.write() as change:
        await change.put(account(5, AccountKind.USER))
        assert change.revision is None
    assert change.revision == before + 1
    async with store.write() as change:
        await change.record(Entry(1, Actor(), "webhook.test", "1wm1", None, {}))
    assert change.revision is None
