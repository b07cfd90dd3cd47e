"""What a run is about, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.support.credentials import Credentials


@dataclass(eq=False)
class Key:
    """A key, and the id of its resource."""

    number: str
    credentials: Credentials


@dataclass
class Keys:
    """The keys of a run, all of one environment."""

    environment: str = ""
    limited: list[Key] = field(default_factory=list)
    """One, with a rate and a quota."""
    used: list[Key] = field(default_factory=list)
    """Those that work on all nodes. Who changes one takes it out before."""


@dataclass
class Seen:
    """The answers of all nodes."""

    answers: Counter[str] = field(default_factory=Counter)
    """How often each thing was done."""
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers that should not have been."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of permitted GETs on kept connections, since they were last read."""
    entries: dict[str, float] = field(default_factory=dict)
    """What each node has in memory, by its metrics: records, rates and quotas."""
    over: bool = False
    """Whether what has been begun comes to its end."""

    def note(self, what: str, got: int | str, wanted: Collection[int | str]) -> None:
        """Something was done."""
        self.answers[what] += 1
        if got not in wanted:
            self.unexpected[f"{what}: {got}"] += 1
