"""Records that a later version has written, with something in them that decides what they permit
and that this program does not know. Pure.

The rule that lives here: such a record permits nothing. Nodes are upgraded one by one, and one that
is older must not ignore a restriction that a newer one has made.

Tested in `tests/proxy/auth/test_records.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from proxy.domain.model import Account, Environment, Key, Membership, State

KNOWN: Final = 12
"""The schema of this program: a record that needs a later one is not understood."""

R = TypeVar("R")


def as_known(record: R) -> R | None:
    """The record as this program has to go by it: inactive where it is not understood, and None for
    a membership that is not. What is no record stays as it is."""
    match record:
        case Membership() if record.needs > KNOWN:
            return None
        case Account() | Environment() | Key() if record.needs > KNOWN:
            return replace(record, state=State.INACTIVE)
    return record
