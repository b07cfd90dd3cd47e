"""The faults of a run: each breaks something, waits, and mends it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tests.chaos.site import Gate, Site

Node = Callable[[Gate, float], Awaitable[None]]
Store = Callable[[Site, float], Awaitable[None]]


async def holds(gate: Gate, seconds: float) -> None:
    """Packets vanish: its connections are half open."""
    gate.wire.hold()
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def refuses(gate: Gate, seconds: float) -> None:
    """Its connections are reset, and new ones refused."""
    gate.wire.refuses = True
    gate.wire.reset()
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def slow(gate: Gate, seconds: float) -> None:
    """Each message takes a while, the longer the fault lasts: up to a fifth of a second."""
    gate.wire.delay = min(0.2, seconds / 35)
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def deaf(gate: Gate, seconds: float) -> None:
    """Notifications are lost."""
    gate.wire.deaf = True
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def commit_lost(gate: Gate, seconds: float) -> None:
    """The connection is cut before the next COMMIT."""
    gate.wire.commits = "lost"
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def commit_unanswered(gate: Gate, seconds: float) -> None:
    """The connection is cut before the answer to the next COMMIT."""
    gate.wire.commits = "unanswered"
    await asyncio.sleep(seconds)
    gate.wire.mend()


async def paused(gate: Gate, seconds: float) -> None:
    """The node stands still."""
    gate.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    gate.send(signal.SIGCONT)


async def killed(gate: Gate, seconds: float) -> None:
    """The node is killed, and started again."""
    await gate.end(signal.SIGKILL)
    await asyncio.sleep(seconds / 4)
    await gate.start()


async def worker_paused(gate: Gate, seconds: float) -> None:
    """One worker of the node stands still."""
    _, workers = await gate.children()
    await _paused(workers[0], seconds)


async def worker_killed(gate: Gate, seconds: float) -> None:
    """One worker is killed; the master starts another one."""
    _, workers = await gate.children()
    os.kill(workers[0], signal.SIGKILL)
    await asyncio.sleep(seconds)


async def keeper_paused(gate: Gate, seconds: float) -> None:
    """The process of the node that has the store stands still."""
    keeper, _ = await gate.children()
    await _paused(keeper, seconds)


async def keeper_killed(gate: Gate, seconds: float) -> None:
    """It is killed; the master starts another one."""
    keeper, _ = await gate.children()
    os.kill(keeper, signal.SIGKILL)
    await asyncio.sleep(seconds)


async def _paused(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    with suppress(ProcessLookupError):  # the node may have ended meanwhile
        os.kill(pid, signal.SIGCONT)


async def store_paused(site: Site, seconds: float) -> None:
    """PostgreSQL stands still."""
    site.postgres.signal_all(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    site.postgres.signal_all(signal.SIGCONT)


async def store_crashes(site: Site, seconds: float) -> None:
    """As with `pg_ctl -m immediate stop`."""
    await asyncio.to_thread(site.postgres.stop, signal.SIGQUIT)
    await asyncio.sleep(seconds / 2)
    await asyncio.to_thread(site.postgres.start)


async def backends_end(site: Site, _seconds: float) -> None:
    """All connections are ended by an administrator."""
    text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await _told(site, f"{text} AND datname = current_database()")


async def lock_held(site: Site, seconds: float) -> None:
    """Somebody has the lock of all changes, and sleeps."""
    text = "BEGIN; SELECT revision FROM meta WHERE id = 1 FOR UPDATE"
    await _told(site, f"{text}; SELECT pg_sleep({seconds:.2f}); COMMIT")


async def pruned(site: Site, _seconds: float) -> None:
    """The changes that nodes follow are deleted, but for the last."""
    await _told(site, "DELETE FROM changes WHERE revision < (SELECT revision FROM meta)")


async def _told(site: Site, statement: str) -> None:
    try:
        await asyncio.to_thread(site.sql, statement)
    except subprocess.CalledProcessError as error:
        if "terminating connection" not in error.stderr:
            raise


NODE: Final[tuple[Node, ...]] = (
    *(holds, refuses, slow, deaf, commit_lost, commit_unanswered, paused, killed),
)
WORKERS: Final[tuple[Node, ...]] = (*(worker_paused, worker_killed, keeper_paused, keeper_killed),)
"""Further ones, where nodes have workers."""
STORE: Final[tuple[Store, ...]] = (*(store_paused, store_crashes, backends_end, lock_held, pruned),)
