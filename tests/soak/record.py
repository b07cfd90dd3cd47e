"""What a soak has measured, and the verdicts on it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.results import rounded
from tests.soak.judge import UNITS, Load, Series, Verdict, judge


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("wardgate", "uvloop", "aiohttp", "asyncpg")}
    return {"Python": platform.python_version()} | found


@dataclass(frozen=True)
class Record:
    """A run."""

    store: str
    seconds: float
    load: Load
    samples: dict[str, Series]
    """By name, such as `n1 memory`: the last word says what it is."""
    answers: dict[str, int]
    unexpected: dict[str, int]
    machine: dict[str, Any] = field(default_factory=describe)
    versions: dict[str, str] = field(default_factory=_versions)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """On each series that has a bound."""
        kinds = {name: name.rpartition(" ")[2] for name in sorted(self.samples)}
        return {
            name: judge(kind, self.samples[name], self.load)
            for name, kind in kinds.items()
            if kind in UNITS
        }

    @property
    def good(self) -> bool:
        """Whether all is flat, and each answer was as it should be."""
        return not self.unexpected and all(each.flat for each in self.verdicts.values())

    @property
    def summary(self) -> str:
        """A line for each series, and one for the answers."""
        lines = [f"{name:<14}{verdict}" for name, verdict in self.verdicts.items()]
        done = ", ".join(f"{count} × {what}" for what, count in sorted(self.answers.items()))
        wrong = ", ".join(f"{count} × {what}" for what, count in sorted(self.unexpected.items()))
        return "\n".join([*lines, done, f"unexpected: {wrong or 'none'}"])

    def write(self, path: Path) -> None:
        """Keep it as JSON, each series in a line."""
        parts = rounded(json.loads(json.dumps(asdict(self))))
        series = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(values, separators=(',', ':'))}"
            for name, values in parts.pop("samples").items()
        )
        head = json.dumps(parts, indent=1).removesuffix("\n}")
        path.write_text(f'{head},\n "samples": {{\n{series}\n }}\n}}\n')

    @classmethod
    def read(cls, path: Path) -> Record:
        """What `write` wrote."""
        kept = json.loads(path.read_text())
        return cls(**kept | {"load": Load(**kept["load"])})
