"""However many guesses are refused, so many lines say all of it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.crowd import Crowd


@given(st.lists(st.sampled_from("abc")), st.integers(1, 10))
def test_each_guess_is_counted_by_one_line(codes: list[str], most: int) -> None:
    """There are `most` lines at most, and two for each reason. The shared line of a reason is that
    of its last guess, and the next second begins with room."""
    crowd = Crowd()
    crowd.bound(most)
    own: Counter[str] = Counter()
    for number, code in enumerate(codes):
        if not crowd.takes(code, number, code.encode().__add__):
            own[code] += 1
    shared = {line(b"").decode(): (now, count) for now, line, count in crowd.leave()}
    assert own + Counter({code: count for code, (_, count) in shared.items()}) == Counter(codes)
    assert sum(own.values()) <= most + len(set(codes))
    for code, (now, _) in shared.items():
        assert now == max(number for number, each in enumerate(codes) if each == code)
    assert set(own) == set(codes)
    assert list(crowd.leave()) == []
    assert not crowd.takes("a", 0, bytes)
