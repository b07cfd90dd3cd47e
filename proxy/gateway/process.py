"""What a gateway is given that serves together with others on its machine.

There is nothing to test: it is plain data, and a protocol.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class SourceCounts(Protocol):
    """How many connections each source has, to all processes."""

    def count(self, source: str) -> int:
        """Those of one source, or a few more."""
        ...

    def enter(self, source: str) -> None:
        """Count one more, to this process."""
        ...

    def leave(self, source: str) -> None:
        """Count one less, to this process."""
        ...


class OwnCounts(Counter[str]):
    """The `SourceCounts` of the only process."""

    def count(self, source: str) -> int:
        """Implements `SourceCounts`."""
        return self[source]

    def enter(self, source: str) -> None:
        """Implements `SourceCounts`."""
        self[source] += 1

    def leave(self, source: str) -> None:
        """Implements `SourceCounts`."""
        self[source] -= 1
        if not self[source]:
            del self[source]


@dataclass(frozen=True, slots=True)
class Process:
    """One of `processes` that serve the same addresses."""

    processes: int = 1
    sockets: Mapping[str, Sequence[socket.socket]] = field(default_factory=dict)
    """Sockets that listen already, by the address as it is configured: several where its host has
    several addresses."""
    sources: SourceCounts = field(default_factory=OwnCounts)
