"""What happened in a run: who did what, when it began and ended, and how it came out.

All times are seconds of one monotonic clock, that of the process that asks. So a use was decided
between its start and its end, and a change was acknowledged before its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["done", "refused", "unknown"]


@dataclass(frozen=True)
class Use:
    """A request with a secret at a node."""

    node: str
    secret: str
    """Which one: `KEY/NUMBER`, since a rotation gives a key another one."""
    start: float
    end: float
    status: int
    """0 where no answer came."""
    final: bool = False
    """After all faults had ended, and all nodes had recovered."""


@dataclass(frozen=True)
class Change:
    """A change of what a secret may do. A rotation is two, one for each secret."""

    id: str
    """The X-Request-Id, which the audit log has too."""
    action: str
    node: str
    secret: str
    permits: bool
    """Whether the secret works afterwards."""
    start: float
    end: float
    outcome: Outcome
    everywhere: float | None = None
    """When an answer said that the change holds on all nodes; None: nobody asked, or not yet."""


@dataclass(frozen=True)
class Fault:
    """Something that was broken for a while, and what it took to recover."""

    kind: str
    target: str
    """A node, or `store`."""
    start: float
    end: float


@dataclass(frozen=True)
class Audit:
    """The audit log at the end."""

    requests: list[str]
    """The X-Request-Id of each entry, in order."""
    problems: list[str]
    """What its own check found."""


@dataclass
class History:
    """A run."""

    lease: float
    usual: float
    """Seconds in which a change holds everywhere while nothing is broken; 0: not checked."""
    uses: list[Use] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    audit: Audit = field(default_factory=lambda: Audit([], ["it was not read"]))
    restarts: int = 0
    """How often a node ended by itself, and a supervisor started it again."""

    def write(self, path: Path) -> None:
        """One JSON object in each line."""
        head: dict[str, Any] = {"kind": "History", "lease": self.lease, "usual": self.usual}
        head["restarts"] = self.restarts
        events: list[Use | Change | Fault | Audit] = [
            *self.uses,
            *self.changes,
            *self.faults,
            self.audit,
        ]
        lines = [head, *({"kind": type(each).__name__, "event": asdict(each)} for each in events)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    @classmethod
    def read(cls, path: Path) -> History:
        """What `write` wrote."""
        with path.open() as file:
            return cls._of(map(json.loads, file))

    @classmethod
    def _of(cls, lines: Iterable[Mapping[str, Any]]) -> History:
        rest = iter(lines)
        head = next(rest)
        made = cls(head["lease"], head["usual"], restarts=head["restarts"])
        for line in rest:
            event = line["event"]
            match line["kind"]:
                case "Use":
                    made.uses.append(Use(**event))
                case "Change":
                    made.changes.append(Change(**event))
                case "Fault":
                    made.faults.append(Fault(**event))
                case "Audit":
                    made.audit = Audit(**event)
        return made
