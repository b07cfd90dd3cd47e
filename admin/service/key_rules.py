"""What a key may be: no stronger and no longer lived than the one that makes or changes it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from admin.service.base import Caller, actions_for, demand
from admin.service.errors import Refused
from admin.service.permissions import (
    Right,
    Rights,
    Standing,
    Subject,
    general_standing,
    rights,
    standing_in_environment,
    standing_to_account,
    strongest_role,
)
from proxy.domain.model import (
    ACCESS_KEY,
    Account,
    AccountKind,
    Action,
    Environment,
    Key,
    Role,
    State,
)
from proxy.domain.secret import rounds_of
from proxy.domain.settings import DEFAULT_KEY_LIFETIME, MAXIMUM_KEY_LIFETIME, lifetime_of
from proxy.store.protocols import Reader

STRENGTHENING: Final = frozenset({Action.UPDATE, Action.ACTIVATE, Action.ROTATE})
"""Acts for which the presented key must be as strong as the one that is acted upon."""

MAX_ROUNDS: Final = 14
"""The highest bcrypt cost that is imported: one check at 14 takes about a second."""
DAY: Final = 24 * 60 * 60 * 1000
"""Milliseconds."""
_BCRYPT: Final = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}").fullmatch


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked of a key that is to be made."""

    name: str | None = None
    description: str | None = None
    role: Role | None = None
    expires: int | None = None
    """Milliseconds since the epoch."""
    for_ever: bool = False
    """Whether it is to have no expiry, rather than the one that the settings give."""


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """A credential that was made elsewhere."""

    access_key: str
    secret_hash: bytes
    key: NewKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is kept of a pair of access key and secret key."""

    access_key: str
    secret_hash: bytes
    sealed: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose keys are meant, and how the caller stands towards them."""

    record: Account | Environment
    standing: Standing
    rights: Rights

    @property
    def environment(self) -> Environment | None:
        """It, where it is an environment."""
        return self.record if isinstance(self.record, Environment) else None


async def owner_of(reader: Reader, caller: Caller, owner_id: int) -> Owner:
    """The account or environment with this id: they share one series. Raises `Refused`."""
    account = await reader.get_account(owner_id)
    if account is not None:
        standing = standing_to_account(caller.owner, account.id)
        return Owner(account, standing, rights(standing, caller.key.role, Subject.ACCOUNT_KEY))
    environment = await reader.get_environment(owner_id)
    if environment is None:
        raise Refused("NotFound")
    membership = await reader.get_membership(caller.owner.id, environment.id)
    standing = standing_in_environment(caller.owner, environment.id, membership)
    return Owner(environment, standing, rights(standing, caller.key.role, Subject.ENVIRONMENT_KEY))


def judge_new(
    caller: Caller, owner: Owner, new: NewKey, now: int, settings: Mapping[str, str]
) -> tuple[Role, int | None]:
    """Whether the caller may make this key, and the role and expiry that it gets. Raises `Refused`.

    What is not asked for is the most that the caller can give, but for a key of an environment no
    more than a member, and for no longer than the settings say.
    """
    demand(owner.rights, Right.CREATE)
    if owner.record.state not in {State.ACTIVE, State.INACTIVE}:
        raise Refused("NotFound")
    strongest = strongest_role(owner.standing, caller.key.role)
    default = strongest if owner.environment is None else strongest.weaker(Role.MEMBER)
    role = new.role or default
    expires = _expiry(caller, new, now, settings)
    demand_cover(caller, owner, role, expires)
    return role, expires


def _expiry(caller: Caller, new: NewKey, now: int, settings: Mapping[str, str]) -> int | None:
    longest = lifetime_of(MAXIMUM_KEY_LIFETIME, settings)
    latest = None if longest is None else now + longest
    if new.expires is None and not new.for_ever:
        usual = lifetime_of(DEFAULT_KEY_LIFETIME, settings)
        wanted = (None if usual is None else now + usual, latest, _longest_lived(caller))
        return min((each for each in wanted if each is not None), default=None)
    if new.expires is not None and new.expires <= now:
        raise Refused("MinLimitExceeded", "expires must be in the future", field="expires")
    if latest is not None and (new.expires is None or new.expires > latest):
        value = settings[MAXIMUM_KEY_LIFETIME]
        raise Refused("MaxLimitExceeded", f"keys last {value} at most", field="expires")
    return new.expires


def demand_cover(caller: Caller, owner: Owner, role: Role, expires: int | None) -> None:
    """Let pass a key no stronger and no longer lived than the presented one. Raises `Refused`."""
    if not strongest_role(owner.standing, caller.key.role).covers(role):
        raise Refused("Forbidden", "a key cannot be stronger than its maker", field="role")
    limit = _longest_lived(caller)
    if limit is not None and (expires is None or expires > limit):
        raise Refused("Forbidden", "a key cannot outlive its maker", field="expires")


def _longest_lived(caller: Caller) -> int | None:
    """The latest expiry that the caller can give. An admin's key may expire and still make keys
    that do not."""
    owner = caller.owner
    admin = isinstance(owner, Account) and owner.kind is AccountKind.ADMIN
    return None if admin else caller.key.expires


def acts_on(key: Key, caller: Caller, owner: Owner) -> tuple[Action, ...]:
    """What the caller may do to `key` now."""
    actions = actions_for(key, owner.rights)
    try:
        demand_cover(caller, owner, key.role, key.expires)
    except Refused:
        return tuple(action for action in actions if action not in STRENGTHENING)
    return actions


def may_import(caller: Caller) -> bool:
    """Whether the caller may bring credentials that were made elsewhere: admins alone."""
    return general_standing(caller.owner) is Standing.ADMIN and caller.key.role is Role.OWNER


def checked_import(caller: Caller, new: ImportedKey) -> None:
    """Let pass what an admin brings, if it can be a key. Raises `Refused`."""
    if not may_import(caller):
        raise Refused("Forbidden", "only admins import keys")
    if not ACCESS_KEY.fullmatch(new.access_key):
        detail = "an access key is 1 to 64 letters, digits and . _ @ + -"
        raise Refused("InvalidCharacters", detail, field="publicValue")
    if not _BCRYPT(new.secret_hash):
        detail = "the hash is not one of bcrypt ($2a$, $2b$ or $2y$)"
        raise Refused("InvalidFormat", detail, field="secretHash")
    if not 4 <= rounds_of(new.secret_hash) <= MAX_ROUNDS:
        detail = f"a bcrypt cost of 4 to {MAX_ROUNDS} is taken"
        raise Refused("InvalidFormat", detail, field="secretHash")


@asynccontextmanager
async def keeping_an_admin(
    tx: Reader, subject: Account | Environment, now: int
) -> AsyncIterator[None]:
    """Around a change of `subject` or of a key of its: afterwards somebody can administer for as
    long as before, or for another day. Raises `Refused`.

    So a key that is about to expire does not stand in for one that lasts.
    """
    if not isinstance(subject, Account) or subject.kind is not AccountKind.ADMIN:
        yield
        return
    before = await tx.administered_until()
    yield
    if await tx.administered_until() < min(before, now + DAY):
        raise Refused("LastAdminKey")
