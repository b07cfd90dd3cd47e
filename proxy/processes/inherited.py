"""What the master gives to each process that it starts.

There is nothing to test: it is plain data.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.processes.shared import SharedState

Sockets: TypeAlias = Mapping[str, Sequence[socket.socket]]
"""Sockets that listen, by the address as it is configured."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The same for all processes of a master."""

    state: SharedState
    bus: str
    """The path of the keeper's socket."""
    secret: bytes
    """32 random bytes."""
    lock: int | None
    """A handle that has the lock of the store."""
    urls: Sequence[str]
    """Where clients are served."""
    generation: int
    """Of the program: how often it was exchanged."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What one process is given."""

    shared: Shared
    slot: int
    """Of a worker; that of the keeper is none of them."""
    sockets: Sockets
    ready: Callable[[], None]
    """To be called once it serves."""
