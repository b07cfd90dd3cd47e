"""A target that is checked goes down, and up again, after so many results in a row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.targets.thresholds import Checked, Thresholds


def test_a_target_is_down_after_so_many_failures_and_up_after_so_many_successes() -> None:
    """In a row; the cause and the time are those of the change."""
    checked = Checked(Thresholds(healthy=2, unhealthy=3), 0.0)
    assert checked.up
    changes = [
        checked.note(failure, now)
        for now, failure in enumerate(
            ["a", "b", None, "c", "d", "e", None, "f", None, None, None], 1
        )
    ]
    assert [now for now, changed in enumerate(changes, 1) if changed] == [6, 10]
    assert (checked.up, checked.since, checked.cause) == (True, 10, "f")


@given(
    healthy=st.integers(1, 4),
    unhealthy=st.integers(1, 4),
    results=st.lists(st.booleans(), max_size=40),
)
def test_what_is_held_is_what_the_last_row_that_was_long_enough_said(
    healthy: int, unhealthy: int, results: list[bool]
) -> None:
    """Compared with a look at all results so far."""
    checked = Checked(Thresholds(healthy, unhealthy), 0.0)
    up = True
    for end in range(1, len(results) + 1):
        seen = results[:end]
        if up and not any(seen[-unhealthy:]) and end >= unhealthy:
            up = False
        elif not up and all(seen[-healthy:]) and end >= healthy:
            up = True
        checked.note(None if seen[-1] else "failed", float(end))
        assert checked.up == up
