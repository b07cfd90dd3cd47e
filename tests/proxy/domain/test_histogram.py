"""A histogram counts durations by their length, as Prometheus does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.histogram import BOUNDS, Histogram

durations = st.one_of(st.sampled_from(BOUNDS), st.floats(0, 100))


@given(st.lists(durations))
def test_each_bound_has_the_number_of_those_that_took_no_longer(given: list[float]) -> None:
    """Those that took exactly as long are among them, and `+Inf` has all."""
    histogram = Histogram()
    for seconds in given:
        histogram.note(seconds)
    found = dict(histogram.cumulative())
    assert found.pop("+Inf") == len(given) == histogram.count
    assert found == {str(bound): sum(each <= bound for each in given) for bound in BOUNDS}
    assert histogram.sum == pytest.approx(sum(given))
