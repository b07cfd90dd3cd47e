"""Two nodes over one store: what one changes holds on the other, and a node that cannot reach the
store permits nothing once its lease is over."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.domain.model import State
from proxy.store.protocols import StoreError
from tests.harness import World, renewed, status, until
from tests.patience import PATIENCE
from tests.proxy.cluster.conftest import Two
from tests.proxy.cluster.nodes import another, first
from tests.support.postgres import Server


async def asks(two: Two, node: str, path: bytes = b"/v1/projects/a/x") -> int:
    """The status of a request to one of the nodes."""
    world = two.a if node == "a" else two.b
    return status(await world.send(world.request(path)))


async def after(answer: int, ask: Callable[..., Awaitable[int]], *arguments: Any) -> int:
    """Ask until there is another answer than this one; which one that is."""
    async with asyncio.timeout(PATIENCE):
        while (other := await ask(*arguments)) == answer:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return other


def dies(world: World) -> None:
    """Have a node not tell the store that it ends."""
    feed: Any = world.node.store.feed
    feed._node = None


async def test_a_key_that_is_deactivated_on_one_node_is_refused_on_the_other(two: Two) -> None:
    """And works again once it is activated there."""
    assert [await asks(two, each) for each in "ab"] == [200, 200]
    for maker, other in ((two.a, "b"), (two.b, "a")):
        await maker.put(renewed(two.a.key_a, state=State.INACTIVE))
        assert await after(200, asks, two, other) == 401
        await maker.put(two.a.key_a.key)
        assert await after(401, asks, two, other) == 200


async def test_the_maker_of_a_change_goes_by_it_at_once(two: Two) -> None:
    """The next request on its own node, as with one node."""
    for state, expected in ((State.INACTIVE, 401), (State.ACTIVE, 200)) * 5:
        await two.b.put(renewed(two.a.key_a, state=state))
        assert await asks(two, "b") == expected


async def test_without_the_store_a_node_permits_nothing_once_its_lease_is_over(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then it goes on by what it knows. Refusals need no lease, and it comes back by
    itself."""
    caplog.set_level(logging.WARNING, "wardgate")
    assert await asks(two, "b") == 200
    two.relay.cut()
    assert await asks(two, "b") == 200
    assert await after(200, asks, two, "b") == 503
    assert not two.b.node.records.leased
    forged = two.b.request().replace(two.b.key_a.basic, b"Authorization: Basic eDp5\r\n")
    assert status(await two.b.send(forged)) == 401
    assert await asks(two, "a") == 200
    assert two.b.log()[-2]["reason"] == "store"
    two.relay.mend()
    assert await after(503, asks, two, "b") == 200
    assert "keys work until the lease ends" in caplog.text
    assert "the store is followed again" in caplog.text


async def test_what_goes_on_ends_with_the_lease(two: Two) -> None:
    """A response that has begun is cut off, since nobody knows whether its key is still valid."""
    going_on = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        going_on.set()
        while await reader.read(65536):
            pass
        writer.close()

    assert await asks(two, "b") == 200
    two.a.upstream.handle = endless
    two.b.pool.close()
    receiving = asyncio.ensure_future(two.b.receive(two.b.request()))
    await asyncio.wait_for(going_on.wait(), PATIENCE)
    two.relay.cut()
    received, was_reset = await receiving
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert was_reset
    assert two.b.log()[-1]["reason"] == "store"


async def test_a_change_that_was_missed_counts_before_the_lease_comes_back(two: Two) -> None:
    """Whatever was revoked while a node was cut off never works there again."""
    assert await asks(two, "b") == 200
    two.relay.cut()
    await two.a.put(renewed(two.a.key_a, state=State.INACTIVE))
    assert await after(200, asks, two, "b") == 503
    two.relay.mend()
    assert await after(503, asks, two, "b") == 401


async def test_readiness_goes_with_the_lease(two: Two) -> None:
    """A load balancer takes such a node out."""

    async def ready() -> int:
        async with (
            ClientSession() as session,
            session.get(f"{two.b.node.admin_urls[0]}/readyz") as answer,
        ):
            return answer.status

    assert await ready() == 200
    two.relay.cut()
    assert await after(200, ready) == 503


async def told(world: World, name: str) -> float:
    """The value of a metric of a node."""
    url, admin = world.node.admin_urls[0], world.admin.credentials.authorization
    async with (
        ClientSession(headers={"Authorization": admin}) as session,
        session.get(f"{url}/metrics") as answer,
    ):
        found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
        assert found
        return float(found[1])


async def test_metrics_show_the_lease_and_how_far_the_node_is(two: Two) -> None:
    """Of each node, and what it sees of the others."""
    await two.a.put(renewed(two.a.key_a, name="edited"))
    revision, _ = await two.a.store.load_settings()
    await two.b.node.waiter.wait(revision, PATIENCE)
    for world in (two.a, two.b):
        for of in ("applied", "settled", "head"):
            assert await told(world, f'wardgate_revision{{of="{of}"}}') == revision
        assert await told(world, 'wardgate_nodes{state="active"}') == 2
        assert await told(world, 'wardgate_nodes{state="lapsed"}') == 0
        assert 0 < await told(world, "wardgate_lease_remaining_seconds") <= 5
        assert await told(world, 'wardgate_beats_total{result="answered"}') >= 1


async def test_without_a_lease_nobody_is_an_admin(two: Two, server: Server, url: str) -> None:
    """A node that can read the store, but is not one of its nodes any more, does not know that a
    key was revoked. What shows how the node does is shown all the same."""
    headers = {"Authorization": two.b.admin.credentials.authorization}

    async def asked(path: str) -> int:
        there = f"{two.b.node.admin_urls[0]}{path}"
        async with ClientSession(headers=headers) as session, session.get(there) as answer:
            return answer.status

    assert await asked("/v2-beta/accounts") == 200
    database = url.removeprefix("postgresql://postgres@/").partition("?")[0]
    server.sql("UPDATE wardgate.nodes SET id = gen_random_uuid() WHERE name = 'b'", database)
    lease: Any = two.b.node.records.lease
    lease.end()
    assert [await asked(path) for path in ("/v2-beta/accounts", "/v2-beta")] == [503, 503]
    assert await asked("/metrics") == 200


async def test_leases_that_differ_are_told(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start of the node that comes later."""
    async with first(tmp_path, url) as a, another(a, tmp_path, url, lease=6.0):
        pass
    assert "other nodes have leases of 5 s: set cluster.lease to the same" in caplog.text


async def test_one_node_at_a_time_does_what_is_done_for_all(two: Two) -> None:
    """Another one takes over when it goes."""
    feeds: list[Any] = [each.node.store.feed for each in (two.a, two.b)]
    assert [feed.chosen for feed in feeds] == [True, False]
    await feeds[0].close()
    assert not feeds[0].chosen
    await until(lambda: any(feed.chosen for feed in feeds))
    assert sum(feed.chosen for feed in feeds) == 1


async def test_a_name_that_another_node_has_is_refused(
    tmp_path: Path, url: str, server: Server
) -> None:
    """On the same machine at once; elsewhere after a wait, in which the other one shows that it is
    alive."""
    async with first(tmp_path, url) as a:
        with pytest.raises(StoreError, match="another process on this machine is the node a"):
            async with another(a, tmp_path, url, name="a"):
                pass
        elsewhere = str(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match=r"another node is named a: set cluster\.name"):
            async with another(a, tmp_path, url, name="a", run_directory=elsewhere):
                pass
        assert status(await a.send(a.request())) == 200


async def test_a_name_is_waited_for_as_long_as_the_lease_of_its_node_lasts(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Which may be longer than that of the node that takes its place."""
    async with first(tmp_path, url) as a:
        async with another(a, tmp_path, url, lease=600.0) as b:
            dies(b)
        elsewhere = str(tmp_path / "elsewhere")
        starting = another(a, tmp_path, url, run_directory=elsewhere)
        with suppress(TimeoutError):
            async with asyncio.timeout(2), starting:
                pytest.fail("it took the name of a node that may be alive")
    assert "a node named b may still be alive: waiting for up to 604 s" in caplog.text


async def test_what_cannot_be_read_is_refused_and_stops_no_node(
    two: Two, server: Server, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody wrote limits into the store that are none: no node goes on by older records of that
    key. All else goes on, and further changes are followed."""
    broken = [(world, world.request(b"/v1/projects/b/x", pair=world.key_b)) for world in two[:2]]
    assert [status(await world.send(request)) for world, request in broken] == [200, 200]
    server.sql(
        "UPDATE wardgate.keys SET limits = '{' WHERE id = 4; "
        "UPDATE wardgate.meta SET revision = revision + 1; INSERT INTO wardgate.changes "
        "SELECT revision, 0, gen_random_uuid(), 0, 'k', 4 FROM wardgate.meta; "
        "NOTIFY wardgate",
        url.removeprefix("postgresql://postgres@/").partition("?")[0],
    )
    await two.a.put(renewed(two.a.key_a, state=State.INACTIVE))
    revision, _ = await two.a.store.load_settings()
    told = await two.a.node.waiter.wait(revision, PATIENCE)
    assert [each.state for each in told] == ["settled", "settled"]
    assert [await asks(two, each) for each in "ab"] == [401, 401]
    await two.a.put(two.a.key_a.key)
    assert await after(401, asks, two, "b") == 200
    assert [status(await world.send(request)) for world, request in broken] == [503, 503]
    assert two.b.log()[-1]["reason"] == "store"
    assert "JSONDecodeError" in caplog.text


async def test_what_goes_on_ends_when_its_key_cannot_be_read_any_more(
    two: Two, server: Server, url: str
) -> None:
    """Its key may be revoked, and nobody knows: the lease that goes on is no reason to go on."""
    begun = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        begun.set()
        while await reader.read(65536):
            pass
        writer.close()

    two.a.upstream.handle = endless
    two.b.pool.close()
    request = two.b.request(b"/v1/projects/b/x", pair=two.b.key_b)
    receiving = asyncio.ensure_future(two.b.receive(request))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    server.sql(
        "UPDATE wardgate.keys SET limits = '[]' WHERE id = 4; "
        "UPDATE wardgate.meta SET revision = revision + 1; INSERT INTO wardgate.changes "
        "SELECT revision, 0, gen_random_uuid(), 0, 'k', 4 FROM wardgate.meta; "
        "NOTIFY wardgate",
        url.removeprefix("postgresql://postgres@/").partition("?")[0],
    )
    received, was_reset = await asyncio.wait_for(receiving, PATIENCE)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert was_reset
    assert two.b.log()[-1]["reason"] == "store"
    assert two.b.node.records.leased


async def test_a_dead_node_gives_its_name_back_at_once_on_its_machine_and_elsewhere_later(
    tmp_path: Path, url: str, server: Server
) -> None:
    """Elsewhere, nobody can know before its lease is over whether it is dead."""
    async with first(tmp_path, url) as a:
        async with another(a, tmp_path, url) as b:
            dies(b)
        async with another(a, tmp_path, url) as again:
            assert status(await again.send(again.request())) == 200
            dies(again)
        elsewhere = str(tmp_path / "elsewhere")
        async with another(a, tmp_path, url, run_directory=elsewhere) as moved:
            assert status(await moved.send(moved.request())) == 200
