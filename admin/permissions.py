"""Who may do what in the office: two tables, and how to look something up in them. Pure.

The rule that lives here: a caller may do what their standing towards the subject allows and what
the role of the presented key allows, and no key that a caller makes is stronger than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

from proxy.model import Account, AccountKind, Act, Membership, Role


class Subject(Enum):
    """What is acted upon."""

    ACCOUNT = auto()
    ACCOUNT_KEY = auto()
    ENVIRONMENT = auto()
    ENVIRONMENT_KEY = auto()


class Right(Enum):
    """What may be done to a subject. Without SEE it is as if it were not there."""

    SEE = auto()
    CREATE = auto()
    EDIT = auto()
    LIFECYCLE = auto()
    """Activate, deactivate, remove."""


class Standing(Enum):
    """What a caller's account is to a subject."""

    ADMIN = auto()
    READ_ADMIN = auto()
    SELF = auto()
    """A user, towards its own account, its keys, and an environment yet to be made."""
    OWNER = auto()
    """This and the next three: a user, by its membership of the environment."""
    MEMBER = auto()
    RESTRICTED = auto()
    READONLY = auto()
    STRANGER = auto()


Rights: TypeAlias = frozenset[Right]

_ALL: Final[Rights] = frozenset(Right)
_SEE: Final[Rights] = frozenset({Right.SEE})
_NONE: Final[Rights] = frozenset()
_CREATE: Final[Rights] = frozenset({Right.CREATE})
_LOOK_AFTER: Final[Rights] = frozenset({Right.SEE, Right.EDIT, Right.LIFECYCLE})

_COLUMNS: Final = (
    Subject.ACCOUNT,
    Subject.ACCOUNT_KEY,
    Subject.ENVIRONMENT,
    Subject.ENVIRONMENT_KEY,
)


def _row(*cells: Rights) -> Mapping[Subject, Rights]:
    return dict(zip(_COLUMNS, cells, strict=True))


BY_STANDING: Final[Mapping[Standing, Mapping[Subject, Rights]]] = {
    #                            account   its keys   environment   its keys
    Standing.ADMIN: _row(        _ALL,     _ALL,      _ALL,         _ALL),
    Standing.READ_ADMIN: _row(   _SEE,     _SEE,      _SEE,         _SEE),
    Standing.SELF: _row(         _SEE,     _ALL,      _CREATE,      _NONE),
    Standing.OWNER: _row(        _NONE,    _NONE,     _LOOK_AFTER,  _ALL),
    Standing.MEMBER: _row(       _NONE,    _NONE,     _SEE,         _ALL),
    Standing.RESTRICTED: _row(   _NONE,    _NONE,     _SEE,         _SEE),
    Standing.READONLY: _row(     _NONE,    _NONE,     _SEE,         _SEE),
    Standing.STRANGER: _row(     _NONE,    _NONE,     _NONE,        _NONE),
}  # fmt: skip
"""What the caller's account may do."""

BY_PRESENTED_ROLE: Final[Mapping[Role, Mapping[Subject, Rights]]] = {
    #                            account   its keys   environment   its keys
    Role.OWNER: _row(            _ALL,     _ALL,      _ALL,         _ALL),
    Role.MEMBER: _row(           _SEE,     _ALL,      _SEE,         _ALL),
    Role.RESTRICTED: _row(       _SEE,     _SEE,      _SEE,         _SEE),
    Role.READONLY: _row(         _SEE,     _SEE,      _SEE,         _SEE),
}  # fmt: skip
"""What of it the presented key may do."""

RIGHT_OF: Final[Mapping[Act, Right]] = {
    Act.UPDATE: Right.EDIT,
    Act.ACTIVATE: Right.LIFECYCLE,
    Act.DEACTIVATE: Right.LIFECYCLE,
    Act.REMOVE: Right.LIFECYCLE,
}
"""The right that an act takes. The office does not offer the acts that are not here."""

_BY_MEMBERSHIP: Final[Mapping[Role, Standing]] = {
    Role.OWNER: Standing.OWNER,
    Role.MEMBER: Standing.MEMBER,
    Role.RESTRICTED: Standing.RESTRICTED,
    Role.READONLY: Standing.READONLY,
}


def rights(standing: Standing, presented: Role, subject: Subject) -> Rights:
    """What somebody of `standing`, with a key of role `presented`, may do to a `subject`."""
    return BY_STANDING[standing][subject] & BY_PRESENTED_ROLE[presented][subject]


def standing_to_account(caller: Account, account_id: int) -> Standing:
    """The standing of `caller` towards an account and its keys."""
    if caller.kind is AccountKind.USER:
        return Standing.SELF if caller.id == account_id else Standing.STRANGER
    return Standing.ADMIN if caller.kind is AccountKind.ADMIN else Standing.READ_ADMIN


def standing_in_environment(caller: Account, membership: Membership | None) -> Standing:
    """The standing of `caller`, with this membership, towards an environment and its keys."""
    if caller.kind is not AccountKind.USER:
        return standing_to_account(caller, caller.id)
    return _BY_MEMBERSHIP[membership.role] if membership else Standing.STRANGER


def strongest_role(standing: Standing, presented: Role) -> Role:
    """The strongest role that a key can have which somebody of `standing` makes."""
    for role, member in _BY_MEMBERSHIP.items():
        if member is standing:
            return presented.weaker(role)
    return presented
