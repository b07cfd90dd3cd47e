"""The spans of time that plots show: the choice in a URL, and the slots that a span is cut into.
Pure.

Slots begin at whole hours and days of UTC, as the counters of usage do.

Tested in `tests/admin/console/test_spans.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from proxy.domain.usage import DAY, HOUR


class Label(NamedTuple):
    """A label on the axis of time."""

    place: float
    """From the left, in percent of the width."""
    text: str
    time: str | None
    """The moment as in `2026-01-31T12:00:00Z`, for the script that shows the reader's zone; None
    for a day of UTC, which is no moment."""
    minor: bool
    """Whether it is left out where there is little room."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time up to now."""

    name: str
    """In the URL."""
    text: str
    """As in "the last 7 days"."""
    slot: int
    """How long a slot is, in milliseconds: hours of a day, or whole days."""
    slot_text: str
    count: int
    """Slots."""
    labelled: int
    """The time from one label to the next in milliseconds, where there is little room."""

    @property
    def by(self) -> str:
        """What usage is asked for to fill its slots: each hour, or each day."""
        return "day" if self.slot == DAY else "hour"

    def starts(self, now: int) -> list[int]:
        """When its slots begin. The last one is under way at `now`. All in milliseconds since the
        epoch."""
        last = now - now % self.slot
        return [last - self.slot * back for back in reversed(range(self.count))]

    def when(self, start: int) -> str:
        """The time of a slot as text."""
        return (
            f"{_utc(start):%Y-%m-%d}" if self.slot == DAY else f"{_utc(start):%Y-%m-%d %H:%M} UTC"
        )

    def moment(self, start: int) -> str | None:
        """The beginning of a slot as a moment, None where the slot is a day of UTC."""
        return None if self.slot == DAY else f"{_utc(start):%Y-%m-%dT%H:%M:%SZ}"

    def labels(self, starts: list[int]) -> list[Label]:
        """The labels under its slots. That of a day stands under its middle; that of an hour where
        the hour begins."""
        middle = 0.5 if self.slot == DAY else 0.0
        labels = []
        for number, start in enumerate(starts):
            if start % (self.labelled // 2):
                continue
            time, hours = _utc(start), self.labelled < DAY
            labels.append(
                Label(
                    round(100 * (number + middle) / self.count, 2),
                    f"{time:%H:%M}" if hours else f"{time.day} {time:%b}",
                    self.moment(start) if hours else None,
                    start % self.labelled != 0,
                )
            )
        return labels


SPANS: Final = (
    Span("24h", "24 hours", HOUR, "hour", 24, 6 * HOUR),
    Span("7d", "7 days", 6 * HOUR, "6 hours", 28, 2 * DAY),
    Span("30d", "30 days", DAY, "day", 30, 10 * DAY),
    Span("90d", "90 days", DAY, "day", 90, 30 * DAY),
)


def span_of(name: str | None) -> Span:
    """The span that a URL names, by default the last 24 hours."""
    return next((span for span in SPANS if span.name == name), SPANS[0])


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
