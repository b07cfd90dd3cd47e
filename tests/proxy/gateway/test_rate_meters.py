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


def test_many_addresses_do_not_renew_a_rate_that_is_used_up() -> None:
    """In a full table, who has used the least makes room."""
    meters = RateMeters(4)
    assert [take(meters, "spent", NOW) for _ in range(4)] == [True, True, True, False]
    for number in range(6):
        assert take(meters, f"other {number}", NOW)
        assert not take(meters, "spent", NOW)
    assert len(meters) == 4


@pytest.mark.parametrize("burst", [1, 3])
def test_however_many_addresses_come_in_turn_none_gets_more_than_its_rate(burst: int) -> None:
    """Whoever has more addresses than the table has places does not find them all fresh again each
    time. Who comes anew meanwhile begins with what the one had used that made room."""
    meters, rate, passed = RateMeters(4), Rate.parse("1/min", burst), 0
    for step in range(500):
        passed += take(meters, f"address {step % 5}", NOW + step * SECOND // 10, rate)
    assert passed <= 5 * burst
    assert len(meters) <= 4
    assert take(meters, "new", NOW + 50 * SECOND + rate.burst * 60 * SECOND, rate)


@given(
    steps=st.lists(st.tuples(st.integers(0, 2 * SECOND), st.sampled_from("abcdefgh")), max_size=80),
    most=st.integers(1, 4),
)
def test_a_full_table_never_lets_more_through_than_a_large_one(
    steps: list[tuple[int, str]], most: int
) -> None:
    """Of each subject's requests: in every stretch of time, no more pass than its rate gives."""
    meters, truth, now = RateMeters(most), RateMeters(), NOW
    for gap, subject in steps:
        now += gap
        meters.forget_full(now)
        if take(meters, subject, now):
            assert take(truth, subject, now)
        assert len(meters) <= most


def test_a_table_is_in_use_until_nobody_may_have_used_anything() -> None:
    """Also where all who are in it have a full rate again. Then it is as good as new."""
    meters = RateMeters(1)
    assert not meters
    for number in range(3):
        take(meters, f"address {number}", NOW)
    assert meters
    meters.forget_full(NOW + 10 * SECOND)
    assert not meters
    assert [take(meters, "address 9", NOW + 10 * SECOND) for _ in range(4)] == [True] * 3 + [False]
