"""Time windows: the hours of the week in which a key may be used, in UTC. Pure.

Tested in `tests/proxy/domain/test_time_window.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY
"""Minutes."""
_ALL: Final = (1 << _WEEK) - 1
"""A bit for each minute of the week."""
_THURSDAY: Final = 3 * _DAY
"""The Unix epoch began on a Thursday."""
_TEXT: Final = re.compile(
    r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? )?"
    r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
).fullmatch


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The same hours of several days that follow each other."""

    first: int
    """The first day; 0 is Monday."""
    days: int
    start: int
    """Minutes after midnight; so is `end`."""
    end: int
    """Where it is not after `start`, it is on the next day."""
    _minutes: int = field(init=False, repr=False, compare=False)
    """A bit for each minute of the week in which it is open."""

    def __post_init__(self) -> None:
        length = (self.end - self.start) % _DAY or _DAY
        minutes = 0
        for day in range(self.first, self.first + self.days):
            begin = (day * _DAY + self.start) % _WEEK
            block = ((1 << length) - 1) << begin
            minutes |= block | block >> _WEEK
        object.__setattr__(self, "_minutes", minutes & _ALL)

    @classmethod
    def parse(cls, text: str) -> TimeWindow:
        """`Mon-Fri 08:00-18:00`, `Sat 00:00-24:00`, `22:00-06:00` (each day). Raises ValueError."""
        match = _TEXT(text)
        start, end = (
            (int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6]))
            if match
            else (0, 0)
        )
        if match is None or start >= _DAY or end > _DAY or start == end:
            raise ValueError("should be hours in UTC, such as Mon-Fri 08:00-18:00 or 22:00-06:00")
        if match[1] is None:
            return cls(0, 7, start, end)
        first = _DAYS.index(match[1])
        last = _DAYS.index(match[2]) if match[2] else first
        return cls(first, (last - first) % 7 + 1, start, end)

    def __str__(self) -> str:
        hours = f"{self._clock(self.start)}-{self._clock(self.end)}"
        if self.days == 7:
            return hours
        last = _DAYS[(self.first + self.days - 1) % 7]
        days = _DAYS[self.first] if self.days == 1 else f"{_DAYS[self.first]}-{last}"
        return f"{days} {hours}"

    def is_open(self, now: int) -> bool:
        """Whether `now`, in milliseconds since the epoch, is within it."""
        return bool(self._minutes >> self._minute(now) & 1)

    def changes_at(self, now: int) -> int | None:
        """The next moment at which it opens or closes, in milliseconds since the epoch; None where
        it is always open."""
        minutes, minute = self._minutes, self._minute(now)
        turned = (minutes >> minute) | (minutes << (_WEEK - minute))  # bit 0 is now
        differs = (turned if not turned & 1 else ~turned) & _ALL
        if not differs:
            return None
        ahead = (differs & -differs).bit_length() - 1
        return (now // 60_000 + ahead) * 60_000

    def covers(self, other: TimeWindow) -> bool:
        """Whether `other` is never open where this one is closed."""
        return not other._minutes & ~self._minutes

    @staticmethod
    def _minute(now: int) -> int:
        """The minute of the week."""
        return (now // 60_000 + _THURSDAY) % _WEEK

    @staticmethod
    def _clock(minutes: int) -> str:
        return f"{minutes // 60:02}:{minutes % 60:02}"
