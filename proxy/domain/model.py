"""The records (accounts, environments, memberships, keys), and why a request is denied.

Standard library only: this file knows nothing of HTTP, of the store or of the servers.
Records are immutable. Times are whole milliseconds since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from proxy.domain.limits import NONE, Limits
from proxy.domain.reasons import GUESSED, BaseReason
from proxy.domain.rotation import NEVER_ROTATED, Rotation

# --- state ---------------------------------------------------------------------------------------


class State(StrEnum):
    """The state of a key, an account or an environment."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    REMOVED = "removed"
    PURGED = "purged"


class Action(StrEnum):
    """What can be done to a record. The values are the names of the actions on the wire."""

    UPDATE = "update"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    REMOVE = "remove"
    PURGE = "purge"
    ROTATE = "rotate"
    """Give a key a second secret. Only keys have this action."""


# --- rights --------------------------------------------------------------------------------------


class AccountKind(StrEnum):
    """What an account may reach: everything, the environments of its memberships, or everything for
    reading only."""

    ADMIN = "admin"
    USER = "user"
    READ_ADMIN = "readAdmin"


class Role(StrEnum):
    """What a key or a membership allows, strongest first."""

    OWNER = "owner"
    MEMBER = "member"
    RESTRICTED = "restricted"
    """As `member`, but may not make or change keys."""
    READONLY = "readonly"

    def weaker(self, other: Role) -> Role:
        """The weaker of two roles."""
        return self if _STRENGTH[self] <= _STRENGTH[other] else other

    def covers(self, other: Role) -> bool:
        """Whether this role is at least as strong as `other`."""
        return _STRENGTH[self] >= _STRENGTH[other]


_STRENGTH: Final = {role: strength for strength, role in enumerate(reversed(Role))}


# --- records -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """The person or program that keys act for."""

    id: int
    uuid: str
    kind: AccountKind
    name: str
    description: str | None
    state: State
    created: int
    removed: int | None = None
    limits: Limits = NONE
    """Of all its keys together."""
    needs: int = 0
    """The schema that a program has to know to go by it (`proxy.domain.needs`), as for all
    records."""

    @property
    def ref(self) -> str:
        """The id on the wire. Accounts and environments share one series of numbers."""
        return f"1a{self.id}"


@dataclass(frozen=True, slots=True)
class Environment:
    """A part of the upstream that a key can be tied to; `slug` stands for it in URL paths."""

    id: int
    uuid: str
    slug: str
    name: str
    description: str | None
    state: State
    created: int
    removed: int | None = None
    limits: Limits = NONE
    """Of all its keys, and of all keys that act in it, together."""
    needs: int = 0

    @property
    def ref(self) -> str:
        """The id on the wire. Accounts and environments share one series of numbers."""
        return f"1a{self.id}"


@dataclass(frozen=True, slots=True)
class Membership:
    """An account's role in an environment."""

    id: int
    account_id: int
    environment_id: int
    role: Role
    created: int
    needs: int = 0

    @property
    def ref(self) -> str:
        """The id on the wire."""
        return f"1m{self.id}"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. It belongs to an account or to an environment, never to both."""

    id: int
    uuid: str
    access_key: str
    secret_hash: bytes
    """bcrypt, `$2b$…`: the only form in which a secret is kept."""
    sealed: bool
    """Whether the secret carries a seal of this store. Only imported credentials do not."""
    account_id: int | None
    environment_id: int | None
    creator_id: int | None
    """The account that made it; None for the first key."""
    role: Role
    name: str | None
    description: str | None
    state: State
    created: int
    expires: int | None = None
    removed: int | None = None
    previous_hash: bytes | None = None
    """The secret before the last rotation, still good until `previous_until`."""
    previous_sealed: bool = True
    previous_until: int | None = None
    quiet: int | None = None
    """For how many milliseconds that secret has to go unused before it ends early, if ever."""
    last_used: int | None = None
    """This field and the next two are as usage was last written. No decision reads them."""
    last_used_address: str | None = None
    use_count: int = 0
    limits: Limits = NONE
    rotation: Rotation = NEVER_ROTATED
    needs: int = 0

    @property
    def ref(self) -> str:
        """The id on the wire."""
        return f"1c{self.id}"

    def expired(self, now: int) -> bool:
        """Whether the key has expired at `now`."""
        return self.expires is not None and now >= self.expires

    def has_previous(self, now: int) -> bool:
        """Whether the secret before the last rotation is still good at `now`."""
        return self.previous_until is not None and now < self.previous_until

    @property
    def unsealed_rounds(self) -> int:
        """The highest bcrypt cost among its secrets without a seal, 0 where it has none."""
        secrets = ((self.sealed, self.secret_hash), (self.previous_sealed, self.previous_hash))
        return max(
            (int(stored[4:6]) for sealed, stored in secrets if stored and not sealed), default=0
        )

    def hashes(self, now: int, *, sealed: bool) -> tuple[bytes, ...]:
        """The stored hashes that a secret, which is `sealed` or not, may match at `now`."""
        current = (self.secret_hash,) if self.sealed == sealed else ()
        if self.previous_hash is None or not self.has_previous(now):
            return current
        return (*current, self.previous_hash) if self.previous_sealed == sealed else current

    def has_hash(self, stored: bytes, now: int) -> bool:
        """Whether a secret that matched `stored` is one of the key's at `now`."""
        previous = stored == self.previous_hash and self.has_previous(now)
        return previous or stored == self.secret_hash


# --- decisions -----------------------------------------------------------------------------------


class Reason(BaseReason):
    """Why a request is denied. All 401 responses are the same, whatever the reason."""

    NO_CREDENTIALS = 401, "no-credentials", "The request carries no credentials.", GUESSED
    MALFORMED_CREDENTIALS = (
        401,
        "malformed-credentials",
        "The request does not present exactly one well-formed pair of access key and secret key "
        "in a way that `credentials` lists for the route: by default as Basic (RFC 7617).",
        GUESSED,
    )
    FORGED = (
        401,
        "forged",
        "The seal of the secret key does not match: the access key or the secret key has a typing "
        "error, or Wardgate did not make the secret key for this access key.",
        GUESSED,
    )
    UNKNOWN_KEY = (
        401,
        "unknown-key",
        "No key has this access key; or, while imported keys are stored, the seal of the secret "
        "key does not match and no imported key has this access key.",
        GUESSED,
    )
    WRONG_SECRET = (
        401,
        "wrong-secret",
        "The secret key does not belong to this access key, or a rotation has ended it.",
        GUESSED,
    )
    TOO_MANY_FAILURES = (
        429,
        "too-many-failures",
        "Too many wrong credentials came from this address, or for this access key.",
        GUESSED,
    )
    KEY_INACTIVE = 401, "key-inactive", "The key is not active."
    KEY_EXPIRED = 401, "key-expired", "The key has expired."
    OWNER_INACTIVE = 401, "owner-inactive", "The key's account or environment is not active."
    NO_ROUTE = 403, "no-route", "No route matches the path."
    ENVIRONMENT = 403, "environment", "The key has no access to the environment in the path."
    NO_ENVIRONMENT = (
        404,
        "no-environment",
        "No active environment has the name in the path, or the key's account has no access to it.",
    )
    ACCESS = 403, "access", "The route is not open to this kind of key."
    READ_ONLY = (
        403,
        "read-only",
        "The role is `readonly`, and the request may change something: its method is not safe, or "
        "it opens a tunnel.",
    )
    NETWORK = (
        403,
        "network",
        "The client's address is in none of the networks to which the key, its account or the "
        "environment is limited.",
    )
    SCOPE = (
        403,
        "scope",
        "The method and the path are in none of the scopes to which the key, its account or the "
        "environment is limited.",
    )
    WINDOW = (
        403,
        "window",
        "It is outside of the hours to which the key, its account or the environment is limited.",
    )
    RATE = (
        429,
        "rate",
        "The rate of the key, its account or the environment has no request left for the moment.",
    )
    QUOTA = (
        429,
        "quota",
        "The quota of the key, its account or the environment is used up until the day or the "
        "month ends, in UTC.",
    )
    ADDRESS_RATE = (
        429,
        "address-rate",
        "The client's address has used up the `rate` of a public route for the moment.",
    )
    METHOD = 405, "method", "The route does not accept this method."
    PREFLIGHT_ORIGIN = (
        403,
        "preflight-origin",
        "The preflight of a browser is for a page whose origin is not in the route's "
        "`cors.origins`.",
    )
    PREFLIGHT_METHOD = (
        403,
        "preflight-method",
        "The preflight of a browser asks for a method that no route of the path accepts, or that "
        "is not in `cors.methods`.",
    )
    PREFLIGHT_FIELDS = (
        403,
        "preflight-fields",
        "The preflight of a browser asks for a header field that is not in the route's "
        "`cors.headers`.",
    )
    AMBIGUOUS_PATH = (
        400,
        "ambiguous-path",
        "Some upstream would read the path as one that matches another route: it decodes it twice, "
        "or ignores capital letters, dots at the end or a suffix such as `.json`. Or it would read "
        "what is left without the route's `strip_prefix` as the name of a host and a path.",
    )
    DESTINATION = (
        400,
        "destination",
        "The path in Destination does not match the same route and environment as the path of the "
        "request, or is malformed; or the route has a `strip_prefix` or `add_prefix`, which change "
        "no path in Destination.",
    )
    ENVIRONMENT_NAME = (
        400,
        "environment-name",
        "The path segment at `{environment}` cannot be the name of an environment.",
    )
    PATH_CHARACTERS = (
        400,
        "path-characters",
        "The path has %2F, %25, `;` or one of `[]|^{}\"` that the route's `allow` does not permit.",
    )


def refusal(key: Key, owner: Account | Environment | None, now: int) -> Reason | None:
    """Why the gateway refuses `key` of `owner` everywhere, None if it does not. `now` is in
    milliseconds since the epoch. The authenticator finds the same, from its cached records."""
    if key.state is not State.ACTIVE:
        return Reason.KEY_INACTIVE
    if key.expired(now):
        return Reason.KEY_EXPIRED
    if owner is None or owner.state is not State.ACTIVE:
        return Reason.OWNER_INACTIVE
    return None


@dataclass(frozen=True, slots=True)
class Deny:
    """A refusal. It is a value, not an exception, since "no" and "cannot tell" differ."""

    reason: BaseReason
    key: Key | None = field(default=None, compare=False)
    """The key that the client proved to hold, for the log; None where it proved none."""
    environment: Environment | None = field(default=None, compare=False)
    """The environment in which it may not do this, though it may do something."""


class Principal(NamedTuple):
    """Whose key a request presents: one of `account` and `environment` is set, and is active."""

    key: Key
    account: Account | None
    environment: Environment | None
    previous: bool = False
    """Whether it presents the secret before the last rotation."""


class Permit(NamedTuple):
    """A request may pass: without a principal anonymously (public route, or access control off)."""

    principal: Principal | None = None
    environment: Environment | None = None
    role: Role | None = None
