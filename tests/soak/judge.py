"""Is a series flat? Pure.

The first half of a run is for what grows once: caches fill, each worker makes its connections, and
the allocator finds its size. The slope is that of the second half, by Theil and Sen: the median of
the slopes between all pairs of samples, on which a third of the samples, however wrong, has no
influence. Only growth counts, and it counts as what it adds up to over the second half.

The bounds say what no leak can stay under:

- memory: 16 bytes for each request, the size of the smallest object of Python, so a request that
  leaves anything behind is found. What a key or a connection leaves is larger, but comes seldom;
  `entries` and `handles` are for these.
- handles: one for a thousand new connections.
- threads: one for two reloads, the rarest of all that happens. Pools start their threads when
  they need them, up to a size.
- entries (what the caches and limits of a node hold): one for ten keys that were made.
- p50 and p99: a third of their medians. Where the work of a request grows with all that came
  before, it doubles from the middle of a run to its end, which is two thirds of the median. Less
  than that is what other programs on a machine do to a latency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

Series = Sequence[tuple[float, float]]
"""(seconds since the start, value)."""

UNITS: Final = {
    "memory": "MB",
    "handles": "",
    "threads": "",
    "entries": "",
    "p50": "ms",
    "p99": "ms",
}


@dataclass(frozen=True)
class Load:
    """What came to one node in a second."""

    requests: float
    connections: float
    keys: float
    reloads: float


@dataclass(frozen=True)
class Verdict:
    """On one series."""

    kind: str
    middle: float
    """The median of the second half."""
    growth: float
    """By how much it grew in the second half."""
    bound: float

    @property
    def flat(self) -> bool:
        """Whether it stays as it is."""
        return self.growth <= self.bound

    def __str__(self) -> str:
        unit = UNITS[self.kind]
        verdict = "flat" if self.flat else "GROWS"
        return (
            f"{verdict:<6}{self.middle:9.2f} {unit:<3}{self.growth:+9.3f} in the second half, "
            f"bound {self.bound:.3f}"
        )


def judge(kind: str, series: Series, load: Load) -> Verdict:
    """Whether a series of a node, or of all of them, is flat."""
    start, end = series[0][0], series[-1][0]
    half = [each for each in series if each[0] >= (start + end) / 2]
    middle = median(value for _, value in half)
    seconds = half[-1][0] - half[0][0]
    return Verdict(kind, middle, slope(half) * seconds, _bound(kind, middle, seconds, load))


def _bound(kind: str, middle: float, seconds: float, load: Load) -> float:
    bounds: Mapping[str, float] = {
        "memory": 16 * load.requests * seconds / 1e6,
        "handles": max(1.0, load.connections * seconds / 1000),
        "threads": max(1.0, load.reloads * seconds / 2),
        "entries": max(1.0, load.keys * seconds / 10),
        "p50": middle / 3,
        "p99": middle / 3,
    }
    return bounds[kind]


def slope(series: Series) -> float:
    """The median of the slopes between all pairs (Theil 1950, Sen 1968)."""
    return median((b - a) / (t - s) for (s, a), (t, b) in combinations(series, 2))
