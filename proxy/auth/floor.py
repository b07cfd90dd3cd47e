"""The floor under refusals: how long a wrong guess takes at least, so that its time says nothing.

The rule that lives here: the floor follows from trials alone, which are due by the clock. If it
followed from the guesses, the floor would show which hashes they were compared with.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

MOST: Final = 2.0
"""Seconds. A hash that takes longer, on a machine that is very busy, can show its cost; a refusal
that is held back for longer would serve nobody."""
_MARGIN: Final = 1.5
"""The floor is the slowest of the last trials times this, since machines are noisy."""
_TRIALS: Final = 3
_PERIOD: Final = 10.0
"""Seconds between two trials, once there are enough: the floor follows the load of the machine."""


class Floor:
    """Holds the last trials: hashes of the highest stored cost, and how long they took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._rounds = 0
        self._trials: deque[float] = deque(maxlen=_TRIALS)
        self._last = 0.0

    @property
    def seconds(self) -> float:
        """How long a refusal takes at least, counted from the beginning of its hash."""
        return min(MOST, _MARGIN * max(self._trials, default=0.0))

    def is_due(self, rounds: int) -> bool:
        """Whether a hash of the bcrypt cost `rounds`, now the highest, should be tried."""
        return (
            rounds != self._rounds
            or len(self._trials) < _TRIALS
            or self._clock() - self._last >= _PERIOD
        )

    def note(self, rounds: int, seconds: float) -> None:
        """Take the result of a trial. Trials of another cost no longer count."""
        if rounds != self._rounds:
            self._rounds = rounds
            self._trials.clear()
        self._trials.append(seconds)
        self._last = self._clock()
