"""The programs that tests start, and waiting for what other processes do."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.patience import PATIENCE
from tests.support.processes import first_free, running, tries

__all__ = [
    "WARDGATE",
    "await_refusal",
    "await_text",
    "cannot",
    "free_port",
    "module",
    "need_namespaces",
    "program",
    "running",
    "sample_api",
    "wardgate",
]

WARDGATE = [sys.executable, "-m", "proxy"]
REFUSED = ("not permitted", "permission denied", "no space left", "invalid argument")
"""What unshare(1) and mount(8) say of a machine that permits no namespaces, or no more of them.
Anything else that they say is a fault of the test."""


def program(name: str) -> str:
    """The path of `name`. Where it is not installed, the test is skipped; in CI it fails."""
    path = shutil.which(name)
    if path is None:
        cannot(f"{name} is not installed")
    return path


def cannot(why: str) -> NoReturn:
    """Skip a test because this machine lacks something. In CI the test fails instead."""
    if os.environ.get("WARDGATE_CI"):
        pytest.fail(why)
    pytest.skip(why)


def need_namespaces() -> None:
    """Skip a test where this machine permits no namespaces, as for who is not root and in many
    containers: in CI, too, because nothing that could be installed would change it. The programs
    for them have to be there as any other."""
    tried = [program("unshare"), "--mount", "--net"]
    tried += [program("mount"), "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    said = done.stderr.lower()
    if done.returncode and not any(each in said for each in REFUSED):
        pytest.fail(f"namespaces cannot be tried: {done.stderr.strip()}")
    if done.returncode:
        pytest.skip(f"NOT TESTED: namespaces are not permitted here: {done.stderr.strip()}")


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of the tests, from any working directory."""
    root = str(Path(__file__).parents[1])
    code = f"import runpy, sys; sys.path.insert(0, {root!r}); runpy.run_module({name!r}, {{}}, "
    return [sys.executable, "-c", code + "'__main__', True)", *arguments]


def free_port() -> int:
    """A port on which nobody listens, another one at each call.

    It is below the ports that the system gives to connections, because a connection might take
    such a port before the process listens for which it is meant.
    """
    return first_free(_PORTS)


def _ports() -> Iterator[int]:
    """From 20,000 to 32,767 in turn, from a random one on. Eight workers that test side by side
    have no port in common."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
    for number in itertools.count(secrets.randbelow(1596)):
        yield 20_000 + number % 1596 * 8 + worker


_PORTS = _ports()


def await_refusal(port: int) -> None:
    """Wait until nobody listens on `port`."""
    for _ in tries():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        except TimeoutError:
            continue
        time.sleep(0.01)
    pytest.fail(f"something still listens on {port}")


def await_text(path: Path, text: str, process: subprocess.Popen[str]) -> None:
    """Wait until `text` is in the file at `path`. Fails where `process` ends before."""
    for _ in tries():
        if text in path.read_text():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
    pytest.fail(f"{path} does not contain {text!r}")


def sample_api(port: int) -> list[str]:
    """The command that serves the bundled sample API."""
    return [sys.executable, "-m", "proxy.quickstart.sample_api", "--listen", f"127.0.0.1:{port}"]


def wardgate(
    *arguments: str, cwd: Path, program: Sequence[str] = WARDGATE
) -> subprocess.CompletedProcess[str]:
    """Run `wardgate` to its end. Fails where it prints a traceback."""
    done = subprocess.run(
        [*program, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done
