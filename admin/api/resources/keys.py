"""Keys as a resource. (Tested by tests/admin/api/test_keys.py, test_key_owners.py,
test_rotation.py, test_import.py and test_explain.py.)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeAlias

from admin.api import schemas
from admin.api.inputs import EXPLAIN, ROTATE
from admin.api.representations import (
    EndpointOf,
    Json,
    Links,
    explanation_json,
    key_json,
)
from admin.api.resources.base import RequestContext, Resource
from admin.api.schemas import Schema
from admin.api.values import Purpose, settable_values
from admin.service import Expiries, ImportedKey, KeyService, Listing, NewKey, View
from admin.service.errors import Refused
from proxy.auth.explain import Explanation
from proxy.domain.model import Account, Action, Environment, Key, Role
from proxy.domain.settings import duration
from proxy.store.query import Query

Explain: TypeAlias = Callable[[Key, str, str, str | None, str], Awaitable[Explanation]]
"""What the gateway would decide about a request with a key: its method, its target, the origin of
the page that makes it, if any, and the address of the client, which may be empty."""


class KeyResource(Resource[Key]):
    """Keys."""

    schema = schemas.KEY

    def __init__(self, keys: KeyService, endpoint_of: EndpointOf, explain: Explain) -> None:
        self._keys = keys
        self.endpoint_of = endpoint_of
        self._explain = explain
        self.custom_actions = {"rotate": self._rotate, "explain": self._explain_request}

    async def expiries(self, context: RequestContext) -> Expiries:
        """When a key that the caller makes now may expire."""
        return await self._keys.expiries(context.caller)

    async def strongest_roles(
        self, context: RequestContext, owner_ids: Collection[int]
    ) -> dict[int, Role]:
        """Of these accounts and environments those for which the caller may create keys, each with
        the strongest role of such a key."""
        return await self._keys.strongest_roles(context.caller, owner_ids)

    async def overlap(self) -> str:
        """How long a secret stays valid after its rotation unless somebody asks for another time,
        such as `24h`."""
        return await self._keys.overlap()

    async def list(self, context: RequestContext, query: Query) -> Listing[Key]:
        return await self._keys.list(context.caller, query, context.scope)

    async def get(self, context: RequestContext, resource_id: int) -> View[Key]:
        return await self._keys.get(context.caller, resource_id, context.scope)

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        owner = values.pop("accountId", None)
        with _owner_from_body(context, owner):
            view, secret = await self._keys.create(
                context.caller, _new_key(values), owner, context.scope
            )
        return key_json(view, context.links, self.endpoint_of, secret)

    async def import_(self, context: RequestContext, values: dict[str, Any]) -> Json:
        owner = values.pop("accountId", None)
        access_key, secret_hash = values.pop("publicValue"), values.pop("secretHash")
        dry_run = values.pop("dryRun", False)
        hash_bytes = secret_hash.encode("utf-8", "replace")
        new = ImportedKey(access_key, hash_bytes, _new_key(values))
        with _owner_from_body(context, owner):
            view = await self._keys.import_(
                context.caller, new, owner, context.scope, dry_run=dry_run
            )
        shown = self.show(view, context.links)
        return shown | {"id": None, "uuid": None, "links": {}, "actions": {}} if dry_run else shown

    async def edit(
        self, context: RequestContext, resource_id: int, values: dict[str, Any]
    ) -> View[Key]:
        if "role" in values and values["role"] is None:
            raise Refused("NotNullable", "role cannot be null", field="role")
        return await self._keys.edit(context.caller, resource_id, values, context.scope)

    async def apply(self, context: RequestContext, resource_id: int, action: Action) -> View[Key]:
        return await self._keys.apply(context.caller, resource_id, action, context.scope)

    def show(self, view: View[Key], links: Links) -> Json:
        return key_json(view, links, self.endpoint_of)

    async def owner_of(self, context: RequestContext, resource_id: int) -> Account | Environment:
        """The account or environment that a key belongs to."""
        return await self._keys.owner(context.caller, resource_id, context.scope)

    async def _rotate(
        self, context: RequestContext, resource_id: int, body: Mapping[str, object]
    ) -> Json:
        given = _values(ROTATE, body)
        overlap, quiet = (_duration(given, name) for name in ("overlap", "finishWhenQuiet"))
        view, secret = await self._keys.rotate(
            context.caller, resource_id, overlap, context.scope, quiet=quiet
        )
        return key_json(view, context.links, self.endpoint_of, secret)

    async def _explain_request(
        self, context: RequestContext, resource_id: int, body: Mapping[str, object]
    ) -> Json:
        view = await self._keys.get(context.caller, resource_id, context.scope)
        given = _values(EXPLAIN, body)
        address = given.get("address", "")
        if address and not _is_address(address):
            raise Refused("InvalidFormat", "address must be an IP address", field="address")
        request = given["method"], given["path"], given.get("origin"), address
        return explanation_json(await self._explain(view.record, *request))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _new_key(values: dict[str, Any]) -> NewKey:
    """The new key that a body describes. `readOnly` is another way to write the role readonly."""
    read_only = values.pop("readOnly", None)
    if read_only is not None:
        role = values.get("role") or (Role.READONLY if read_only else None)
        if role is not None and (role is Role.READONLY) != read_only:
            raise Refused(
                "InvalidOption", "readOnly and role contradict each other", field="readOnly"
            )
        values["role"] = role
    never_expires = "expires" in values and values["expires"] is None
    return NewKey(**values, never_expires=never_expires)


@contextmanager
def _owner_from_body(context: RequestContext, owner: int | None) -> Iterator[None]:
    """A context in which an owner that does not exist is the body's fault. Raises `Refused`."""
    try:
        yield
    except Refused as refused:
        if refused.code == "NotFound" and context.scope is None and owner is not None:
            raise Refused("InvalidReference", field="accountId") from None
        raise


def _duration(values: Mapping[str, Any], name: str) -> int | None:
    """A duration in the body of an action, in milliseconds; None without one. Raises `Refused`."""
    text = values.get(name)
    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise Refused("InvalidFormat", f"{name} {error}", field=name) from None


def _values(given: Schema, body: Mapping[str, object]) -> dict[str, Any]:
    """The values in the body of an action, and the defaults of others. Raises `Refused`."""
    defaults = {name: each.default for name, each in given.fields.items() if each.default}
    return defaults | settable_values(given, body, Purpose.CREATE, 0)
