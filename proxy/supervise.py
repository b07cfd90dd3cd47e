"""`wardgate serve` with several workers: the master's part, from the configuration to its end.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.source import ConfigError
from proxy.config.workers import processes
from proxy.domain.errors import WardgateError
from proxy.gateway.reload import merge
from proxy.gateway.server import BACKLOG, cannot_listen
from proxy.keeping import counted_file
from proxy.node import SERVING
from proxy.preflight import access_log_obstacles
from proxy.processes.inherited import Inherited, Shared, Sockets
from proxy.processes.listening import listen, require_free, url_of
from proxy.processes.master import Master, Program
from proxy.processes.register import Register
from proxy.processes.shared import GENERATIONS, SharedState
from proxy.processes.systemd import notify, taken_sockets
from proxy.processes.upgrade import Legacy, execute, legacy
from proxy.serve import addresses, forbid_core_dumps, keep, work
from proxy.store.open import take_lock

log = logging.getLogger("wardgate")

PATIENCE: Final = 15.0
"""Seconds beyond `limits.drain_timeout`."""
VERIFYING: Final = 20.0
"""Seconds in which the new program has to find out whether it can serve."""
LONGEST_SOCKET: Final = 107
"""Bytes (unix(7))."""


class Supervised:
    """What the processes of a master run by: the configuration in use."""

    def __init__(self, config: Config, file: Path, register: Register) -> None:
        self.generation = 0
        self._file = file
        self._register = register
        self.config = config

    def keep(self, inherited: Inherited) -> None:
        """Be the keeper."""
        os.close(self._register.fd)
        keep(self.config, self._file, inherited)

    def work(self, inherited: Inherited) -> None:
        """Be a worker."""
        os.close(self._register.fd)
        work(self.config, self._file, inherited)

    def patience(self) -> float:
        """How long a process may take to end: what it lets requests take, and a little more."""
        return self.config.limits.drain_timeout + PATIENCE

    def replaced(self) -> None:
        """The program before has no part in it any more."""
        self._register.succeeded(self.generation)

    def tell(self, state: str) -> None:
        """Say how the service does."""
        if state == "STOPPING=1":
            log.info("stopping: requests may finish for %g s", self.config.limits.drain_timeout)
        notify(state)

    def upgrade(self, master: Master) -> None:
        """Go on as the program that is installed now, if that can serve by the configuration."""
        error = self._obstacle(master)
        if not error:
            try:
                execute(master, self._register.fd)
            except OSError as failure:
                error = f"{sys.executable}: {failure.strerror}"
        log.error("the program is not exchanged: %s", error)
        self._register.failed(error)

    def _obstacle(self, master: Master) -> str:
        """Why the program cannot be exchanged now; empty where it can."""
        oldest = min((each.generation for each in master.children), default=self.generation)
        if self.generation + 1 - oldest >= GENERATIONS:
            return "processes of earlier programs still finish requests: try again later"
        # -P: nothing is imported from the working directory, where others may write.
        program = (sys.executable, "-P", "-m", "proxy.supervise")
        try:
            found = subprocess.run(  # noqa: S603 - it is this program
                [*program, str(self._file), self.config.store],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=VERIFYING,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return (found.stderr.strip() or "it does not start") if found.returncode else ""

    def reload(self) -> None:
        """Have processes that are started from now on run by what is in the file now, if it is
        valid. Those that run already read it themselves, and the keeper says what comes of it."""
        try:
            config = load(self._file, os.environ, check=access_log_obstacles)
        except ConfigError:
            return
        self.config = merge(self.config, config)[0]


def run(config: Config, file: Path) -> int:
    """Serve with several workers until SIGTERM or SIGINT. Returns the exit status. Raises
    `WardgateError`."""
    if sys.platform != "linux":
        raise WardgateError("workers: more than one needs Linux")
    forbid_core_dumps()
    left = legacy()
    lock = take_lock(config.store, SERVING) if left is None else left.shared.lock
    register = Register(register_path(config), None if left is None else left.register)
    supervised = Supervised(config, file, register)
    program = Program(
        supervised.keep,
        supervised.work,
        supervised.reload,
        supervised.upgrade,
        supervised.patience,
        supervised.replaced,
        supervised.tell,
    )
    gc.collect()
    gc.freeze()  # what all processes share stays shared
    if left is not None:
        supervised.generation = left.shared.generation
        _warn_of_changes(config, left)
        master = Master(program, left.shared, left.sockets, left.children)
        return master.run()
    count = processes(config.workers)
    sockets = _sockets(config, count)
    urls = _urls(config, sockets[0])
    state, secret = SharedState.create(count), secrets.token_bytes(32)
    shared = Shared(state, _bus(config), secret, lock, urls, 0)
    return Master(program, shared, sockets).run()


def register_path(config: Config) -> Path:
    """The file by which a master is found."""
    return Path(config.cluster.run_directory) / "master.json"


def _bus(config: Config) -> str:
    """The path of the keeper's socket. Raises `WardgateError`."""
    path = Path(config.cluster.run_directory) / "keeper"
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise WardgateError(
            f"cluster.run_directory: {path} is too long for the path of a socket, which has "
            f"{LONGEST_SOCKET} bytes at most"
        )
    counted_file(str(path)).unlink(missing_ok=True)  # of a master that has ended
    return str(path)


def _warn_of_changes(config: Config, left: Legacy) -> None:
    """What was given to the program before stays."""
    if processes(config.workers) != left.shared.state.slots:
        log.warning("workers has changed, and is kept as it was: restart to apply")
    if {each.text for each in addresses(config)} != set(left.sockets[0]):
        log.warning("listen has changed, and is kept as it was: restart to apply")


def _sockets(config: Config, count: int) -> list[dict[str, list[socket.socket]]]:
    """For each slot, the sockets for each address. Raises `WardgateError`."""
    wanted = addresses(config)
    given = taken_sockets(wanted)
    if given:
        return [given for _ in range(count)]
    made: list[dict[str, list[socket.socket]]] = [{} for _ in range(count)]
    for address in wanted:
        try:
            require_free(address)
            for slot, sockets in zip(made, listen(address, count, BACKLOG), strict=True):
                slot[address.text] = sockets
        except OSError as error:
            raise cannot_listen(address.text, error) from None
    return made


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


def verify(file: Path, store: str) -> int:
    """Find out whether this program can serve by the configuration in a file, in the place of one
    with the given store: what is wrong goes to standard error. Returns the exit status."""
    try:
        config = load(file, os.environ, check=access_log_obstacles)
    except ConfigError as error:
        print("\n".join(map(str, error.problems)), file=sys.stderr)
        return 1
    if processes(config.workers) == 1:
        print("workers: one alone cannot take over: restart to apply", file=sys.stderr)
        return 1
    if config.store != store:
        print("store has changed: restart to apply", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(verify(Path(sys.argv[1]), sys.argv[2]))
