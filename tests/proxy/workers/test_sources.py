"""Connections of a source are counted over all workers, and never too few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.processes.shared import SharedState
from proxy.workers.sources import SharedCounts

SECRET = b"a secret of the master's"


@pytest.fixture
def state() -> Iterator[SharedState]:
    made = SharedState.create(2)
    yield made
    made.close()


def test_workers_add_to_each_other(state: SharedState) -> None:
    """What one counts, the others see; what it takes back, too."""
    one, other = (SharedCounts(state, slot, 0, SECRET) for slot in range(2))
    one.enter("192.0.2.1")
    other.enter("192.0.2.1")
    assert one.count("192.0.2.1") == other.count("192.0.2.1") == 2
    assert one.count("192.0.2.2") == 0
    one.leave("192.0.2.1")
    assert other.count("192.0.2.1") == 1


def test_two_generations_in_a_slot_count_apart(state: SharedState) -> None:
    """During an upgrade, the worker before keeps its own."""
    before, after = (SharedCounts(state, 0, generation, SECRET) for generation in range(2))
    before.enter("a")
    after.enter("a")
    after.leave("a")
    assert after.count("a") == 1


def test_what_a_killed_worker_has_counted_ends_with_it(state: SharedState) -> None:
    """The master forgets it, and the next one in its slot begins with nothing."""
    SharedCounts(state, 1, 0, SECRET).enter("a")
    state.forget_counts(1, 0)
    again = SharedCounts(state, 1, 0, SECRET)
    assert again.count("a") == 0
    again.leave("a")
    assert again.count("a") == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 50), st.booleans()), max_size=200))
def test_a_count_is_never_too_low(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever comes and goes, and whichever names share a cell."""
    state = SharedState.create(2)
    workers = [SharedCounts(state, slot, 0, SECRET) for slot in range(2)]
    exact = [Counter[int](), Counter[int]()]
    for worker, source, enters in steps:
        if enters:
            workers[worker].enter(str(source))
            exact[worker][source] += 1
        elif exact[worker][source]:
            workers[worker].leave(str(source))
            exact[worker][source] -= 1
    for source in range(51):
        assert workers[0].count(str(source)) >= exact[0][source] + exact[1][source]
    del workers
