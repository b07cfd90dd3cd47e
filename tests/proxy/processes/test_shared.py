"""Memory that processes share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.processes.shared import SharedState


@pytest.fixture
def state() -> Iterator[SharedState]:
    made = SharedState.create(3)
    yield made
    made.close()


def test_new_cells_are_0(state: SharedState) -> None:
    """Nothing is announced, nothing is fresh, and nobody has beaten."""
    assert state.announced == 0
    assert state.fresh_until == 0.0
    assert state.keeper_beat == 0.0
    assert [state.beat(slot) for slot in range(state.slots)] == [0.0, 0.0, 0.0]


def test_what_is_written_by_one_handle_is_read_by_another(state: SharedState) -> None:
    """The handle is all that a process needs to see the same cells, with every cell apart."""
    other = SharedState(os.dup(state.fd), 3)
    other.announced = 2**62
    other.fresh_until = float("inf")
    other.keeper_beat = 1.5
    other.set_beat(2, 2.5)
    other.close()
    assert (state.announced, state.fresh_until, state.keeper_beat) == (2**62, float("inf"), 1.5)
    assert [state.beat(slot) for slot in range(3)] == [0.0, 0.0, 2.5]


def test_nobody_can_make_the_memory_shorter(state: SharedState) -> None:
    """That would end every process that reads what is gone."""
    with pytest.raises(PermissionError):
        os.ftruncate(state.fd, 0)


def test_what_one_worker_counts_is_forgotten_apart_from_the_others(state: SharedState) -> None:
    """Of one slot and one generation."""
    for slot, generation in ((0, 0), (0, 1), (1, 0)):
        state.counts(slot, generation)[5] = 7
    state.forget_counts(0, 1)
    left = [state.counts(*place)[5] for place in ((0, 0), (0, 1), (1, 0))]
    assert left == [7, 0, 7]
