"""What the load is sent to: one process over SQLite, or two nodes with workers over PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.installation import CONFIG, Installation
from tests.programs import WARDGATE, await_text, free_port, module, running
from tests.support.credentials import Credentials
from tests.support.postgres import server

Store = Literal["sqlite", "postgres"]
WORKERS: Final = 2


@dataclass(frozen=True)
class Node:
    """A gateway with its admin server."""

    name: str
    pid: int
    gateway: int
    api: int
    """Their ports."""
    log: Path

    def reload(self) -> None:
        """Exchange the access log, as logrotate does, and read the configuration anew."""
        old = self.log.with_suffix(".old")
        self.log.rename(old)
        old.unlink()
        os.kill(self.pid, signal.SIGHUP)


@dataclass(frozen=True)
class Place:
    """All nodes, and the first admin."""

    nodes: list[Node]
    admin: Credentials


@contextmanager
def place(folder: Path, store: Store) -> Iterator[Place]:
    """Nodes that serve."""
    with ExitStack() as open_:
        upstream = free_port()
        there = module("tests.soak.upstream", str(upstream))
        open_.enter_context(running(there, upstream, folder))
        names: list[str] = ["n1"]
        settings: dict[str, Any] = {}
        if store == "postgres":
            names = ["n1", "n2"]
            url = open_.enter_context(server()).new_url()
            settings = {"store": url, "workers": WORKERS, "cluster": {"name": "n1"}}
        made = Installation(folder, upstream, **settings)
        config = json.loads((folder / CONFIG).read_text())
        nodes = [open_.enter_context(_node(folder, name, config)) for name in names]
        yield Place(nodes, made.admin)


@contextmanager
def _node(folder: Path, name: str, config: dict[str, Any]) -> Iterator[Node]:
    """A node in a folder of its own, in which its output is too."""
    own = folder / name
    own.mkdir(0o700)
    gateway, api = free_port(), free_port()
    changed = {"listen": f"127.0.0.1:{gateway}", "admin": {"listen": f"127.0.0.1:{api}"}}
    if "cluster" in config:
        changed["cluster"] = {"name": name, "run_directory": "run"}
    else:
        changed["store"] = f"sqlite:///{folder}/var/wardgate.db"
    (own / CONFIG).write_text(json.dumps(config | changed))
    with running([*WARDGATE, "serve", "-c", CONFIG], api, own) as process:
        if "workers" in config:
            await_text(own / "err", f"{WORKERS} workers serve", process)
        yield Node(name, process.pid, gateway, api, own / "access.log")
