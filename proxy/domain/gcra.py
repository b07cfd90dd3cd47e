"""Rates: whether one more request fits, by the generic cell rate algorithm. Pure.

GCRA (ITU-T I.371) keeps one number for each key: the theoretical arrival time, when the next
request would come if all came at the rate. A request fits if it comes no earlier than the burst
allows. The arithmetic is in whole numbers, so no request is let through by rounding.

Tested in `tests/proxy/domain/test_gcra.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000
"""Microseconds: so short is the time between two requests of a fast rate."""
_PERIODS: Final = {"s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND}
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/(s|min|h)").fullmatch
MAX_BURST: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in a period, of which `burst` may come at once."""

    count: int
    period: int
    """Microseconds."""
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
            burst = max(1, count * SECOND // period)
        if not 1 <= burst <= MAX_BURST:
            raise ValueError(f"should have a burst of 1 to {MAX_BURST}")
        return cls(count, period, burst)

    def __str__(self) -> str:
        unit = next(unit for unit, period in _PERIODS.items() if period == self.period)
        return f"{self.count}/{unit}"

    def covers(self, other: Rate) -> bool:
        """Whether `other` never lets through what this rate refuses."""
        slower = other.count * self.period <= self.count * other.period
        return slower and other.burst <= self.burst

    @property
    def window(self) -> int:
        """The whole seconds in which as many requests come as may come at once, or more."""
        return -(-self.burst * self.period // (self.count * SECOND))

    @property
    def count_in_window(self) -> int:
        """How many requests come in `window` seconds."""
        return self.count * self.window * SECOND // self.period

    # --- the algorithm; times are microseconds, counted in steps of 1 / `count` ---

    def take(self, arrival: int, now: int) -> int | None:
        """The theoretical arrival time after a request at `now`, None where it does not fit.
        `arrival` is that of before; 0: there was no request."""
        time = now * self.count
        if arrival <= time:
            return time + self.period
        if arrival - time > (self.burst - 1) * self.period:
            return None
        return arrival + self.period

    def take_up_to(self, arrival: int, now: int, wanted: int) -> tuple[int, int]:
        """How many of `wanted` requests fit now, all at once, and the theoretical arrival time
        after them."""
        taken = max(0, min(wanted, self.left(arrival, now)))
        return taken, max(arrival, now * self.count) + taken * self.period

    def left(self, arrival: int, now: int) -> int:
        """How many requests would fit now, all at once."""
        return self.burst - -(-self._ahead(arrival, now) // self.period)

    def wait(self, arrival: int, now: int) -> int:
        """Microseconds after `now` until one more request fits than now, rounded up; 0 where all
        that may come at once fit already."""
        ahead = self._ahead(arrival, now)
        return -(-((ahead - 1) % self.period + 1) // self.count) if ahead else 0

    def full(self, arrival: int) -> int:
        """When as many fit again as ever do: from then on, a rate without any request is equal."""
        return -(-arrival // self.count)

    def carried_over(self, arrival: int, now: int, before: Rate) -> int:
        """The theoretical arrival time by this rate, where `arrival` is that by the rate `before`:
        as many requests count as used, but no more than may come at once."""
        ahead = -(-before._ahead(arrival, now) * self.period // before.period)
        return now * self.count + min(ahead, self.burst * self.period) if ahead else 0

    def _ahead(self, arrival: int, now: int) -> int:
        return max(0, arrival - now * self.count)
