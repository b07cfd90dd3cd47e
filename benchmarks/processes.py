"""Runs servers and loads as processes that are pinned to a core, and installs missing programs."""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import LOAD_CORE, SERVER_CORE
from tests.support.processes import first_free, running

ROOT = Path(__file__).parents[1]
WORK = Path(tempfile.gettempdir()) / f"wardgate-bench-{os.getpid()}"
"""Where servers keep their files while the benchmarks run: outside the checkout, because Apache
reads its files as another user."""
NPM = ROOT / "var" / "npm"


class Missing(Exception):
    """A program is not installed, so the side that needs it is left out."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    pid: int
    port: int
    authorization: str = ""
    """The value of the Authorization field that the server accepts."""


def free_port() -> int:
    """A port that nobody listens on. It is below the range from which the system assigns ports to
    connections and the tests take theirs, so that it probably stays free until it is used."""
    return first_free(random.randrange(10_000, 20_000) for _ in range(10_000))


def folder(name: str) -> Path:
    """A new folder for a server's files."""
    for number in range(1000):
        path = WORK / f"{name}-{number}"
        if not path.exists():
            path.mkdir(mode=0o755, parents=True)
            return path
    raise FileExistsError(WORK)


def pinned(command: Sequence[str], core: int | str, *, nice: int = 0) -> list[str]:
    """`command`, preceded by what makes it run on that core, or on a list of cores, alone, under
    the same process id."""
    gently = ["nice", "-n", str(nice)] if nice else []
    return ["taskset", "--cpu-list", str(core), *gently, *command]


@contextmanager
def process(
    command: Sequence[str],
    port: int,
    where: Path,
    *,
    core: int | str = SERVER_CORE,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the context ends. `environment` is added to this process's own.

    Raises `RuntimeError` where it does not listen on `port`, and `subprocess.TimeoutExpired` where
    it does not end within a minute of SIGTERM.
    """
    more = {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    with running(pinned(command, core), port, where, more) as server:
        yield server


def ask(port: int, authorization: str = "", target: str = "/v1/projects/e0/x") -> tuple[int, bytes]:
    """The status and the body of the answer to one GET request."""
    field = f"Authorization: {authorization}\r\n" if authorization else ""
    head = f"GET {target} HTTP/1.1\r\nHost: bench\r\n{field}Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return int(answer[9:12] or 0), answer.partition(b"\r\n\r\n")[2]


# --- load ----------------------------------------------------------------------------------------


PATIENCE = 120.0
"""Seconds that a load may take to its next message; opening the idle connections takes longest."""


class Load:
    """A process of `benchmarks.load` on the load's core.

    Messages are lines of JSON: it is sent one with its task, and sends back what it measured.
    """

    def __init__(self, mode: str, spec: dict[str, Any], *, nice: int = 0) -> None:
        self._mode = mode
        command = [sys.executable, "-m", f"benchmarks.load.{mode}"]
        self._process = subprocess.Popen(
            pinned(command, LOAD_CORE, nice=nice), cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(spec) + "\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next message of the load. Raises `RuntimeError` where it failed."""
        assert self._process.stdout is not None
        # It sends one message at a time, so none waits in this process's own buffer meanwhile.
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise RuntimeError(f"the load {self._mode} has sent no message for {PATIENCE:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load {self._mode} failed, status {self._process.wait()}")
        message: dict[str, Any] = json.loads(line)
        return message

    def go_on(self) -> None:
        """Let the load take its next step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def load(mode: str, **spec: Any) -> dict[str, Any]:
    """Run a load that sends one message, and return that."""
    with Load(mode, spec) as running:
        return running.receive()


# --- programs ------------------------------------------------------------------------------------

PACKAGES = {
    "wrk": "wrk", "nginx": "nginx", "haproxy": "haproxy", "apache2": "apache2",
    "caddy": "caddy",
}  # fmt: skip
"""Programs, and the Debian packages that contain them."""


def program(name: str) -> str:
    """The path of a program. Raises `Missing` where it is not installed."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:{NPM}/node_modules/.bin")
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


def is_there(name: str) -> bool:
    """Whether a program is installed."""
    try:
        program(name)
    except Missing:
        return False
    return True


def install() -> None:
    """Install missing programs where this user may. Where that fails, sides are left out later."""
    missing = [package for name, package in PACKAGES.items() if not is_there(name)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' '.join(missing)}", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing],
        ):
            subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)
    proxy = "configurable-http-proxy"
    if not is_there(proxy) and shutil.which("npm"):
        print(f"installing {proxy} into {NPM}", flush=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(NPM)]
        subprocess.run([*command, proxy], stdout=subprocess.DEVNULL, timeout=120, check=False)


VERSIONS = {
    "wrk": ["-v"], "nginx": ["-v"], "haproxy": ["-v"], "apache2": ["-v"], "caddy": ["version"],
    "configurable-http-proxy": ["--version"],
}  # fmt: skip


def python_build() -> str:
    """How the interpreter was built, which makes a difference of a tenth and more."""
    if sys.base_prefix == "/usr":
        return "the system's"
    optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return "optimised build" if optimised else "plain build"


def versions() -> dict[str, str]:
    """The versions of what is measured and of what measures it."""
    found = {"Python": f"{sys.version.split()[0]} ({python_build()})"}
    found |= {name: version(name) for name in ("wardgate", "uvloop", "aiohttp", "bcrypt")}
    for name, option in VERSIONS.items():
        if is_there(name):
            done = subprocess.run(
                [program(name), *option], capture_output=True, text=True, check=False
            )
            number = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
            found[name] = number[0] if number else "unknown"
    return found
