"""A standby takes over while the old primary is alive, or had changes that it lacks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos.run import LEASE
from tests.chaos.site import Gate, eventually, site, socket_of
from tests.support.postgres import Server, server


class Pair(NamedTuple):
    """A primary and its standby."""

    old: Server
    new: Server


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both run."""
    with ExitStack() as open_:
        old = open_.enter_context(server())
        yield Pair(old, open_.enter_context(server(of=old)))


def moves(gate: Gate, to: Server) -> None:
    """From now on this node reaches another server."""
    gate.wire.target = socket_of(to)
    gate.wire.reset()


async def test_a_node_that_is_left_at_the_old_primary_permits_nothing_after_its_lease(
    tmp_path: Path, pair: Pair
) -> None:
    """With synchronous replication the old one can keep no beat, since no standby confirms it."""
    pair.old.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    pair.old.sql("SELECT pg_reload_conf()")
    async with site(tmp_path, 2, LEASE, pair.old) as here:
        left, moved = here.gates
        number, key = await here.new_key()
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 200, 401)
        pair.new.sql("SELECT pg_promote()")
        moves(moved, pair.new)
        await here.serves(moved)
        assert await here.deactivate(moved, number) == 202
        assert await here.ask(moved, key) == 401
        await eventually(partial(here.ask, left, key), 503, 200)
        assert await here.deactivate(left, number) == 503
        moves(left, pair.new)
        await eventually(partial(here.ask, left, key), 401, 503)


async def test_nodes_agree_after_changes_were_lost_that_the_standby_lacked(
    tmp_path: Path, pair: Pair
) -> None:
    """Asynchronous replication may lose what was acknowledged. No node goes by what was lost, and
    all follow the new history, whose revisions have the same numbers."""
    async with site(tmp_path, 2, LEASE, pair.old) as here:
        number, key = await here.new_key()
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 200, 401)
        there = "SELECT pg_current_wal_lsn() <= replay_lsn FROM pg_stat_replication"
        while pair.old.sql(there) != "t":
            pass
        pair.new.stop()
        assert await here.deactivate(here.gates[0], number) == 202
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 401, 200)
        pair.old.stop(signal.SIGQUIT)
        pair.new.start()
        pair.new.sql("SELECT pg_promote()")
        _, other = here.gates
        for gate in here.gates:
            moves(gate, pair.new)
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 200, 401, 503)
        while await here.deactivate(other, number) == 503:
            pass
        for gate in here.gates:
            await eventually(partial(here.ask, gate, key), 401, 200)
