"""A process that listens on a port, and the ports for such processes."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.patience import PATIENCE


class NotListening(RuntimeError):
    """A process ended, or waited for too long, before it listened on its port."""


def first_free(ports: Iterable[int]) -> int:
    """The first of `ports` on which nobody listens at 127.0.0.1. Raises `LookupError`."""
    for port in ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LookupError("none of the ports is free")


def tries() -> Iterator[None]:
    """One item for each try, until `PATIENCE` is over, but at least a hundred: a machine that
    stands still for a minute does not end the wait."""
    end = time.monotonic() + PATIENCE
    for number in itertools.count():
        if number >= 100 and time.monotonic() > end:
            return
        yield


def listens(pid: int, port: int) -> bool:
    """Whether a process has a socket that listens on a port of 127.0.0.1."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    inodes = {each[9] for each in fields if each[1] == f"0100007F:{port:04X}" and each[3] == "0A"}
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return any(f"socket:[{inode}]" in links for inode in inodes)


@contextmanager
def running(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `command` in `folder`, from when it listens on `port` until the context ends.

    Its output is appended to the files `out` and `err` there; `environment` is added to this
    process's own. At the end the process gets SIGTERM, and is killed where it does not end.

    Raises `NotListening`, and `subprocess.TimeoutExpired` where the process had to be killed.
    """
    with (folder / "out").open("a") as out, (folder / "err").open("a") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=out,
            stderr=err,
            text=True,
            env=os.environ | dict(environment or {}),
        )
    try:
        _await_port(port, process, folder)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()  # nothing is left behind, whatever failed
            process.wait()


def _await_port(port: int, process: subprocess.Popen[str], folder: Path) -> None:
    for _ in tries():
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    printed = (folder / "err").read_text(errors="replace")[-2000:]
    raise NotListening(f"{folder.name}: nobody listens on {port}: {printed}")
