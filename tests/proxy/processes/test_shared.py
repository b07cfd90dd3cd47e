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
