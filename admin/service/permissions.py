"""Who may do what in the admin API: two tables, and the functions that look rights up. Pure.

The rule that lives here: a caller may do what both its standing towards a subject and the role of
the presented key allow, and whatever it creates is no stronger than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

from proxy.domain.model import Account, AccountKind, Action, Environment, Membership, Role


class Subject(Enum):
    """A type of thing that rights are about."""

    ACCOUNT = auto()
    ACCOUNT_KEY = auto()
    ENVIRONMENT = auto()
    ENVIRONMENT_KEY = auto()
    MEMBER = auto()
    SETTING = auto()
    AUDIT = auto()
    WEBHOOK = auto()
    """The messages to webhooks. To create one is to send a test; to edit one, to send it again."""


class Right(Enum):
    """What may be done with a subject. Without SEE it looks as if it did not exist."""

    SEE = auto()
    CREATE = auto()
    EDIT = auto()
    """Change its fields; of a key, its secret too."""
    LIFECYCLE = auto()
    """Activate, deactivate, remove, purge."""


class Standing(Enum):
    """How a caller is related to a subject."""

    ADMIN = auto()
    READ_ADMIN = auto()
    SELF = auto()
    """A user, to its own account, that account's keys, and an environment to be created."""
    OWNER = auto()
    """OWNER to READONLY: a user, by the role of its membership in the environment."""
    MEMBER = auto()
    RESTRICTED = auto()
    READONLY = auto()
    KEY = auto()
    """An environment's key, to its environment."""
    NONE = auto()
    """No relation to the subject."""


Rights: TypeAlias = frozenset[Right]

_ALL: Final[Rights] = frozenset(Right)
_SEE: Final[Rights] = frozenset({Right.SEE})
_NONE: Final[Rights] = frozenset()
_CREATE: Final[Rights] = frozenset({Right.CREATE})
_EDIT: Final[Rights] = frozenset({Right.SEE, Right.EDIT})
_USE: Final[Rights] = frozenset({Right.SEE, Right.CREATE, Right.EDIT})
_MANAGE: Final[Rights] = frozenset({Right.SEE, Right.EDIT, Right.LIFECYCLE})


def _row(*cells: Rights) -> Mapping[Subject, Rights]:
    return dict(zip(Subject, cells, strict=True))


BY_STANDING: Final[Mapping[Standing, Mapping[Subject, Rights]]] = {
    # in turn: account, its keys, environment, its keys, members, setting, audit, webhook
    Standing.ADMIN: _row(         _ALL,   _ALL,   _ALL,   _ALL,   _ALL,   _EDIT,  _SEE,   _USE),
    Standing.READ_ADMIN: _row(    _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE),
    Standing.SELF: _row(          _SEE,   _ALL,   _CREATE, _NONE,  _NONE,  _NONE,  _NONE,  _NONE),
    Standing.OWNER: _row(         _NONE,  _NONE,  _MANAGE, _ALL,   _ALL,   _NONE,  _NONE,  _NONE),
    Standing.MEMBER: _row(        _NONE,  _NONE,  _SEE,   _ALL,   _SEE,   _NONE,  _NONE,  _NONE),
    Standing.RESTRICTED: _row(    _NONE,  _NONE,  _SEE,   _SEE,   _SEE,   _NONE,  _NONE,  _NONE),
    Standing.READONLY: _row(      _NONE,  _NONE,  _SEE,   _SEE,   _SEE,   _NONE,  _NONE,  _NONE),
    Standing.KEY: _row(           _NONE,  _NONE,  _SEE,   _SEE,   _SEE,   _NONE,  _NONE,  _NONE),
    Standing.NONE: _row(          _NONE,  _NONE,  _NONE,  _NONE,  _NONE,  _NONE,  _NONE,  _NONE),
}  # fmt: skip
"""What a standing allows."""

BY_PRESENTED_ROLE: Final[Mapping[Role, Mapping[Subject, Rights]]] = {
    # in turn: account, its keys, environment, its keys, members, setting, audit, webhook
    Role.OWNER: _row(             _ALL,   _ALL,   _ALL,   _ALL,   _ALL,   _ALL,   _ALL,   _ALL),
    Role.MEMBER: _row(            _SEE,   _ALL,   _SEE,   _ALL,   _SEE,   _SEE,   _SEE,   _SEE),
    Role.RESTRICTED: _row(        _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE),
    Role.READONLY: _row(          _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE,   _SEE),
}  # fmt: skip
"""What the role of the presented key allows."""

RIGHT_OF: Final[Mapping[Action, Right]] = {
    Action.UPDATE: Right.EDIT,
    Action.ROTATE: Right.EDIT,
    Action.ACTIVATE: Right.LIFECYCLE,
    Action.DEACTIVATE: Right.LIFECYCLE,
    Action.REMOVE: Right.LIFECYCLE,
    Action.PURGE: Right.LIFECYCLE,
}
"""The right that an action needs."""

_BY_MEMBERSHIP: Final[Mapping[Role, Standing]] = {
    Role.OWNER: Standing.OWNER,
    Role.MEMBER: Standing.MEMBER,
    Role.RESTRICTED: Standing.RESTRICTED,
    Role.READONLY: Standing.READONLY,
}


def rights(standing: Standing, presented: Role, subject: Subject) -> Rights:
    """The rights to a subject of a caller with this standing and a key of the role `presented`."""
    return BY_STANDING[standing][subject] & BY_PRESENTED_ROLE[presented][subject]


def general_standing(caller: Account | Environment) -> Standing:
    """The standing of the presented key's owner to subjects in general: an admin's, or none."""
    if not isinstance(caller, Account) or caller.kind is AccountKind.USER:
        return Standing.NONE
    return Standing.ADMIN if caller.kind is AccountKind.ADMIN else Standing.READ_ADMIN


def standing_to_account(caller: Account | Environment, account_id: int) -> Standing:
    """The standing of the presented key's owner to an account and that account's keys."""
    general = general_standing(caller)
    own = isinstance(caller, Account) and caller.id == account_id
    return Standing.SELF if own and general is Standing.NONE else general


def standing_in_environment(
    caller: Account | Environment, environment_id: int, membership: Membership | None
) -> Standing:
    """The standing of the presented key's owner to an environment, its keys and its members.

    `membership` is the owner's own in that environment.
    """
    if not isinstance(caller, Account):
        return Standing.KEY if caller.id == environment_id else Standing.NONE
    general = general_standing(caller)
    if membership is None or general is not Standing.NONE:
        return general
    return _BY_MEMBERSHIP[membership.role]


def strongest_role(standing: Standing, presented: Role) -> Role:
    """The strongest role that a caller can give, with a key of the role `presented`."""
    for role, member in _BY_MEMBERSHIP.items():
        if member is standing:
            return presented.weaker(role)
    return presented
