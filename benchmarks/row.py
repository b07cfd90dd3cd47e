"""A row of the table: sides that are measured in turn, and goals that compare them.

A side is one server, or one way to use a server. A row starts its servers on a stage.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from benchmarks.processes import Missing, Server, ask

Figures: TypeAlias = dict[str, float]
"""The numbers of one measurement, by name."""
Round: TypeAlias = Mapping[str, Figures]
"""Side → its figures. A side that could not be measured is not in it."""
Measure: TypeAlias = Callable[[], Figures]


class Unfit(Exception):
    """A measurement is worthless, because the server did not do the work that is measured."""


FAILURES = (Missing, Unfit, RuntimeError, OSError, subprocess.SubprocessError)
"""Errors of a server or a load after which the other sides and rows are still measured."""


@dataclass(frozen=True)
class Goal:
    """A number that is computed from every round, and the limit that its median must keep."""

    text: str
    limit: float
    of: Callable[[Round], float]
    """The number for one round. Raises `KeyError` where a side that it needs was left out."""
    at_least: bool = False

    def met(self, values: list[float]) -> bool:
        """Whether the median keeps the limit."""
        middle = median(values)
        return middle >= self.limit if self.at_least else middle <= self.limit


def ratio(figure: str, side: str, to: str) -> Callable[[Round], float]:
    """For a goal: the figure of one side divided by that of another."""
    return lambda found: found[side][figure] / found[to][figure]


@dataclass
class Stage:
    """Starts and stops the servers of one row, and notes the sides that had to be left out."""

    stack: ExitStack
    """Stops the servers."""
    seconds: int
    """How long one measurement should take, where a row does not fix that itself."""
    missing: dict[str, str] = field(default_factory=dict)
    """Side → why it was left out."""

    def start(self, server: AbstractContextManager[Server], *, locked: bool = False) -> Server:
        """Start a server that the row needs, and check that it answers a request. That request also
        makes it verify its password once. With `locked` it must refuse a request without one.

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
        """Start servers that the gateway is compared with; one that cannot start is left out."""
        found = {}
        for name, server in sides.items():
            try:
                found[name] = self.start(server, locked=name in locked)
            except (Missing, RuntimeError) as error:
                self.leave_out(name, str(error))
        return found

    def leave_out(self, name: str, why: str) -> None:
        """Note that a side is not measured, and why."""
        self.missing[name] = why
        print(f"  LEFT OUT: {name}: {why}", flush=True)


@dataclass(frozen=True)
class Row:
    """One row of the table: what is measured, how it is described, and its goals."""

    name: str
    title: str
    method: str
    """A sentence or two on what is done and what is counted."""
    figures: Mapping[str, str]
    """Figure → its heading, with the unit. The first figure is drawn."""
    goals: tuple[Goal, ...]
    sides: Callable[[Stage], dict[str, Measure]]
    """Starts the servers and returns, for each side, a function that measures it once."""
    rounds: int = 3
    smaller_is_better: bool = True
    slow: bool = False
    """Whether a single round takes so long that `--quick` leaves the row out."""
