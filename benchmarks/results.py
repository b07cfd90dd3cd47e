"""Results: one JSON file for each row, with everything that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypeAlias

from benchmarks.processes import ROOT
from benchmarks.row import Figures, Goal, Row

FOLDER = ROOT / "benchmarks" / "results"
QUIET = 10.0
"""The percentage of the server's core that other processes may use before a result is marked as not
to be trusted. It includes the kernel's work that belongs to no process."""


Spread: TypeAlias = tuple[float, float, float]
"""The median, the least and the greatest of several values."""


@dataclass(frozen=True)
class Judged:
    """A goal, and its value in each round. There are no values where a side was left out."""

    text: str
    limit: float
    values: list[float]
    met: bool | None

    @classmethod
    def of(cls, goal: Goal, rounds: list[dict[str, Figures]]) -> Judged:
        """Compare the median of the rounds with the goal."""
        try:
            values = [goal.of(found) for found in rounds]
        except KeyError:
            return cls(goal.text, goal.limit, [], None)
        return cls(goal.text, goal.limit, values, goal.met(values))

    @property
    def verdict(self) -> str:
        """`ok`, `NOT MET` or `not measured`."""
        return {True: "ok", False: "NOT MET", None: "not measured"}[self.met]

    @property
    def found(self) -> str:
        """The median of the rounds, with the range."""
        return spread_text(spread_of(self.values))


@dataclass(frozen=True)
class Result:
    """What was measured for one row."""

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
    """Seconds that the row took, including its set-up."""
    source: str
    """A digest of the code that was measured; see `source()`."""
    machine: dict[str, Any]
    versions: dict[str, str]

    def save(self) -> None:
        """Replace the stored result of this row."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.row}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(rounded(asdict(self)), indent=1) + "\n")
        new.replace(path)

    @classmethod
    def load(cls, row: Row) -> Result | None:
        """The stored result of a row; None where it was never measured."""
        path = FOLDER / f"{row.name}.json"
        return cls.parse(path.read_text()) if path.exists() else None

    @classmethod
    def parse(cls, text: str) -> Result:
        """A result as it was stored."""
        stored = json.loads(text)
        return cls(**stored | {"goals": [Judged(**each) for each in stored["goals"]]})

    @property
    def sides(self) -> list[str]:
        """The names of the sides that were measured."""
        return list(self.rounds[0])

    @property
    def others(self) -> float:
        """Percentage of the server's core that other processes used, median of all measurements."""
        shares = [
            figures["others"]
            for found in self.rounds
            for figures in found.values()
            if "others" in figures
        ]
        return median(shares) if shares else 0.0

    def spread(self, side: str, figure: str) -> Spread | None:
        """Median, least and greatest value; None where this side has no such figure."""
        return spread_of([found[side][figure] for found in self.rounds if figure in found[side]])


def spread_of(values: list[float]) -> Spread | None:
    """Median, least and greatest value; None where there are no values."""
    return (median(values), min(values), max(values)) if values else None


def rounded(value: Any) -> Any:
    """The value with its floats rounded to six significant digits: more would be noise."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def source() -> str:
    """A digest of the code that is measured and of the code that measures it."""
    digest = hashlib.sha256()
    for package in ("admin", "benchmarks", "proxy"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in {".py", ".sql", ".lua", ".conf", ".cfg"} or path.name == "Caddyfile":
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def number(value: float) -> str:
    """A number as text, with three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread_text(spread: Spread | None) -> str:
    """The median as text, with the range in brackets where there is one."""
    if spread is None:
        return "–"
    middle, least, most = map(number, spread)
    return middle if least == most else f"{middle} ({least}–{most})"
