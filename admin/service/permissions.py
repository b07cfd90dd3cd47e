"""Who may do what in the admin server: two tables, and how to look something up in them. Pure.

The rule that lives here: a caller may do what their standing towards the subject allows and what
the role of the presented key allows, and nothing that a caller makes is stronger than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

from proxy.domain.model import Account, AccountKind, Action, Environment, Membership, Role


class Subject(Enum):
    """What is acted upon."""

    ACCOUNT = auto()
    ACCOUNT_KEY = auto()
    ENVIRONMENT = auto()
    ENVIRONMENT_KEY = auto()
    MEMBER = auto()
    SETTING = auto()
    AUDIT = auto()


class Right(Enum):
    """What may be done to a subject. Without SEE it is as if it were not there."""

    SEE = auto()
    CREATE = auto()
    EDIT = auto()
    """For keys, to rotate too."""
    LIFECYCLE = auto()
    """Activate, deactivate, remove, purge."""


class Standing(Enum):
    """What a caller is to a subject."""

    ADMIN = auto()
    READ_ADMIN = auto()
    SELF = auto()
    """A user, towards its own account, its keys, and an environment yet to be made."""
    OWNER = auto()
    """This and the next three: a user, by its membership of the environment."""
    MEMBER = auto()
    RESTRICTED = auto()
    READONLY = auto()
    KEY = auto()
    """An environment's key, towards its environment."""
    STRANGER = auto()


Rights: TypeAlias = frozenset[Right]

_ALL: Final[Rights] = frozenset(Right)
_SEE: Final[Rights] = frozenset({Right.SEE})
_NONE: Final[Rights] = frozenset()
_CREATE: Final[Rights] = frozenset({Right.CREATE})
_EDIT: Final[Rights] = frozenset({Right.SEE, Right.EDIT})
_TEND: Final[Rights] = frozenset({Right.SEE, Right.EDIT, Right.LIFECYCLE})


def _row(*cells: Rights) -> Mapping[Subject, Rights]:
    return dict(zip(Subject, cells, strict=True))


BY_STANDING: Final[Mapping[Standing, Mapping[Subject, Rights]]] = {
    #                          account  its keys environment its keys members  setting  audit
    Standing.ADMIN: _row(      _ALL,    _ALL,    _ALL,       _ALL,    _ALL,    _EDIT,   _SEE),
    Standing.READ_ADMIN: _row( _SEE,    _SEE,    _SEE,       _SEE,    _SEE,    _SEE,    _SEE),
    Standing.SELF: _row(       _SEE,    _ALL,    _CREATE,    _NONE,   _NONE,   _NONE,   _NONE),
    Standing.OWNER: _row(      _NONE,   _NONE,   _TEND,      _ALL,    _ALL,    _NONE,   _NONE),
    Standing.MEMBER: _row(     _NONE,   _NONE,   _SEE,       _ALL,    _SEE,    _NONE,   _NONE),
    Standing.RESTRICTED: _row( _NONE,   _NONE,   _SEE,       _SEE,    _SEE,    _NONE,   _NONE),
    Standing.READONLY: _row(   _NONE,   _NONE,   _SEE,       _SEE,    _SEE,    _NONE,   _NONE),
    Standing.KEY: _row(        _NONE,   _NONE,   _SEE,       _SEE,    _SEE,    _NONE,   _NONE),
    Standing.STRANGER: _row(   _NONE,   _NONE,   _NONE,      _NONE,   _NONE,   _NONE,   _NONE),
}  # fmt: skip
"""What the caller may do."""

BY_PRESENTED_ROLE: Final[Mapping[Role, Mapping[Subject, Rights]]] = {
    #                          account  its keys environment its keys members  setting  audit
    Role.OWNER: _row(          _ALL,    _ALL,    _ALL,       _ALL,    _ALL,    _ALL,    _ALL),
    Role.MEMBER: _row(         _SEE,    _ALL,    _SEE,       _ALL,    _SEE,    _SEE,    _SEE),
    Role.RESTRICTED: _row(     _SEE,    _SEE,    _SEE,       _SEE,    _SEE,    _SEE,    _SEE),
    Role.READONLY: _row(       _SEE,    _SEE,    _SEE,       _SEE,    _SEE,    _SEE,    _SEE),
}  # fmt: skip
"""What of it the presented key may do."""

RIGHT_OF: Final[Mapping[Action, Right]] = {
    Action.UPDATE: Right.EDIT,
    Action.ROTATE: Right.EDIT,
    Action.ACTIVATE: Right.LIFECYCLE,
    Action.DEACTIVATE: Right.LIFECYCLE,
    Action.REMOVE: Right.LIFECYCLE,
    Action.PURGE: Right.LIFECYCLE,
}
"""The right that an act takes."""

_BY_MEMBERSHIP: Final[Mapping[Role, Standing]] = {
    Role.OWNER: Standing.OWNER,
    Role.MEMBER: Standing.MEMBER,
    Role.RESTRICTED: Standing.RESTRICTED,
    Role.READONLY: Standing.READONLY,
}


def rights(standing: Standing, presented: Role, subject: Subject) -> Rights:
    """What somebody of `standing`, with a key of role `presented`, may do to a `subject`."""
    return BY_STANDING[standing][subject] & BY_PRESENTED_ROLE[presented][subject]


def general_standing(caller: Account | Environment) -> Standing:
    """The standing of the owner of the presented key towards what is nobody's in particular."""
    if not isinstance(caller, Account) or caller.kind is AccountKind.USER:
        return Standing.STRANGER
    return Standing.ADMIN if caller.kind is AccountKind.ADMIN else Standing.READ_ADMIN


def standing_to_account(caller: Account | Environment, account_id: int) -> Standing:
    """The standing of the owner of the presented key towards an account and its keys."""
    general = general_standing(caller)
    own = isinstance(caller, Account) and caller.id == account_id
    return Standing.SELF if own and general is Standing.STRANGER else general


def standing_in_environment(
    caller: Account | Environment, environment_id: int, membership: Membership | None
) -> Standing:
    """The standing of the owner of the presented key towards an environment, its keys and its
    members; `membership` is the account's in it."""
    if not isinstance(caller, Account):
        return Standing.KEY if caller.id == environment_id else Standing.STRANGER
    general = general_standing(caller)
    if membership is None or general is not Standing.STRANGER:
        return general
    return _BY_MEMBERSHIP[membership.role]


def strongest_role(standing: Standing, presented: Role) -> Role:
    """The strongest role that somebody of `standing` can give."""
    for role, member in _BY_MEMBERSHIP.items():
        if member is standing:
            return presented.weaker(role)
    return presented
