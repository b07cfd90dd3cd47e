"""A clock that tests set, for all that limits depend on: rates, quotas, windows, expiry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from proxy.node import Node


def moment(text: str) -> int:
    """A time in UTC in milliseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass
class Clock:
    """Stands still, until a test lets time pass."""

    now: int
    """Milliseconds since the epoch."""

    @classmethod
    def of(cls, node: Node, text: str) -> Clock:
        """From now on, the limits of a node go by this clock, which shows this time in UTC."""
        clock = cls(moment(text))
        clock.keep(node)
        return clock

    def keep(self, node: Node) -> None:
        """From now on, the limits of this node go by this clock."""
        node.authenticator.clock = node.limiter.wall = lambda: self.now
        node.limiter.clock = lambda: self.now * 1000

    def show(self, text: str) -> None:
        """Set it to a time in UTC."""
        self.now = moment(text)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1000)
