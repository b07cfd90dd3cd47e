"""`wardgate serve` with several workers: the master's part, from the configuration to its end.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.source import ConfigError
from proxy.config.values import Listen
from proxy.config.workers import processes
from proxy.domain.errors import WardgateError
from proxy.gateway.reload import merge
from proxy.gateway.server import BACKLOG, cannot_listen
from proxy.node import SERVING
from proxy.preflight import access_log_obstacles
from proxy.processes.inherited import Inherited, Shared, Sockets
from proxy.processes.listening import Address, listen, require_free, url_of
from proxy.processes.master import Master, Program
from proxy.processes.shared import SharedState
from proxy.serve import keep, work
from proxy.store.open import take_lock

log = logging.getLogger("wardgate")


class Supervised:
    """What the processes of a master run by: the configuration in use."""

    def __init__(self, config: Config, file: Path) -> None:
        self._file = file
        self._use(config)

    def _use(self, config: Config) -> None:
        """Workers know no password of the store: the keeper reads it itself."""
        self.config = config.model_copy(update={"postgres": config.postgres.without_password()})

    def keep(self, inherited: Inherited) -> None:
        """Be the keeper."""
        postgres = self.config.postgres.reread()
        config = self.config.model_copy(update={"postgres": postgres})
        keep(config, self._file, inherited)

    def work(self, inherited: Inherited) -> None:
        """Be a worker."""
        work(self.config, self._file, inherited)

    def tell(self, state: str) -> None:
        """Say how the service does."""
        if state == "STOPPING=1":
            log.info("stopping: requests may finish for %g s", self.config.limits.drain_timeout)

    def reload(self) -> None:
        """Have processes that are started from now on run by what is in the file now, if it is
        valid. Those that run already read it themselves, and the keeper says what comes of it."""
        try:
            config = load(self._file, os.environ, check=access_log_obstacles)
        except ConfigError:
            return
        self._use(merge(self.config, config)[0])


def run(config: Config, file: Path) -> int:
    """Serve with several workers until SIGTERM or SIGINT. Returns the exit status. Raises
    `WardgateError`."""
    if sys.platform != "linux":
        raise WardgateError("workers: more than one needs Linux")
    count = processes(config.workers)
    supervised = Supervised(config, file)
    program = Program(supervised.keep, supervised.work, supervised.reload, supervised.tell)
    with tempfile.TemporaryDirectory(prefix="wardgate-") as folder:
        lock = take_lock(config.store, SERVING)
        sockets = _sockets(config, count)
        urls = _urls(config, sockets[0])
        state, bus = SharedState.create(count), f"{folder}/keeper"
        shared = Shared(state, bus, secrets.token_bytes(32), lock, urls, 0)
        gc.collect()
        gc.freeze()  # what all processes share stays shared
        return Master(program, shared, sockets).run()


def _sockets(config: Config, count: int) -> list[dict[str, list[socket.socket]]]:
    """For each slot, the sockets for each address. Raises `WardgateError`."""
    made: list[dict[str, list[socket.socket]]] = [{} for _ in range(count)]
    for each in _addresses(config):
        address = Address(str(each), each.host, each.port, each.path)
        try:
            require_free(address)
            for slot, sockets in zip(made, listen(address, count, BACKLOG), strict=True):
                slot[address.text] = sockets
        except OSError as error:
            raise cannot_listen(each, error) from None
    return made


def _addresses(config: Config) -> list[Listen]:
    peers = config.forward_auth
    return [*config.listen, *(peers.listen if peers else ())]


def _urls(config: Config, sockets: Sockets) -> list[str]:
    """Where clients are served."""
    scheme = "https" if config.tls else "http"
    urls = [url_of(one, scheme) for each in config.listen for one in sockets[str(each)]]
    for url in urls:
        log.info("gateway on %s", url)
    for each in config.forward_auth.listen if config.forward_auth else ():
        for one in sockets[str(each)]:
            log.info("forward-auth on %s", url_of(one, "http"))
    return urls
