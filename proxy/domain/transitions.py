"""What can be done to a record in each of its states. Pure.

Tested in `tests/proxy/domain/test_transitions.py`.
"""

from __future__ import annotations

from typing import Final

from proxy.domain.errors import ActionNotAvailable
from proxy.domain.model import Action, State

TRANSITIONS: Final[dict[tuple[State, Action], State]] = {
    (State.ACTIVE, Action.UPDATE): State.ACTIVE,
    (State.ACTIVE, Action.ROTATE): State.ACTIVE,
    (State.ACTIVE, Action.DEACTIVATE): State.INACTIVE,
    (State.INACTIVE, Action.UPDATE): State.INACTIVE,
    (State.INACTIVE, Action.ROTATE): State.INACTIVE,
    (State.INACTIVE, Action.ACTIVATE): State.ACTIVE,
    (State.INACTIVE, Action.REMOVE): State.REMOVED,
    (State.REMOVED, Action.PURGE): State.PURGED,
}
"""(state, action) → the next state. An action that is not here is not available: only an inactive
record can be removed."""


def next_state(state: State, action: Action) -> State:
    """The state of a record in `state` after `action`. Raises `ActionNotAvailable`."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise ActionNotAvailable(state, action) from None


def actions_of(state: State) -> tuple[Action, ...]:
    """The actions available in `state`, in the order of the table."""
    return tuple(action for (origin, action) in TRANSITIONS if origin is state)
