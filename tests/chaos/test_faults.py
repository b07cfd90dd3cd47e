"""One fault at a time, and what the nodes do then: docs/faults.md has a row for each."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.check import DELTA, DRIFT
from tests.chaos.run import LEASE
from tests.chaos.site import PATH, Gate, Site, eventually, site
from tests.harness import status, until
from tests.programs import program
from tests.support.clocks_of_processes import TimeOfDay
from tests.support.credentials import Credentials

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = LEASE / (1 - DRIFT) + DELTA
"""Seconds after which a key that was revoked works nowhere, whatever has failed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Two nodes. Each test leaves them as they were."""
    async with site(tmp_path_factory.mktemp("site"), 2, LEASE) as made:
        yield made


async def working_key(here: Site) -> tuple[str, Credentials]:
    """(the id, the credentials) of a key that works at all nodes."""
    number, key = await here.new_key()
    for gate in here.gates:
        await eventually(partial(here.ask, gate, key), 200, 401)
    return number, key


async def test_a_change_whose_notification_is_lost_holds_at_the_next_beat(here: Site) -> None:
    """Nothing else tells the other node."""
    maker, other = here.gates
    number, key = await working_key(here)
    other.wire.deaf = True
    assert await here.deactivate(maker, number) == 202
    await eventually(partial(here.ask, other, key), 401, 200)
    assert other.wire.lost > 0
    other.wire.mend()


async def test_nothing_is_acknowledged_while_postgresql_stands_still(here: Site) -> None:
    """Requests get 503 once the leases are over, and the nodes come back by themselves."""
    (number, key), others = await working_key(here), [await here.new_key() for _ in range(3)]
    here.postgres.signal_all(signal.SIGSTOP)
    try:
        changes = [here.deactivate(here.gates[0], each) for each, _ in others]
        answers = asyncio.gather(*changes, here.deactivate(here.gates[1], number))
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 503, 200)
        assert set(await answers) == {503}
    finally:
        here.postgres.signal_all(signal.SIGCONT)
    for gate in here.gates:
        await here.serves(gate)
    assert await here.deactivate(here.gates[1], number) in {202, 409}  # it may be so already
    for gate in here.gates:
        await eventually(partial(here.ask, gate, key), 401, 200)


async def test_a_node_that_stood_still_permits_nothing_past_its_lease(here: Site) -> None:
    """It looks at the clock before it answers what has come meanwhile, on connections that were
    open before."""
    awake, asleep = here.gates
    number, key = await working_key(here)
    clients = [await asyncio.open_connection("127.0.0.1", asleep.gateway) for _ in range(8)]
    question = b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (PATH.encode(), key.basic)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        return status(head)

    for _, writer in clients:
        writer.write(question)
    assert {await answer(*each) for each in clients} == {200}
    with standing_still(asleep):
        assert await here.deactivate(awake, number) == 202
        revoked = time.monotonic()
        await asyncio.sleep(revoked + BOUND - time.monotonic())
        for _, writer in clients:
            writer.write(question)
    assert {await answer(*each) for each in clients} <= {401, 503}
    await eventually(partial(here.ask, asleep, key), 401, 503)
    for _, writer in clients:
        writer.close()


@contextmanager
def standing_still(gate: Gate) -> Iterator[None]:
    """The process of a node does not run while the context lasts."""
    assert gate.process is not None
    state = Path(f"/proc/{gate.process.pid}/stat")
    gate.send(signal.SIGSTOP)
    while state.read_text().rpartition(") ")[2][0] != "T":
        pass
    try:
        yield
    finally:
        gate.send(signal.SIGCONT)


async def test_while_somebody_holds_the_lock_of_changes_only_changes_get_503(here: Site) -> None:
    """Nodes read, keep their leases, and tell that what was changed before holds everywhere."""
    (number, key), (before, _) = await working_key(here), await here.new_key()
    _, fields, _ = await here.call(here.gates[0], "POST", f"/apikeys/{before}?action=deactivate")
    holder = "application_name = 'holder'"
    lock = f"SET {holder}; BEGIN; SELECT revision FROM meta WHERE id = 1 FOR UPDATE"
    held = asyncio.create_task(asyncio.to_thread(here.sql, f"{lock}; SELECT pg_sleep(60)"))
    there = f"SELECT count(*) FROM pg_stat_activity WHERE {holder} AND wait_event = 'PgSleep'"
    while await asyncio.to_thread(here.postgres.sql, there) != "1":
        assert not held.done()
    begun = time.monotonic()
    for answer in await asyncio.gather(*(here.deactivate(gate, number) for gate in here.gates)):
        assert answer == 503
    wait = f"/revisions/{fields['Wardgate-Revision']}?wait=15"
    await asyncio.sleep(begun + BOUND - time.monotonic())
    for gate in here.gates:
        assert await here.ask(gate, key) == 200
        assert (await here.call(gate, "GET", wait))[2]["state"] == "everywhere"
    here.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {holder}")
    with pytest.raises(subprocess.CalledProcessError):
        await held
    assert await here.deactivate(here.gates[0], number) == 202


async def test_a_node_without_file_handles_lives_on_the_connections_that_it_has(here: Site) -> None:
    """It keeps its lease and makes changes. If they end then, it permits nothing once the lease is
    over, not even to administrators, says why in its log, and comes back by itself."""
    node, other = here.gates
    (number, key), (changed, _) = await working_key(here), await here.new_key()
    assert await here.ask(node, key) == 200
    with no_handles(node):
        assert await here.deactivate(node, changed) == 202
        node.wire.reset()
        await eventually(partial(here.ask, node, key), 503, 200)
        assert await here.deactivate(other, number) == 202
        assert (await here.call(node, "GET", f"/apikeys/{changed}"))[0] == 503
        log = node.folder / f"{node.name}.err"
        await until(lambda: "Too many open files; the lease has ended" in log.read_text())
    await eventually(partial(here.ask, node, key), 401, 503, 0)


@contextmanager
def no_handles(gate: Gate) -> Iterator[None]:
    """A node can open nothing while the context lasts, and use what it has."""
    assert gate.process is not None
    pid = gate.process.pid
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)


async def test_where_the_time_of_day_is_stepped_the_lease_ends(here: Site, tmp_path: Path) -> None:
    """By hours, forwards and backwards. It comes back with the next beat that is answered, and a
    key that was revoked meanwhile does not work."""
    maker, stepped = here.gates
    clock = TimeOfDay(program("faketime"), tmp_path / "time")
    await stepped.end()
    stepped.environment = clock.environment
    await stepped.start()
    await here.serves(stepped)
    for hours in (5, -9):
        number, key = await working_key(here)
        stepped.wire.hold()
        clock.step(hours * 3600)
        await eventually(partial(here.ask, stepped, key), 503, 200)
        assert await here.deactivate(maker, number) == 202
        stepped.wire.mend()
        await eventually(partial(here.ask, stepped, key), 401, 503)
        await here.serves(stepped)
        number, key = await working_key(here)
        assert await here.deactivate(stepped, number) == 202
        await eventually(partial(here.ask, maker, key), 401, 200)
    printed = (stepped.folder / f"{stepped.name}.err").read_text()
    assert printed.count("the time of day has jumped by ") == 2
    clock.step(0)
