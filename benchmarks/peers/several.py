"""Three servers of one API, each of which can be made to fail, and proxies in front of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from benchmarks.machine import LOAD_CORE
from benchmarks.peers.start import as_user, configured
from benchmarks.processes import ROOT, Server, folder, free_port, pinned, process, program


class Target:
    """A server at a port that stays its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it where it does not run."""
        if self._process is None:
            command = [sys.executable, "-m", "benchmarks.peers.target", str(self.port)]
            self._process = subprocess.Popen(pinned(command, LOAD_CORE), cwd=ROOT)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def hang(self) -> None:
        """From now on the kernel alone answers for it."""
        self.signal(signal.SIGSTOP)

    def slow(self) -> None:
        """From now on each answer takes half a second."""
        self.signal(signal.SIGUSR1)

    def flap(self) -> None:
        """Go and come for two seconds."""
        for _ in range(4):
            self.kill()
            time.sleep(0.25)
            self.start()
            time.sleep(0.25)

    def mend(self) -> None:
        """Be well again."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGUSR2)
        self.start()


@contextmanager
def targets() -> Iterator[Sequence[Target]]:
    """Three servers."""
    three = [Target() for _ in range(3)]
    try:
        yield three
    finally:
        for each in three:
            with suppress(ProcessLookupError):
                each.kill()


def _ports(three: Sequence[Target]) -> dict[str, int]:
    return {name: each.port for name, each in zip("ABC", three, strict=True)}


@contextmanager
def nginx(three: Sequence[Target]) -> Iterator[Server]:
    """nginx, which takes no key."""
    port, where, file = free_port(), folder("nginx"), "nginx-several.conf"
    configured(file, where, PORT=port, USER=as_user("user root;"), **_ports(three))
    command = [program("nginx"), "-p", str(where), "-e", "error.log", "-c", file]
    with process(command, port, where) as running:
        yield Server("nginx", running.pid, port)


@contextmanager
def haproxy(three: Sequence[Target]) -> Iterator[Server]:
    """HAProxy, which takes no key."""
    port, where = free_port(), folder("haproxy")
    path = configured("haproxy-several.cfg", where, PORT=port, **_ports(three))
    with process([program("haproxy"), "-db", "-f", str(path)], port, where) as running:
        yield Server("haproxy", running.pid, port)


@contextmanager
def caddy(three: Sequence[Target]) -> Iterator[Server]:
    """Caddy, which takes no key."""
    port, where, file = free_port(), folder("caddy"), "Caddyfile-several"
    configured(file, where, PORT=port, **_ports(three))
    command = [program("caddy"), "run", "--config", file, "--adapter", "caddyfile"]
    home = {"HOME": str(where), "XDG_DATA_HOME": str(where), "XDG_CONFIG_HOME": str(where)}
    with process(command, port, where, environment=home) as running:
        yield Server("caddy", running.pid, port)
