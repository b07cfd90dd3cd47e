"""What a row of the table is: sides that are measured in turn, and goals that compare them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from benchmarks.processes import Missing, Server, ask

Figures: TypeAlias = dict[str, float]
"""What one measurement found, by name."""
Round: TypeAlias = Mapping[str, Figures]
"""Side → figures. A side that is missing was left out."""
Measure: TypeAlias = Callable[[], Figures]


class Unfit(Exception):
    """A measurement that means nothing: what was measured did not do its work."""


@dataclass(frozen=True)
class Goal:
    """A number that every round yields, whose median is to be on one side of a limit."""

    text: str
    limit: float
    of: Callable[[Round], float]
    """Raises KeyError where a side that it needs was left out."""
    at_least: bool = False

    def met(self, values: list[float]) -> bool:
        """Whether the median is where it should be."""
        middle = median(values)
        return middle >= self.limit if self.at_least else middle <= self.limit


def ratio(figure: str, side: str, to: str) -> Callable[[Round], float]:
    """One side's figure over another's, in one round."""
    return lambda found: found[side][figure] / found[to][figure]


@dataclass
class Stage:
    """What the sides of a row are set up on."""

    stack: ExitStack
    """Ends what was started."""
    seconds: int
    """How long one measurement should take, where that is free."""
    missing: dict[str, str] = field(default_factory=dict)
    """Side → why it was left out."""

    def start(self, server: AbstractContextManager[Server], *, locked: bool = False) -> Server:
        """Start what the row cannot do without, and see that it does its work, which also has it
        verify its password. With `locked` it must refuse who has none.

        Raises `Missing`, `RuntimeError`, `Unfit`.
        """
        running = self.stack.enter_context(server)
        if running.authorization and ask(running.port, running.authorization)[0] != 200:
            raise Unfit(f"{running.name} does not serve")
        if locked and ask(running.port)[0] != 401:
            raise Unfit(f"{running.name} lets everybody pass")
        return running

    def peers(
        self, sides: Mapping[str, AbstractContextManager[Server]], *, locked: Container[str] = ()
    ) -> dict[str, Server]:
        """Start what the gateway is compared with. What cannot be had is left out, and said so."""
        found = {}
        for name, server in sides.items():
            try:
                found[name] = self.start(server, locked=name in locked)
            except (Missing, RuntimeError) as error:
                self.leave_out(name, str(error))
        return found

    def leave_out(self, name: str, why: str) -> None:
        """Go on without a side."""
        self.missing[name] = why
        print(f"  LEFT OUT: {name}: {why}", flush=True)


@dataclass(frozen=True)
class Row:
    """One row."""

    name: str
    title: str
    method: str
    """A sentence or two: what is done, and what is counted."""
    figures: Mapping[str, str]
    """Figure → what it is called, with its unit. The first is drawn."""
    goals: tuple[Goal, ...]
    sides: Callable[[Stage], dict[str, Measure]]
    """Starts what is needed and returns what measures each side once."""
    rounds: int = 5
    smaller_is_better: bool = True
