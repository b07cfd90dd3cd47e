"""The serving process: its signals, its memory, and its life from start to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvloop

from proxy.config.model import Config
from proxy.gateway.process import Process
from proxy.keeping import Keeping
from proxy.node import SERVING, Node
from proxy.processes.inherited import Inherited
from proxy.processes.listening import Address
from proxy.processes.systemd import Lively, taken_sockets
from proxy.reload import Reloadable, Reloader
from proxy.store.open import open_store
from proxy.store.protocols import Store, StoreError
from proxy.worker import Worker

log = logging.getLogger("wardgate")


def run(
    config: Config,
    *,
    file: Path | None = None,
    started: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. `started` is called once everything listens.

    `file` is the one that `config` was read from: SIGHUP reads it again. Without it, SIGHUP is a
    signal to stop, as it comes when the terminal closes.

    Raises `WardgateError` where the store, a file or an address cannot be used.
    """
    _tune_garbage_collection()
    forbid_core_dumps()
    uvloop.run(_run(config, file, started))


def _tune_garbage_collection() -> None:
    """Exempt all objects of the start from garbage collection, and collect often. A collection of
    1,000 new objects takes 1 to 2 ms; one of 50,000 stopped all requests for 100 ms. A warm request
    leaves no objects behind, so that collections are rare and add nothing to its cost.

    One of all objects comes after a hundred of the new ones, and only where a quarter as many have
    been added as there were. With ten times as many, it came once in an hour at 130 requests a
    second, while the process with the admin server grew by 0.1 MB each minute."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 10, 10)


def forbid_core_dumps() -> None:
    """Forbid core dumps: memory holds secrets, which a crash must not leave on a disk.

    A limit of 0 would forbid files only: dumps that are piped to a handler have no limit (core(5)).
    A limit of 1 forbids these as well on Linux, and no core file fits into it either.
    """
    with suppress(ValueError, OSError):  # a hard limit of 0 cannot be raised, and need not be
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


async def _run(
    config: Config, file: Path | None, started: Callable[[], Awaitable[None]] | None
) -> None:
    stop, hangup = asyncio.Event(), asyncio.Event()
    _handle_signals(stop, stop if file is None else hangup)
    process = Process(sockets=taken_sockets(addresses(config)))
    async with _opened(config) as store, Node(config, store, process=process) as node:
        if started is not None:
            await started()
        async with Lively():
            await _until(stop, hangup, node, file)
        log.info("stopping: requests may finish for %g s", node.config.limits.drain_timeout)


def addresses(config: Config) -> list[Address]:
    """Where the gateway listens."""
    peers = config.forward_auth
    listens = [*config.listen, *(peers.listen if peers else ())]
    return [Address(str(each), each.host, each.port, each.path) for each in listens]


@asynccontextmanager
async def _opened(config: Config, lock: int | None = None) -> AsyncIterator[Store]:
    """The store, which has to have an admin. `lock` is as for `open_store`."""
    store = await open_store(config.store, holder=SERVING, lock=lock, **config.postgres.access)
    try:
        if not await store.has_admin():
            raise StoreError(
                f"{config.store} has no admin account yet: run `wardgate init --config FILE` first"
            )
        yield store
    finally:
        await store.close()


async def _until(
    stop: asyncio.Event,
    hangup: asyncio.Event,
    node: Reloadable,
    file: Path | None,
    *,
    says: bool = True,
) -> None:
    """Serve until `stop` is set, and reload whenever `hangup` is. `says` is as for `Reloader`."""
    reloading = None
    if file is not None:
        reloading = asyncio.ensure_future(Reloader(node, file, says=says).follow(hangup))
    await stop.wait()
    if reloading is not None:
        reloading.cancel()


# --- several processes ---------------------------------------------------------------------------


def keep(config: Config, file: Path, inherited: Inherited) -> None:
    """Be the keeper of a master, until SIGTERM: the process with the store and the admin server.
    Raises `WardgateError`."""
    _tune_garbage_collection()
    forbid_core_dumps()
    uvloop.run(_keep(config, file, inherited))


async def _keep(config: Config, file: Path, inherited: Inherited) -> None:
    stop, hangup = asyncio.Event(), asyncio.Event()
    _handle_signals(stop, hangup)
    async with _opened(config, inherited.shared.lock) as store:
        keeping = Keeping(store, inherited.shared)
        async with Node(config, store, keeping=keeping) as node:
            inherited.ready()
            await _until(stop, hangup, node, file)


def work(config: Config, file: Path, inherited: Inherited) -> None:
    """Be one of the workers of a master, until SIGTERM. Raises `WardgateError`."""
    _tune_garbage_collection()
    forbid_core_dumps()
    logging.getLogger("wardgate.reload").setLevel(logging.CRITICAL)  # the keeper says it
    uvloop.run(_work(config, file, inherited))


async def _work(config: Config, file: Path, inherited: Inherited) -> None:
    stop, hangup = asyncio.Event(), asyncio.Event()
    _handle_signals(stop, hangup)
    async with Worker(config, inherited) as worker:

        def hand_over() -> None:
            worker.replaced = True
            stop.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, hand_over)
        inherited.ready()
        await _until(stop, hangup, worker, file, says=False)


def _handle_signals(stop: asyncio.Event, hangup: asyncio.Event) -> None:
    """Set `stop` at the first signal to stop, after which a second one ends the process at once,
    and `hangup` at each SIGHUP. That one never ends the process at once: as a terminal closes, it
    may come twice, and the process may have been told to ignore it (nohup)."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def begin() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, begin)
    if hangup is not stop or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, hangup.set)
