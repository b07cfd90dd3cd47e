"""How much of its weight a target has that has just come back. Pure."""

from __future__ import annotations

from typing import Final

LEAST: Final = 0.1
"""The part at the beginning (Envoy: `min_weight_percent` 10)."""


def part_of_weight(seconds: float, window: float) -> float:
    """The part, from `LEAST` to 1, `seconds` after a target came back; it grows evenly over
    `window` seconds (Envoy's slow start with aggression 1, nginx Plus `slow_start`). A window of 0
    is none."""
    if seconds >= window:
        return 1.0
    return max(LEAST, seconds / window)
