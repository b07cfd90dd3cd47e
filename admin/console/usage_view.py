"""Usage as pages show it: totals, plots over time, and the reasons of refusals. Pure.

Tested in `tests/admin/console/test_usage_view.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from admin.console.plots import HEIGHT, WIDTH, Plot, line, share_text, stacked, time_text
from admin.console.spans import Label, Span
from proxy.domain.model import Reason
from proxy.domain.usage import Dimension, UsageRow
from proxy.gateway.failures import Failure
from proxy.http1.faults import Fault


class Kind(NamedTuple):
    """How requests ended, as plots tell them apart."""

    name: str
    text: str
    about: str


KINDS: Final = (
    Kind("succeeded", "Succeeded", "2xx, 3xx"),
    Kind("declined", "Client errors", "4xx of the API"),
    Kind("refused", "Refused", "4xx of the gateway"),
    Kind("failed", "Failed", "5xx"),
)
"""In the order in which they are stacked."""
_NAMES: Final = [kind.name for kind in KINDS]

EXPLANATIONS: Final = {each.code: each.explanation for each in (*Reason, *Fault, *Failure)}
"""What the code of a reason means."""


@dataclass(slots=True)
class Slot:
    """The requests that ended within one slot of time."""

    start: int
    """Milliseconds since the epoch."""
    counts: list[int] = field(default_factory=lambda: [0] * len(KINDS))
    """Of each of `KINDS`."""
    answered: int = 0
    """Those that the gateway did not refuse."""
    seconds: float = 0.0
    """The sum of their times."""

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The mean time in seconds of those that were not refused; None where there were none."""
        return self.seconds / self.answered if self.answered else None


class ReasonCount(NamedTuple):
    """How many requests were refused or failed for one reason."""

    code: str
    about: str
    kind: str
    """The name of the kind that these requests are of."""
    requests: int
    part: float
    """Of the requests of the most frequent reason, in percent."""


@dataclass(frozen=True)
class UsageView:
    """What a page shows of usage."""

    span: Span
    slots: Sequence[Slot]
    reasons: Sequence[ReasonCount]

    width: int = WIDTH
    height: int = HEIGHT
    kinds: Sequence[Kind] = KINDS

    @cached_property
    def total(self) -> Slot:
        """All slots together."""
        counts = [sum(column) for column in zip(*(slot.counts for slot in self.slots), strict=True)]
        return Slot(
            self.slots[0].start,
            counts,
            sum(slot.answered for slot in self.slots),
            sum(slot.seconds for slot in self.slots),
        )

    @cached_property
    def requests(self) -> Plot:
        """Requests over time, stacked by kind."""
        return stacked([slot.counts for slot in self.slots])

    @cached_property
    def latency(self) -> Plot:
        """Mean latency over time."""
        return line([slot.mean for slot in self.slots])

    @property
    def labels(self) -> list[Label]:
        """The labels of the axis of time."""
        return self.span.labels([slot.start for slot in self.slots])

    @cached_property
    def busiest(self) -> Slot:
        """The slot with the most requests; of several the last one."""
        return max(reversed(self.slots), key=lambda slot: slot.requests)

    @cached_property
    def slowest(self) -> Slot:
        """The slot with the highest mean latency."""
        return max(self.slots, key=lambda slot: slot.mean or 0.0)

    def share(self, kind: str) -> str:
        """The share of a kind in all requests."""
        return share_text(self.total.counts[_NAMES.index(kind)], self.total.requests)

    def latency_text(self, slot: Slot) -> str:
        """The mean latency of a slot; a dash where nothing was measured."""
        return "–" if slot.mean is None else time_text(slot.mean)


def dimensions_of(span: Span) -> tuple[Dimension, ...]:
    """By what usage is to be told apart for a span's view."""
    return Dimension(span.by), Dimension.STATUS, Dimension.REASON


def view_of(span: Span, now: int, rows: Iterable[UsageRow]) -> UsageView:
    """The view of a span up to `now`, from rows by `dimensions_of(span)`. Where no row is, nothing
    was requested."""
    slots = {start: Slot(start) for start in span.starts(now)}
    reasons: Counter[tuple[str, str]] = Counter()
    for row in rows:
        start, status, reason = row.values
        slot = slots.get(int(start) - int(start) % span.slot)
        if slot is None:
            continue
        kind = _kind_of(row, int(status))
        slot.counts[_NAMES.index(kind)] += row.requests
        if kind != "refused":
            slot.answered += row.requests
            slot.seconds += row.seconds
        if reason:
            reasons[kind, str(reason)] += row.requests
    return UsageView(span, list(slots.values()), _reasons(reasons))


def _kind_of(row: UsageRow, status: int) -> str:
    """The kind of a row's requests, which have their status and reason in common."""
    if row.refused:
        return "refused"
    if row.failed:
        return "failed"
    return "declined" if status == 4 else "succeeded"


def _reasons(counted: Counter[tuple[str, str]]) -> list[ReasonCount]:
    """The reasons, the most frequent first."""
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    most = ordered[0][1] if ordered else 1
    return [
        ReasonCount(code, EXPLANATIONS.get(code, ""), kind, count, round(100 * count / most, 1))
        for (kind, code), count in ordered
    ]
