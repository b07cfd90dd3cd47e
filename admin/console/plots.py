"""Plots as geometry: where lines, bars and labels stand, for templates to draw as SVG. Pure.

A plot is `HEIGHT` pixels high. Across it is `WIDTH` units wide, which the browser stretches to the
room that there is; text stands beside what is stretched, so that its size stays.

Tested in `tests/admin/console/test_plots.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

HEIGHT: Final = 160
WIDTH: Final = 1000
LEAST: Final = 2.0
"""The height of the smallest part of a bar in pixels: one refusal among thousands can be seen."""
_FILLED: Final = 0.78
"""The part of a slot's width that its bar takes."""


class Tick(NamedTuple):
    """A line across a plot, at a round value."""

    y: float
    """Pixels from the top."""
    text: str


class Plot(NamedTuple):
    """What is drawn of some values."""

    ticks: Sequence[Tick]
    paths: Sequence[str]
    """Each the `d` of an SVG path."""


def stacked(bars: Sequence[Sequence[int]]) -> Plot:
    """Bars from left to right, each of the same kinds of counts, the first of which lies at the
    bottom. There is one path for each kind."""
    values = scale(max(map(sum, bars), default=0), whole=True)
    unit = HEIGHT / values[-1]
    width = WIDTH / max(len(bars), 1)
    paths: list[list[str]] = [[] for _ in bars[0]] if bars else []
    for number, counts in enumerate(bars):
        bottom = float(HEIGHT)
        for path, height in zip(paths, heights(counts, unit), strict=True):
            if height:
                bottom -= height
                x = (number + (1 - _FILLED) / 2) * width
                path.append(_rectangle(x, bottom, width * _FILLED, height))
    return Plot(_ticks(values, count_text), ["".join(path) for path in paths])


def heights(counts: Sequence[int], unit: float) -> list[float]:
    """The heights of a bar's parts at `unit` pixels for each. A part that is not 0 has the least
    height at least, at the cost of those that are larger, in proportion."""
    drawn = [0.0] * len(counts)
    height = max(sum(counts) * unit, LEAST * sum(map(bool, counts)))
    left = sum(counts)
    for place in sorted(range(len(counts)), key=counts.__getitem__):  # the smallest first
        if count := counts[place]:
            drawn[place] = max(height * count / left, LEAST)
            height -= drawn[place]
            left -= count
    return drawn


def line(values: Sequence[float | None]) -> Plot:
    """A line through times in seconds, from left to right, interrupted where there is none: one
    path for the line, and one for the points on it."""
    levels = scale(max((value for value in values if value is not None), default=0.0), whole=False)
    width = WIDTH / max(len(values), 1)
    drawn, points, command = [], [], "M"
    for number, value in enumerate(values):
        if value is None:
            command = "M"
            continue
        place = f"{_short((number + 0.5) * width)} {_short(HEIGHT - value * HEIGHT / levels[-1])}"
        drawn.append(f"{command}{place}")
        points.append(f"M{place}h0")
        command = "L"
    return Plot(_ticks(levels, time_text), ["".join(drawn), "".join(points)])


def scale(most: float, *, whole: bool) -> list[float]:
    """The values of the lines across a plot: from 0, in equal steps of 1, 2 or 5 and zeros, up to
    one that is not below `most`. They are five at most. `whole`: the steps are whole numbers."""
    if most < 1e-6:
        return [0.0, 1.0] if whole else [0.0, 0.001]
    least = most / 4
    power = 10.0 ** math.floor(math.log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least)
    if whole:
        step = max(step, 1.0)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def count_text(count: float) -> str:
    """A round number in few characters: `950`, `1.2k`, `3M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.3g}"


def time_text(seconds: float) -> str:
    """A time in few characters: `0.4 ms`, `12 ms`, `1.5 s`."""
    if not seconds:
        return "0"
    return f"{seconds:,.3g} s" if seconds >= 0.9995 else f"{seconds * 1000:.3g} ms"


def share_text(part: int, whole: int) -> str:
    """A share in percent. It is `0%` or `100%` only where it is exactly that."""
    if not part or not whole:
        return "0%"
    percent = 100 * part / whole
    if percent < 0.1:
        return "<0.1%"
    if 99 < percent < 100:
        return ">99%"
    return f"{percent:.1f}".removesuffix(".0") + "%" if percent < 10 else f"{percent:.0f}%"


def _ticks(values: Sequence[float], text: Callable[[float], str]) -> list[Tick]:
    return [Tick(round(HEIGHT * (1 - value / values[-1]), 1), text(value)) for value in values]


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    across = _short(width)
    return f"M{_short(x)} {_short(y)}h{across}v{_short(height)}h-{across}z"


def _short(number: float) -> str:
    """A number for a path, to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")
