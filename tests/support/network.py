"""A network of its own for a process (Linux namespaces), whose links can be cut as a cable is: what
is sent then vanishes, and nobody is told."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Link:
    """A cable between this machine and a network: `here` and `there` are the addresses of its
    ends."""

    def __init__(self, network: str, name: str) -> None:
        """It takes a random part of the addresses for benchmarks (RFC 2544), which are nowhere
        else."""
        part = f"198.{random.choice((18, 19))}.{random.randrange(256)}."
        first = 4 * random.randrange(64)
        self.here, self.there = f"{part}{first + 1}", f"{part}{first + 2}"
        self._end, self._net = f"{network}{name}", f"{part}{first}/30"
        _ip("link", "add", self._end, "type", "veth", "peer", "name", name, "netns", network)
        _ip("addr", "add", f"{self.here}/30", "dev", self._end)
        _ip("-n", network, "addr", "add", f"{self.there}/30", "dev", name)
        _ip("-n", network, "link", "set", name, "up")
        self.mend()

    def cut(self) -> None:
        """From now on nothing comes through, and nothing takes another way."""
        _ip("route", "add", "blackhole", self._net, "metric", "9999")
        _ip("link", "set", self._end, "down")

    def mend(self) -> None:
        """It is whole again."""
        _ip("link", "set", self._end, "up")
        gone = ["ip", "route", "del", "blackhole", self._net]
        subprocess.run(gone, check=False, capture_output=True)


@contextmanager
def network() -> Iterator[str]:
    """The name of a network without links, which is gone with them after the context. A command of
    it begins with `ip netns exec NAME`."""
    name = f"wg{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "del", name)
