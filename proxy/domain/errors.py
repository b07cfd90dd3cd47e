"""The errors that all of Wardgate knows. Pure.

Tested by the tests of what raises them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.domain.model import Action, State


class WardgateError(Exception):
    """Base of the errors that this project raises on purpose. The message is fit for users."""


def participle(action: Action) -> str:
    """What an action does to a record, as in “a key is edited”."""
    return "edited" if action == "update" else f"{action.removesuffix('e')}ed"


class ActionNotAvailable(WardgateError):
    """The record's state does not allow this action."""

    def __init__(self, state: State, action: Action) -> None:
        super().__init__(f"what is {state} cannot be {participle(action)}")
        self.state = state
        self.action = action


class StoreUnavailable(WardgateError):
    """The store could not answer, so nothing is known about the record."""


class Unreadable(StoreUnavailable):
    """The record is there, and cannot be read: it was damaged, or written by somebody else."""


class ListTooCostly(WardgateError):
    """Reading a page of a list took too long and was given up."""


class Busy(WardgateError):
    """More credentials wait to be verified than can be verified soon."""


class NotUnique(WardgateError):
    """A value that must be unique is taken."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
