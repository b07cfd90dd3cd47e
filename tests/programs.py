"""Programs that some tests need, and a Wardgate of its own process."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from tests.patience import PATIENCE

WARDGATE = [sys.executable, "-m", "proxy"]


def program(name: str) -> str:
    """The path of `name`. Where it is missing the test is skipped, in CI it fails."""
    path = shutil.which(name)
    if path is None:
        cannot(f"{name} is not installed")
    return path


def cannot(why: str) -> NoReturn:
    """Skip a test for which this machine lacks something. In CI it fails: nothing is left out."""
    if os.environ.get("WARDGATE_CI"):
        pytest.fail(why)
    pytest.skip(why)


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of the tests, in whatever folder it is started."""
    root = str(Path(__file__).parents[1])
    code = f"import runpy, sys; sys.path.insert(0, {root!r}); runpy.run_module({name!r}, {{}}, "
    return [sys.executable, "-c", code + "'__main__', True)", *arguments]


def free_port() -> int:
    """A port that nobody listens on, nor is told of but once.

    It is below those that systems give to connections, one of which would take it before a process
    that is started for it listens.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is no end to them")


def _ports() -> Iterator[int]:
    """From 20,000 to 32,767, in turn from anywhere; of eight workers that test side by side, each
    has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
    for number in itertools.count(secrets.randbelow(1596)):
        yield 20_000 + number % 1596 * 8 + worker


_PORTS = _ports()


def _tries() -> Iterator[None]:
    """Until patience is at its end, but a hundred of them at least: a machine may stand still."""
    end = time.monotonic() + PATIENCE
    for number in itertools.count():
        if number >= 100 and time.monotonic() > end:
            return
        yield


def await_port(port: int, process: subprocess.Popen[str]) -> None:
    """Until somebody listens on `port`; fails where `process` ends before."""
    for _ in _tries():
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
        else:
            return
    pytest.fail(f"nobody listens on {port}")


def await_refusal(port: int) -> None:
    """Until nobody listens on `port`."""
    for _ in _tries():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        except TimeoutError:
            continue
        time.sleep(0.01)
    pytest.fail(f"somebody still listens on {port}")


def await_text(path: Path, text: str, process: subprocess.Popen[str]) -> None:
    """Until `text` is in the file at `path`; fails where `process` ends before."""
    for _ in _tries():
        if text in path.read_text():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
    pytest.fail(f"{path} never said {text!r}")


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that listens on `port`, ended when the context is."""
    with (folder / "out").open("a") as out, (folder / "err").open("a") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, text=True)
    try:
        await_port(port, process)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()  # whatever failed, nothing is left behind
            process.wait()


def wardgate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which is never a traceback."""
    done = subprocess.run(
        [*WARDGATE, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done
