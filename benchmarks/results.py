"""Results: one JSON file a row, with everything that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.row import Figures, Goal, Row

FOLDER = ROOT / "benchmarks" / "results"
QUIET = 10.0
"""Percent of the server's core that others may use while numbers still mean something. The kernel's
work for no process in particular is among it."""


@dataclass(frozen=True)
class Judged:
    """A goal, and what each round yielded for it. No values: a side was left out."""

    text: str
    limit: float
    values: list[float]
    met: bool | None

    @classmethod
    def of(cls, goal: Goal, rounds: list[dict[str, Figures]]) -> Judged:
        """Judge by the median."""
        try:
            values = [goal.of(found) for found in rounds]
        except KeyError:
            return cls(goal.text, goal.limit, [], None)
        return cls(goal.text, goal.limit, values, goal.met(values))

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "ok", False: "NOT MET", None: "not measured"}[self.met]

    @property
    def found(self) -> str:
        """The median of what the rounds yielded, with the range."""
        return spread_text(spread_of(self.values))


@dataclass(frozen=True)
class Result:
    """What a row found."""

    row: str
    title: str
    method: str
    figures: dict[str, str]
    smaller_is_better: bool
    rounds: list[dict[str, Figures]]
    missing: dict[str, str]
    goals: list[Judged]
    at: str
    took: float
    """Seconds, setting up included."""
    source: str
    """Names the code that was measured."""
    machine: dict[str, Any]
    versions: dict[str, str]

    def save(self) -> None:
        """Write it where the last one was."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.row}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(rounded(asdict(self)), indent=1) + "\n")
        new.replace(path)

    @classmethod
    def load(cls, row: Row) -> Result | None:
        """The last one of a row, if there is one."""
        path = FOLDER / f"{row.name}.json"
        if not path.exists():
            return None
        told = json.loads(path.read_text())
        return cls(**told | {"goals": [Judged(**each) for each in told["goals"]]})

    @property
    def sides(self) -> list[str]:
        """Those that were measured."""
        return list(self.rounds[0])

    @property
    def others(self) -> float:
        """Percent of the server's core that others used, in the median of all measurements."""
        shares = [
            figures["others"]
            for found in self.rounds
            for figures in found.values()
            if "others" in figures
        ]
        return median(shares) if shares else 0.0

    def spread(self, side: str, figure: str) -> tuple[float, float, float] | None:
        """Median, least and most; None where this side has no such figure."""
        return spread_of([found[side][figure] for found in self.rounds if figure in found[side]])


def spread_of(values: list[float]) -> tuple[float, float, float] | None:
    """Median, least and most; None for nothing."""
    return (median(values), min(values), max(values)) if values else None


def rounded(value: Any) -> Any:
    """Floats to six significant digits: more is noise."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def source() -> str:
    """Names the code that is measured, and that which measures."""
    digest = hashlib.sha256()
    for package in ("admin", "benchmarks", "proxy"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in {".py", ".sql", ".lua", ".conf", ".cfg"} or path.name == "Caddyfile":
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def number(value: float) -> str:
    """For people: three digits that matter."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread_text(spread: tuple[float, float, float] | None) -> str:
    """Median, and the range where there is one."""
    if spread is None:
        return "–"
    middle, least, most = map(number, spread)
    return middle if least == most else f"{middle} ({least}–{most})"
