"""All requests that are under way are looked at anew on demand, without a tick."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.authorization import Verdict
from proxy.domain.errors import Busy
from proxy.domain.lease import ENDING
from proxy.gateway import revocation
from proxy.gateway.server import TICK
from tests.harness import World, running_world, status, until
from tests.patience import PATIENCE
from tests.proxy.gateway.test_revocation import begun, cut, deactivate_key, endless
from tests.proxy.gateway.test_tunnel import OFFER


def settle(world: World) -> bool:
    """Look at all, by the records of now."""
    return world.node.gateway.settle(world.node.records.version)


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
async def test_a_request_whose_right_has_ended_is_cut_at_once(
    tmp_path: Path, fields: tuple[bytes, ...]
) -> None:
    """While time stands still: no deadline is looked at."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world, *fields) as reader:
            assert settle(world)
            assert world.log() == []
            await deactivate_key(world)
            assert settle(world)
            await asyncio.wait_for(cut(reader), PATIENCE)
            (line,) = world.log()
            assert line["reason"] == "revoked"


async def test_connections_without_a_request_under_way_hold_nothing_up(tmp_path: Path) -> None:
    """Whether they have not begun, are idle, or end."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        _, silent = await asyncio.open_connection("127.0.0.1", world.port)
        reader, idle = await asyncio.open_connection("127.0.0.1", world.port)
        idle.write(world.request(close=False))
        await reader.readuntil(b"\r\n\r\n")
        _, bad = await asyncio.open_connection("127.0.0.1", world.port)
        bad.write(b"bad\r\n\r\n")
        await until(lambda: world.node.gateway.connected == 3 and len(world.log()) == 2)
        assert settle(world)
        for each in (silent, idle, bad):
            each.close()


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
async def test_a_request_that_cannot_be_decided_at_once_holds_it_up(
    tmp_path: Path, fields: tuple[bytes, ...]
) -> None:
    """Its records have to be loaded first. It goes on, since they permit it."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world, *fields) as reader:
            world.node.records.apply(None)
            version = world.node.records.version
            assert not world.node.gateway.settle(version)
            await until(lambda: world.node.gateway.settle(version))
            assert await reader.read(100)
            assert world.log() == []


def hide_keys(file: Path) -> None:
    """From now on, no key can be read."""
    with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # waits until nobody writes, as ALTER TABLE does not
        other.execute("ALTER TABLE keys RENAME TO away")
        other.execute("COMMIT")


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
async def test_a_request_whose_records_cannot_be_read_is_ended_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: tuple[bytes, ...]
) -> None:
    """It may have been revoked meanwhile. Until then it goes on."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world, *fields) as reader:
            # In a thread, because a change of the gateway may need the event loop to end.
            await asyncio.to_thread(hide_keys, tmp_path / "wardgate.db")
            world.node.records.apply(None)
            for _ in range(10):
                assert not settle(world)
                assert await reader.read(100)
            assert world.log() == []
            monkeypatch.setattr(revocation, "UNDECIDED", 0.0)
            assert not settle(world)
            await asyncio.wait_for(cut(reader), PATIENCE)
            (line,) = world.log()
            assert line["reason"] == "store"


async def test_a_request_of_which_nothing_is_known_for_now_holds_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many guesses wait to be verified."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world):
            decider = world.node.gateway.runtime.decider

            def busy(_request: object) -> None:
                raise Busy("too many")

            with monkeypatch.context() as patched:
                patched.setattr(decider, "decide", busy)
                assert not settle(world)
            assert settle(world)


async def test_a_request_that_cannot_be_looked_at_is_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the cause: it must not go on by what was before, nor hold up all others for ever."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        async with begun(world) as reader:

            def broken(_request: object) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr(world.node.gateway.runtime.decider, "decide", broken)
            assert settle(world)
            await asyncio.wait_for(cut(reader), PATIENCE)
            assert "ZeroDivisionError" in caplog.text


class Lease:
    """One that is lost and comes back."""

    held = True
    patience: float = 2 * PATIENCE

    def holds(self) -> bool:
        """Implements `Leasing`."""
        return self.held


async def test_a_request_that_was_undecided_for_a_moment_has_all_of_the_time_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease was lost while nothing could be decided, and came back before anything changed."""
    async with running_world(tmp_path) as world:
        world.stop_clock()
        records, decider = world.node.records, world.node.gateway.runtime.decider
        records.lease = lease = Lease()
        async with begun(world) as reader:
            assert settle(world)

            def busy(_request: object) -> None:
                raise Busy("too many")

            lease.held = False
            with monkeypatch.context() as patched:
                patched.setattr(decider, "decide", busy)
                settle(world)
            lease.held = True
            assert settle(world)
            monkeypatch.setattr(revocation, "UNDECIDED", 0.0)
            await world.put(replace(world.key_b.key, name="renamed"))
            assert settle(world)
            assert await reader.read(100)
            assert world.log() == []


@pytest.mark.parametrize("loads", [False, True])
async def test_a_request_ends_soon_after_the_lease_whatever_is_loaded_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, loads: bool
) -> None:
    """At the next look but one, a second apart, so that others may count on it (`ENDING`): however
    long new requests wait for the lease, and although the store does not answer."""
    assert revocation.UNLEASED < TICK <= 1
    assert 2 * TICK < ENDING
    async with running_world(tmp_path) as world:
        world.stop_clock()
        records = world.node.records
        records.lease = lease = Lease()
        async with begun(world) as reader:
            assert settle(world)
            if loads:

                async def hang(_key: object) -> None:
                    await asyncio.Event().wait()

                monkeypatch.setattr(records.keys, "_load", hang)
                records.apply(None)
            assert settle(world) is not loads
            lease.held = False
            settle(world)
            settle(world)
            assert world.log() == [], "it may come back"
            monkeypatch.setattr(revocation, "UNLEASED", 0.0)
            settle(world)
            await asyncio.wait_for(cut(reader), PATIENCE)
            (line,) = world.log()
            assert line["reason"] == "store"


async def test_a_request_goes_on_that_was_decided_between_two_losses_of_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker has none until it has applied what its keeper has announced."""
    decided, settled = asyncio.Event(), revocation.RevocationWatch._settle

    def noted(watch: revocation.RevocationWatch, verdict: Verdict, version: int) -> None:
        settled(watch, verdict, version)
        decided.set()

    monkeypatch.setattr(revocation.RevocationWatch, "_settle", noted)
    monkeypatch.setattr(revocation, "UNLEASED", 0.0)
    async with running_world(tmp_path) as world:
        world.stop_clock()
        world.node.records.lease = lease = Lease()
        async with begun(world):
            assert settle(world)
            for _ in range(3):
                decided.clear()
                lease.held = False
                settle(world)
                lease.held = True
                await asyncio.wait_for(decided.wait(), PATIENCE)
            assert world.log() == []


async def test_a_request_on_a_public_route_needs_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as it begins nor later."""
    monkeypatch.setattr(revocation, "UNLEASED", 0.0)
    async with running_world(tmp_path, routes=[{"path": "/public", "access": "public"}]) as world:
        world.stop_clock()
        world.upstream.handle = endless
        world.node.records.lease = lease = Lease()
        lease.held = False
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        for _ in range(3):
            settle(world)
        assert world.log() == []
        writer.transport.abort()
