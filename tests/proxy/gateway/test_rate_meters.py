"""The table of rates: bounded by what is in use, and never to an attacker's advantage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.gcra import SECOND, Rate
from proxy.gateway.rate_meters import RateMeters

RATE = Rate.parse("1/s", 3)
NOW = 1_000 * SECOND


def take(meters: RateMeters, subject: str, now: int, rate: Rate = RATE) -> bool:
    """Whether a request fits; then it counts."""
    arrival = rate.take(meters.arrival(subject, rate, now), now)
    if arrival is not None:
        meters.put(subject, rate, arrival)
    return arrival is not None


@given(
    st.lists(
        st.tuples(st.integers(0, 2 * SECOND), st.sampled_from("abc"), st.booleans()), max_size=60
    )
)
def test_a_subject_that_is_forgotten_would_be_treated_the_same(
    steps: list[tuple[int, str, bool]],
) -> None:
    """Whoever comes when: with a table that forgets, the same requests pass as with one that never
    does."""
    forgetful, eternal, now = RateMeters(), RateMeters(), NOW
    for gap, subject, forgets in steps:
        now += gap
        if forgets:
            forgetful.forget_full(now)
        assert take(forgetful, subject, now) == take(eternal, subject, now)


def test_memory_is_bounded_by_the_subjects_in_use() -> None:
    """A rate that is full again takes none: not its subject, nor a place among the seconds."""
    meters = RateMeters()
    for number in range(1000):
        take(meters, f"1c{number}", NOW + number * 2_000)
    assert len(meters) == 1000
    meters.forget_full(NOW + 2 * SECOND)
    assert 0 < len(meters) < 1000
    meters.forget_full(NOW + 4 * SECOND)
    assert len(meters) == 0
    assert not meters._due
    assert not meters._seconds


def test_a_rate_that_was_edited_counts_on() -> None:
    """Two of three were used: of the five of the new rate three are left, of the one none."""
    meters, large, small = RateMeters(), Rate.parse("1/s", 5), Rate.parse("1/s", 1)
    for _ in range(2):
        assert take(meters, "1c1", NOW)
    assert [take(meters, "1c1", NOW, large) for _ in range(4)] == [True] * 3 + [False]
    assert not take(meters, "1c1", NOW, small)
    assert not take(meters, "1c1", NOW + SECOND - 1, small)
    assert take(meters, "1c1", NOW + SECOND, small)


@pytest.mark.parametrize("others", [3, 50])
def test_many_addresses_do_not_renew_a_rate_that_is_used_up(others: int) -> None:
    """In a full table, who has used the least makes room."""
    meters = RateMeters(4)
    assert [take(meters, "spent", NOW) for _ in range(4)] == [True, True, True, False]
    for number in range(others):
        assert take(meters, f"other {number}", NOW)
        assert not take(meters, "spent", NOW)
    assert len(meters) == 4


def test_where_all_have_used_the_same_one_of_them_makes_room() -> None:
    """The table never grows."""
    meters = RateMeters(4)
    for number in range(20):
        while take(meters, f"address {number}", NOW):
            pass
    assert len(meters) == 4
