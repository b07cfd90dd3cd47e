"""What can be done to a record in each state."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import ActionNotAvailable
from proxy.domain.model import Action, State
from proxy.domain.transitions import actions_of, next_state

DONE = {
    Action.UPDATE: "edited",
    Action.ACTIVATE: "activated",
    Action.DEACTIVATE: "deactivated",
    Action.ROTATE: "rotated",
    Action.REMOVE: "removed",
    Action.PURGE: "purged",
}


@pytest.mark.parametrize(("state", "action"), [*product(State, Action)])
def test_an_action_is_available_exactly_where_it_leads_to_a_state(
    state: State, action: Action
) -> None:
    """`actions_of` and `next_state` agree, and the refusal says what was refused."""
    if action in actions_of(state):
        next_state(state, action)
        return
    with pytest.raises(ActionNotAvailable) as caught:
        next_state(state, action)
    assert (caught.value.state, caught.value.action) == (state, action)
    assert str(caught.value) == f"what is {state} cannot be {DONE[action]}"


def test_only_an_inactive_record_can_be_removed_and_only_a_removed_one_purged() -> None:
    """Nothing brings a removed record back."""
    assert [state for state in State if Action.REMOVE in actions_of(state)] == [State.INACTIVE]
    assert actions_of(State.REMOVED) == (Action.PURGE,)
    assert actions_of(State.PURGED) == ()


@given(st.lists(st.sampled_from(Action), max_size=12))
def test_no_sequence_of_actions_leads_from_removed_to_active(actions: list[Action]) -> None:
    """Actions that are not available are skipped, as a client is refused them."""
    state = State.REMOVED
    for action in actions:
        if action in actions_of(state):
            state = next_state(state, action)
    assert state in {State.REMOVED, State.PURGED}
