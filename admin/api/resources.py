"""What is particular to each type of resource: how its requests become acts of a service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from admin.api import schemas
from admin.api.representations import (
    EndpointOf,
    Json,
    Links,
    account_json,
    audit_json,
    environment_json,
    explanation_json,
    key_json,
    member_json,
    refused_json,
    setting_json,
)
from admin.api.schemas import Field, Kind, Schema, parse_value
from admin.service import (
    AccountService,
    AuditLogService,
    Caller,
    EnvironmentService,
    Grants,
    ImportedKey,
    KeyService,
    Listing,
    MemberService,
    NewAccount,
    NewEnvironment,
    NewKey,
    SettingService,
    SettingValue,
    View,
    grants,
)
from admin.service.errors import Refused
from proxy.auth.decision import Verdict
from proxy.domain.audit import Audited
from proxy.domain.model import Account, Action, Environment, Key, Membership, Role
from proxy.domain.settings import duration
from proxy.http1.grammar import Malformed
from proxy.store.protocols import Store
from proxy.store.query import Query

R = TypeVar("R")

Explain: TypeAlias = Callable[[Key, str, str], Awaitable[Verdict]]
"""What the gateway would make of a request with a key: its method and target. Raises
`Malformed`."""


class Ask(NamedTuple):
    """Who asks, under which links, and in which environment, where the path names one."""

    caller: Caller
    links: Links
    scope: int | None


class Resource(ABC, Generic[R]):
    """One type of resource. What a type does not offer is refused."""

    schema: Schema
    special: Mapping[str, Callable[[Ask, Any, Mapping[str, object]], Awaitable[Json]]] = {}
    """Actions that are more than a change of state."""

    async def list(self, ask: Ask, query: Query) -> Listing[R]:
        raise Refused("NotFound")

    async def get(self, ask: Ask, number: Any) -> View[R]:
        raise Refused("NotFound")

    async def create(self, ask: Ask, values: dict[str, Any]) -> Json:
        raise Refused("MethodNotAllowed")

    async def import_(self, ask: Ask, values: dict[str, Any]) -> Json:
        raise Refused("InvalidAction", field="action")

    async def edit(self, ask: Ask, number: Any, values: dict[str, Any]) -> View[R]:
        raise Refused("MethodNotAllowed")

    async def apply(self, ask: Ask, number: Any, action: Action) -> View[R]:
        raise Refused("InvalidAction", field="action")

    @abstractmethod
    def show(self, view: View[R], links: Links) -> Json:
        """The resource as JSON."""


class KeyResource(Resource[Key]):
    """Keys."""

    schema = schemas.KEY

    def __init__(self, keys: KeyService, endpoint_of: EndpointOf, explain: Explain) -> None:
        self._keys = keys
        self._endpoint_of = endpoint_of
        self._explain = explain
        self.special = {"rotate": self._rotate, "explain": self._explained}

    async def list(self, ask: Ask, query: Query) -> Listing[Key]:
        return await self._keys.list(ask.caller, query, ask.scope)

    async def get(self, ask: Ask, number: int) -> View[Key]:
        return await self._keys.get(ask.caller, number, ask.scope)

    async def create(self, ask: Ask, values: dict[str, Any]) -> Json:
        owner = values.pop("accountId", None)
        with _referring(ask, owner):
            view, secret = await self._keys.create(ask.caller, _new_key(values), owner, ask.scope)
        return key_json(view, ask.links, self._endpoint_of, secret)

    async def import_(self, ask: Ask, values: dict[str, Any]) -> Json:
        owner = values.pop("accountId", None)
        access_key, secret_hash = values.pop("publicValue"), values.pop("secretHash")
        given = secret_hash.encode("utf-8", "replace")
        new = ImportedKey(access_key, given, _new_key(values))
        with _referring(ask, owner):
            view = await self._keys.import_(ask.caller, new, owner, ask.scope)
        return self.show(view, ask.links)

    async def edit(self, ask: Ask, number: int, values: dict[str, Any]) -> View[Key]:
        return await self._keys.edit(ask.caller, number, values, ask.scope)

    async def apply(self, ask: Ask, number: int, action: Action) -> View[Key]:
        return await self._keys.apply(ask.caller, number, action, ask.scope)

    def show(self, view: View[Key], links: Links) -> Json:
        return key_json(view, links, self._endpoint_of)

    async def owner_of(self, ask: Ask, number: int) -> Account | Environment:
        """The account or environment that a key belongs to."""
        return await self._keys.owner(ask.caller, number, ask.scope)

    async def _rotate(self, ask: Ask, number: int, body: Mapping[str, object]) -> Json:
        overlap = None
        if "overlap" in body:
            text = _text(body, "overlap")
            try:
                overlap = duration(text)
            except ValueError as error:
                raise Refused("InvalidFormat", f"overlap {error}", field="overlap") from None
        view, secret = await self._keys.rotate(ask.caller, number, overlap, ask.scope)
        return key_json(view, ask.links, self._endpoint_of, secret)

    async def _explained(self, ask: Ask, number: int, body: Mapping[str, object]) -> Json:
        view = await self._keys.get(ask.caller, number, ask.scope)
        path = _text(body, "path")
        method = _text(body, "method") if "method" in body else "GET"
        try:
            return explanation_json(await self._explain(view.record, method, path))
        except Malformed as malformed:
            return refused_json(malformed.status, malformed.word)


class EnvironmentResource(Resource[Environment]):
    """Environments, which are called projects on the wire."""

    schema = schemas.ENVIRONMENT

    def __init__(self, environments: EnvironmentService, endpoint_of: EndpointOf) -> None:
        self._environments = environments
        self._endpoint_of = endpoint_of

    async def list(self, ask: Ask, query: Query) -> Listing[Environment]:
        if ask.scope is not None:
            await self._environments.get(ask.caller, ask.scope)
        return await self._environments.list(ask.caller, query, ask.scope)

    async def get(self, ask: Ask, number: int) -> View[Environment]:
        _confine(ask, number)
        return await self._environments.get(ask.caller, number)

    async def create(self, ask: Ask, values: dict[str, Any]) -> Json:
        if ask.scope is not None:
            raise Refused("Forbidden", "no environment is made within another")
        new = NewEnvironment(**values)
        return self.show(await self._environments.create(ask.caller, new), ask.links)

    async def edit(self, ask: Ask, number: int, values: dict[str, Any]) -> View[Environment]:
        _confine(ask, number)
        return await self._environments.edit(ask.caller, number, values)

    async def apply(self, ask: Ask, number: int, action: Action) -> View[Environment]:
        _confine(ask, number)
        return await self._environments.apply(ask.caller, number, action)

    def show(self, view: View[Environment], links: Links) -> Json:
        return environment_json(view, links, self._endpoint_of)


class AccountResource(Resource[Account]):
    """Accounts."""

    schema = schemas.ACCOUNT

    def __init__(self, accounts: AccountService, endpoint_of: EndpointOf) -> None:
        self._accounts = accounts
        self._endpoint_of = endpoint_of

    async def list(self, ask: Ask, query: Query) -> Listing[Account]:
        return await self._accounts.list(ask.caller, query)

    async def get(self, ask: Ask, number: int) -> View[Account]:
        return await self._accounts.get(ask.caller, number)

    async def create(self, ask: Ask, values: dict[str, Any]) -> Json:
        with_key = bool(values.pop("createKey", False))
        view, first = await self._accounts.create(
            ask.caller, NewAccount(**values), with_key=with_key
        )
        made = self.show(view, ask.links)
        if first is not None:
            made["apiKey"] = key_json(first[0], ask.links, self._endpoint_of, first[1])
        return made

    async def edit(self, ask: Ask, number: int, values: dict[str, Any]) -> View[Account]:
        return await self._accounts.edit(ask.caller, number, values)

    async def apply(self, ask: Ask, number: int, action: Action) -> View[Account]:
        return await self._accounts.apply(ask.caller, number, action)

    def show(self, view: View[Account], links: Links) -> Json:
        return account_json(view, links)


class MemberResource(Resource[Membership]):
    """Members of environments."""

    schema = schemas.MEMBER

    def __init__(self, members: MemberService) -> None:
        self._members = members

    async def list(self, ask: Ask, query: Query) -> Listing[Membership]:
        return await self._members.list(ask.caller, query, ask.scope)

    async def get(self, ask: Ask, number: int) -> View[Membership]:
        return await self._members.get(ask.caller, number, ask.scope)

    async def create(self, ask: Ask, values: dict[str, Any]) -> Json:
        environment = ask.scope or values.get("projectId")
        if environment is None:
            raise Refused("MissingRequired", "projectId is required", field="projectId")
        view = await self._members.create(
            ask.caller, values["accountId"], values["role"], environment
        )
        return self.show(view, ask.links)

    async def edit(self, ask: Ask, number: int, values: dict[str, Any]) -> View[Membership]:
        role: Role = _given(values, "role")
        return await self._members.edit(ask.caller, number, role, ask.scope)

    async def apply(self, ask: Ask, number: int, action: Action) -> View[Membership]:
        return await self._members.remove(ask.caller, number, ask.scope)

    def show(self, view: View[Membership], links: Links) -> Json:
        return member_json(view, links)


class SettingResource(Resource[SettingValue]):
    """Settings, which are few and of which none is made or removed."""

    schema = schemas.SETTING

    def __init__(self, settings: SettingService) -> None:
        self._settings = settings

    async def list(self, ask: Ask, query: Query) -> Listing[SettingValue]:
        return Listing(await self._settings.list(ask.caller))

    async def get(self, ask: Ask, number: str) -> View[SettingValue]:
        return await self._settings.get(ask.caller, number)

    async def edit(self, ask: Ask, number: str, values: dict[str, Any]) -> View[SettingValue]:
        return await self._settings.edit(ask.caller, number, _given(values, "value"))

    def show(self, view: View[SettingValue], links: Links) -> Json:
        return setting_json(view, links)


class AuditLogResource(Resource[Audited]):
    """The audit log, which nobody changes here."""

    schema = schemas.AUDIT

    def __init__(self, audit_log: AuditLogService) -> None:
        self._audit_log = audit_log

    async def list(self, ask: Ask, query: Query) -> Listing[Audited]:
        return await self._audit_log.list(ask.caller, query)

    async def get(self, ask: Ask, number: int) -> View[Audited]:
        return await self._audit_log.get(ask.caller, number)

    def show(self, view: View[Audited], links: Links) -> Json:
        return audit_json(view, links)


class Resources:
    """All of them."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        bcrypt_rounds: int,
        endpoint_of: EndpointOf,
        explain: Explain,
    ) -> None:
        """`clock` tells milliseconds since the epoch."""
        self._store = store
        keys = KeyService(store, clock, bcrypt_rounds)
        accounts = AccountService(store, clock, bcrypt_rounds)
        self.keys = KeyResource(keys, endpoint_of, explain)
        self.environments = EnvironmentResource(EnvironmentService(store, clock), endpoint_of)
        self.accounts = AccountResource(accounts, endpoint_of)
        self.members = MemberResource(MemberService(store, clock))
        self.settings = SettingResource(SettingService(store, clock))
        self.audit_log = AuditLogResource(AuditLogService(store, clock))

    async def grants(self, ask: Ask) -> Grants:
        """What the caller may do to each type. Raises `Refused` where it cannot see the scope."""
        if ask.scope is not None:
            await self.environments.get(ask, ask.scope)
        return await grants(self._store, ask.caller, ask.scope)

    async def owner_of(self, ask: Ask, number: int) -> Json:
        """The account or environment that a key belongs to. Raises `Refused`."""
        owner = await self.keys.owner_of(ask, number)
        if isinstance(owner, Environment):
            view = await self.environments.get(ask, owner.id)
            return self.environments.show(view, ask.links)
        return self.accounts.show(await self.accounts.get(ask, owner.id), ask.links)


def _new_key(values: dict[str, Any]) -> NewKey:
    """What a body asks of a new key. `readOnly` is the role readonly by another name."""
    read_only = values.pop("readOnly", None)
    if read_only is not None:
        role = values.get("role") or (Role.READONLY if read_only else None)
        if role is not None and (role is Role.READONLY) != read_only:
            raise Refused("InvalidOption", "readOnly contradicts role", field="readOnly")
        values["role"] = role
    never_expires = "expires" in values and values["expires"] is None
    return NewKey(**values, never_expires=never_expires)


def _confine(ask: Ask, environment: int) -> None:
    """Within one environment there is no other. Raises `Refused`."""
    if ask.scope not in {None, environment}:
        raise Refused("NotFound")


@contextmanager
def _referring(ask: Ask, owner: int | None) -> Iterator[None]:
    """Blame the body for an owner that is not there. Raises `Refused`."""
    try:
        yield
    except Refused as refused:
        if refused.code == "NotFound" and ask.scope is None and owner is not None:
            raise Refused("InvalidReference", field="accountId") from None
        raise


def _given(values: dict[str, Any], name: str) -> Any:
    if name not in values:
        raise Refused("MissingRequired", f"{name} is required", field=name)
    return values[name]


def _text(body: Mapping[str, object], name: str) -> str:
    """A text of an action's input. Raises `Refused`."""
    if name not in body:
        raise Refused("MissingRequired", f"{name} is required", field=name)
    value = body[name]
    if not isinstance(value, str):
        raise Refused("InvalidType", f"{name} must be a string", field=name)
    return str(parse_value(name, Field(Kind.STRING), value))
