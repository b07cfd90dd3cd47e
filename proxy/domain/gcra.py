"""Rates: whether one more request fits, by the generic cell rate algorithm. Pure.

GCRA (ITU-T I.371) keeps one number for each key: the theoretical arrival time, when the next
request would come if all came at the rate. A request fits where it comes no earlier than the
burst allows. The arithmetic is in whole numbers, so no request is let through by rounding.

Tested in `tests/proxy/domain/test_gcra.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PERIODS: Final = {"s": 1_000, "min": 60_000, "h": 3_600_000}
"""Milliseconds."""
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(s|min|h)").fullmatch
MAX_BURST: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in a period, of which `burst` may come at once."""

    count: int
    period: int
    """Milliseconds."""
    burst: int

    @classmethod
    def parse(cls, text: str, burst: int | None = None) -> Rate:
        """`100/s`, `6000/min` or `10/h`; `burst` is by default what comes in one second, and 1 at
        least. Raises ValueError."""
        match = _RATE(text)
        if match is None:
            raise ValueError("should be a rate such as 100/s, 6000/min or 10/h")
        count, period = int(match[1]), _PERIODS[match[2]]
        if burst is None:
            burst = max(1, count * 1_000 // period)
        if not 1 <= burst <= MAX_BURST:
            raise ValueError("should have a burst of 1 at least")
        return cls(count, period, burst)

    def __str__(self) -> str:
        unit = next(unit for unit, period in _PERIODS.items() if period == self.period)
        return f"{self.count}/{unit}"

    def covers(self, other: Rate) -> bool:
        """Whether `other` never lets through what this rate refuses."""
        slower = other.count * self.period <= self.count * other.period
        return slower and other.burst <= self.burst

    # --- the algorithm; times are milliseconds, counted in steps of 1 / `count` ---

    def take(self, arrival: int, now: int) -> int | None:
        """The theoretical arrival time after a request at `now`, None where it does not fit.
        `arrival` is that of before; 0: there was no request."""
        time = now * self.count
        if arrival <= time:
            return time + self.period
        if arrival - time > (self.burst - 1) * self.period:
            return None
        return arrival + self.period

    def wait(self, arrival: int, now: int) -> int:
        """Milliseconds after `now` until a request fits, rounded up; 0 where one fits now."""
        early = arrival - now * self.count - (self.burst - 1) * self.period
        return -(-early // self.count) if early > 0 else 0

    def left(self, arrival: int, now: int) -> int:
        """How many requests would fit now, all at once."""
        ahead = max(0, arrival - now * self.count)
        return max(0, self.burst - -(-ahead // self.period))
