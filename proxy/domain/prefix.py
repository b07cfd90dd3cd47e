"""Prefixes: how the path that an upstream gets follows from the path that was judged. Pure.

The rule that lives here: a route takes fixed segments away from the beginning of a path, and puts
others there. Every byte behind them is one that was judged, and stays as it is. Both are whole
segments, so what was one segment of the path is one segment still.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.domain.readings import readings


class Prefix(NamedTuple):
    """What the paths of a route lose and get at their beginning. Both may be empty."""

    strip: bytes = b""
    """Literal segments, with which every path of the route begins."""
    add: bytes = b""
    """Literal segments."""

    def outbound(self, path: bytes) -> bytes:
        """The path that the upstream gets for a path of the route."""
        return self.add + path[len(self.strip) :] or b"/"

    def inbound(self, path: bytes) -> bytes | None:
        """The path at the gateway of what the upstream calls `path`; None where there is none. It
        may be empty."""
        if path != self.add and not path.startswith(self.add + b"/"):
            return None
        return self.strip + path[len(self.add) :]

    def is_clear(self, path: bytes) -> bool:
        """Whether no upstream reads what it gets for `path` as `//name/…`: some take that for the
        name of a host, and what follows for the path (RFC 3986 section 3.2). `%2Fname` would be
        read so where nothing stands before it any more."""
        if self.add:
            return True
        rest = path[len(self.strip) :]
        if b"%" not in rest and b";" not in rest:
            return True
        return not any(reading.startswith("//") for reading in readings(rest.decode()))
