"""placeholder until the master exists"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.processes.shared import SharedState


@dataclass
class Inherited:
    slot: int
    sockets: Mapping[str, Sequence[socket.socket]]
    state: SharedState
    bus: str
    secret: bytes
    store_lock: int | None
    ready: Callable[[], None]
    generation: int
    urls: Sequence[str]
