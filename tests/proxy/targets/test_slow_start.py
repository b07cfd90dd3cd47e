"""The weight of a target that has just come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.targets.slow_start import LEAST, part_of_weight


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 600))
def test_it_grows_from_a_tenth_to_all_of_it(earlier: float, more: float, window: float) -> None:
    """And never shrinks."""
    first, then = part_of_weight(earlier, window), part_of_weight(earlier + more, window)
    assert LEAST <= first <= then <= 1.0
    assert part_of_weight(window, window) == 1.0


def test_half_of_the_time_gives_half_of_the_weight() -> None:
    """And no time gives all of it at once."""
    assert part_of_weight(0, 30) == LEAST
    assert part_of_weight(15, 30) == 0.5
    assert part_of_weight(0, 0) == 1.0
