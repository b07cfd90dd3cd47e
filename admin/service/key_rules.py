"""What a key may be: no stronger than the key that creates or changes it, and valid for no longer.
(The rules for imports are tested by tests/admin/api/test_import.py.)"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from admin.service.base import Caller, Edit, actions_for, require
from admin.service.errors import Refused
from admin.service.limit_rules import limits_for, require_within
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
from proxy.auth.password_hash import rounds_of, verify
from proxy.domain.limits import Limits
from proxy.domain.model import (
    Account,
    AccountKind,
    Action,
    Environment,
    Key,
    Role,
    State,
)
from proxy.domain.names import ACCESS_KEY
from proxy.domain.settings import DEFAULT_KEY_LIFETIME, MAXIMUM_KEY_LIFETIME, lifetime_of
from proxy.store.protocols import Reader

STRENGTHENING: Final = frozenset({Action.UPDATE, Action.ACTIVATE, Action.ROTATE})
"""Actions for which the presented key must be at least as strong as the key that they change."""

MAX_ROUNDS: Final = 14
"""The highest bcrypt cost of an imported hash: one check at cost 14 takes about a second."""
DAY: Final = 24 * 60 * 60 * 1000
"""Milliseconds."""
_BCRYPT: Final = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}").fullmatch


@dataclass(frozen=True, slots=True)
class NewKey:
    """The fields of a key to create."""

    name: str | None = None
    description: str | None = None
    role: Role | None = None
    expires: int | None = None
    """Milliseconds since the epoch."""
    never_expires: bool = False
    """Whether it has no expiry at all. Else, without `expires`, the settings give it one."""
    limits: Limits | None = None
    """None: those of the key that creates it."""


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """A credential from elsewhere, to go on with."""

    access_key: str
    secret_hash: bytes
    key: NewKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the store keeps of an access key and its secret key."""

    access_key: str
    secret_hash: bytes
    sealed: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a key, and what the caller may do with that owner's keys."""

    record: Account | Environment
    standing: Standing
    rights: Rights

    @property
    def environment(self) -> Environment | None:
        """The owner, where it is an environment."""
        return self.record if isinstance(self.record, Environment) else None


def owner_id_of(key: Key) -> int:
    """The id of the account or environment that a key belongs to, for both share one series."""
    return key.environment_id or key.account_id or 0


async def owner_of(reader: Reader, caller: Caller, owner_id: int) -> Owner:
    """The account or environment with this id, for both share one series. Raises `Refused`."""
    found = await owners_of(reader, caller, {owner_id})
    if owner_id not in found:
        raise Refused("NotFound")
    return found[owner_id]


async def owners_of(reader: Reader, caller: Caller, owner_ids: Collection[int]) -> dict[int, Owner]:
    """The accounts and environments with these ids, as far as they exist. The effort is that of two
    reads, however many ids there are."""
    found = await reader.get_owners(owner_ids)
    environments = [number for number, each in found.items() if isinstance(each, Environment)]
    memberships = await reader.get_memberships(caller.owner.id, environments)
    owners = {}
    for number, record in found.items():
        if isinstance(record, Account):
            standing, subject = standing_to_account(caller.owner, number), Subject.ACCOUNT_KEY
        else:
            membership = memberships.get(number)
            standing = standing_in_environment(caller.owner, number, membership)
            subject = Subject.ENVIRONMENT_KEY
        owners[number] = Owner(record, standing, rights(standing, caller.role, subject))
    return owners


def takes_keys(owner: Owner) -> bool:
    """Whether new keys can belong to it: not where it is removed."""
    return owner.record.state in {State.ACTIVE, State.INACTIVE}


def judge_new(
    caller: Caller, owner: Owner, new: NewKey, now: int, settings: Mapping[str, str]
) -> tuple[Role, int | None, Limits]:
    """Check that the caller may create this key. Returns its role, expiry and limits. Raises
    `Refused`.

    A role that is not given is the strongest that the caller can give, for an environment's key at
    most `member`. An expiry that is not given is the latest that caller and settings allow. Limits
    that are not given are the caller's. `now` and the expiry are in milliseconds since the epoch.
    """
    require(owner.rights, Right.CREATE)
    if not takes_keys(owner):
        raise Refused("NotFound")
    strongest = strongest_role(owner.standing, caller.role)
    default = strongest if owner.environment is None else strongest.weaker(Role.MEMBER)
    role = new.role or default
    expires = _expiry(caller, new, now, settings)
    limits = limits_for(caller, owner.record, new.limits)
    require_covered(caller, owner, role, expires, limits)
    return role, expires, limits


def _expiry(caller: Caller, new: NewKey, now: int, settings: Mapping[str, str]) -> int | None:
    if new.expires is None and not new.never_expires:
        return expiries(caller, now, settings).usual
    _check_expiry(new.expires, now, settings)
    return new.expires


class Expiries(NamedTuple):
    """When a new key may expire, in milliseconds since the epoch; None: never."""

    usual: int | None
    """Where its creator asks for nothing else."""
    latest: int | None


def expiries(caller: Caller, now: int, settings: Mapping[str, str]) -> Expiries:
    """What the caller and the settings allow for a key that is made at `now`."""
    longest = lifetime_of(MAXIMUM_KEY_LIFETIME, settings)
    usual = lifetime_of(DEFAULT_KEY_LIFETIME, settings)
    latest = _first(None if longest is None else now + longest, _latest_expiry(caller))
    return Expiries(_first(None if usual is None else now + usual, latest), latest)


def _first(*moments: int | None) -> int | None:
    return min((each for each in moments if each is not None), default=None)


def _check_expiry(expires: int | None, now: int, settings: Mapping[str, str]) -> None:
    """Raise `Refused` unless a key may expire then: in the future, and as soon as the setting
    says."""
    longest = lifetime_of(MAXIMUM_KEY_LIFETIME, settings)
    if expires is not None and expires <= now:
        raise Refused("MinLimitExceeded", "expires must be in the future", field="expires")
    if longest is not None and (expires is None or expires > now + longest):
        value = settings[MAXIMUM_KEY_LIFETIME]
        raise Refused("MaxLimitExceeded", f"a key is valid for {value} at most", field="expires")


def judge_edit(
    caller: Caller, owner: Owner, old: Key, edit: Edit, now: int, settings: Mapping[str, str]
) -> Edit:
    """Check that the caller may change `old` in this way. Returns what changes. Raises `Refused`.

    The expiry in a resource has whole seconds: a client that sends it back changes nothing.
    """
    changes = dict(edit)
    expires = changes.get("expires", old.expires)
    if _seconds(expires) == _seconds(old.expires):
        changes.pop("expires", None)
    else:
        _check_expiry(expires, now, settings)
    role, limits = changes.get("role", old.role), changes.get("limits", old.limits)
    require_covered(caller, owner, role, changes.get("expires", old.expires), limits)
    return changes


def _seconds(moment: int | None) -> int | None:
    return None if moment is None else moment // 1000


def require_covered(
    caller: Caller, owner: Owner, role: Role, expires: int | None, limits: Limits
) -> None:
    """Raise `Refused` where a key would be stronger than the presented one, valid for longer, or
    limited less."""
    if not strongest_role(owner.standing, caller.role).covers(role):
        raise Refused(
            "Forbidden",
            "a key cannot be stronger than the one that creates or changes it",
            field="role",
        )
    limit = _latest_expiry(caller)
    if limit is not None and (expires is None or expires > limit):
        raise Refused(
            "Forbidden",
            "a key cannot be valid for longer than the one that creates or changes it",
            field="expires",
        )
    require_within(caller, owner.record, limits)


def _latest_expiry(caller: Caller) -> int | None:
    """The latest expiry that the caller can give, None where it has no limit.

    An admin's key has none, even where it expires itself.
    """
    owner = caller.owner
    admin = isinstance(owner, Account) and owner.kind is AccountKind.ADMIN
    return None if admin else caller.expires


def actions_on(key: Key, caller: Caller, owner: Owner) -> tuple[Action, ...]:
    """The actions that the caller may do on `key` now."""
    actions = actions_for(key, owner.rights)
    try:
        require_covered(caller, owner, key.role, key.expires, key.limits)
    except Refused:
        return tuple(action for action in actions if action not in STRENGTHENING)
    return actions


def may_import(caller: Caller) -> bool:
    """Whether the caller may import credentials: only admins may, with a key of the role owner."""
    return general_standing(caller.owner) is Standing.ADMIN and caller.role is Role.OWNER


def check_import(caller: Caller, new: ImportedKey) -> None:
    """Check that the caller may import, and that `new` can be a key. Raises `Refused`."""
    if not may_import(caller):
        raise Refused("Forbidden", "only admins may import keys")
    if not ACCESS_KEY.fullmatch(new.access_key):
        detail = "an access key has 1 to 64 letters, digits and . _ @ + -"
        raise Refused("InvalidCharacters", detail, field="publicValue")
    if not _BCRYPT(new.secret_hash):
        detail = "the hash must be a bcrypt hash ($2a$, $2b$ or $2y$)"
        raise Refused("InvalidFormat", detail, field="secretHash")
    if not 4 <= rounds_of(new.secret_hash) <= MAX_ROUNDS:
        detail = f"the bcrypt cost must be 4 to {MAX_ROUNDS}"
        raise Refused("InvalidFormat", detail, field="secretHash")


async def check_not_empty(secret_hash: bytes) -> None:
    """Refuse the hash of an empty password, which the gateway would never accept. Takes as long as
    bcrypt does."""
    if await asyncio.to_thread(verify, b"", secret_hash):
        raise Refused("InvalidFormat", "the hash is of an empty password", field="secretHash")


@asynccontextmanager
async def keeping_an_admin(
    tx: Reader, subject: Account | Environment, now: int
) -> AsyncIterator[None]:
    """A context around a change of `subject` or one of its keys. Raises `Refused` at its end, where
    the change would lock all admins out.

    Afterwards some admin key must be valid for as long as one was before, or for another day: a key
    that is about to expire does not replace one that lasts. `now`: milliseconds since the epoch.
    """
    if not isinstance(subject, Account) or subject.kind is not AccountKind.ADMIN:
        yield
        return
    before = await tx.administered_until()
    yield
    if await tx.administered_until() < min(before, now + DAY):
        raise Refused("LastAdminKey")
