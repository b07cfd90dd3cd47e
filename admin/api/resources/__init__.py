"""The types of resource: how the requests of each become acts of a service.

A resource translates between the API and the domain; permission and audit are the services' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from admin.api.representations import EndpointOf, Json
from admin.api.resources.accounts import AccountResource
from admin.api.resources.audit_log import AuditLogResource
from admin.api.resources.base import RequestContext, Resource
from admin.api.resources.environments import EnvironmentResource
from admin.api.resources.keys import Explain, KeyResource
from admin.api.resources.members import MemberResource
from admin.api.resources.nodes import NodeResource, RevisionResource
from admin.api.resources.project_templates import ProjectTemplateResource
from admin.api.resources.settings import SettingResource
from admin.api.resources.upstreams import UpstreamResource
from admin.api.resources.webhook_messages import WebhookMessageResource
from admin.api.schemas import ACCOUNT, ENVIRONMENT, KEY, KEY_REF, REF
from admin.service import (
    AccountService,
    AdviceService,
    AuditLogService,
    EnvironmentService,
    Grants,
    KeyService,
    MemberService,
    NodeService,
    Place,
    SettingService,
    UpstreamService,
    UsageService,
    WebhookService,
    grants,
    visible_records,
)
from proxy.auth.explain import Look
from proxy.cluster.waiter import Waiter
from proxy.domain.limiting import Metered, Reading
from proxy.domain.limits import parse_limits
from proxy.domain.model import Account, Environment, Key, Reason
from proxy.store.protocols import Store
from proxy.targets.status import UpstreamStatus

__all__ = ["Explain", "Name", "RequestContext", "Resource", "Resources"]


class Name(NamedTuple):
    """What people call a resource: its name, and of a key without one its access key."""

    text: str
    type: str
    """As in the resource's JSON: `account`, `project` or `apiKey`."""


class Resources:
    """One of each type, over a store."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        bcrypt_rounds: int,
        endpoint_of: EndpointOf,
        explain: Explain,
        look: Look,
        waiter: Waiter,
        webhooks: Callable[[], Sequence[str]] = tuple,
        routes: Callable[[], Sequence[Place]] = tuple,
        upstreams: Callable[[], Sequence[UpstreamStatus]] = tuple,
        usage_days: int = 90,
    ) -> None:
        """`clock` returns milliseconds since the epoch; `endpoint_of`, `look`, `waiter`,
        `webhooks`, `routes`, `upstreams` and `usage_days` are as for `create_app`."""
        self._look = look
        self._store = store
        keys = KeyService(store, clock, bcrypt_rounds)
        accounts = AccountService(store, clock, bcrypt_rounds)
        environments = EnvironmentService(store, clock)
        self.keys = KeyResource(keys, endpoint_of, explain)
        self.environments = EnvironmentResource(environments, endpoint_of)
        self.accounts = AccountResource(accounts, endpoint_of)
        self.members = MemberResource(MemberService(store, clock))
        self.settings = SettingResource(SettingService(store, clock))
        self.project_templates = ProjectTemplateResource()
        self.upstreams = UpstreamResource(UpstreamService(upstreams))
        nodes = NodeService(store, clock, waiter)
        self.nodes, self.revisions = NodeResource(nodes), RevisionResource(nodes)
        self.audit_log = AuditLogResource(AuditLogService(store, clock))
        self.webhook_messages = WebhookMessageResource(WebhookService(store, clock, webhooks))
        self.advice = AdviceService(store, clock, keys, routes, usage_days)
        self.usage = UsageService(store, clock, keys, accounts, environments)

    async def grants(self, context: RequestContext) -> Grants:
        """What the caller may do with each type, in the scope if there is one."""
        return await grants(self._store, context.caller, context.scope)

    async def owner_of(self, context: RequestContext, resource_id: int) -> Json:
        """The account or environment that a key belongs to, as JSON. Raises `Refused`."""
        owner = await self.keys.owner_of(context, resource_id)
        if isinstance(owner, Environment):
            view = await self.environments.get(context, owner.id)
            return self.environments.show(view, context.links)
        return self.accounts.show(await self.accounts.get(context, owner.id), context.links)

    async def left_of_quota(self, shown: Json) -> Reading | None:
        """What is left of the quota of a key, an account or an environment, by its JSON; None where
        it has none. Raises `StoreUnavailable`."""
        limits = parse_limits(shown["limits"])
        if limits.quota is None:
            return None
        policy, reason = f"{shown['type']}-quota", Reason.QUOTA
        (reading,) = await self._look([Metered(policy, shown["id"], limits.quota, reason)])
        return reading

    async def names_of(
        self, context: RequestContext, refs: Iterable[str | None]
    ) -> dict[str, Name]:
        """The names of accounts, environments and keys, by their ids in the API.

        Left out is what the caller may not see, what does not exist, and what is no such id: there
        the id itself has to do. The effort is that of a few reads, however many ids there are.
        """
        given = {ref for ref in refs if ref is not None}
        owner_ids = {int(match[1]) for ref in given if (match := REF.fullmatch(ref))}
        key_ids = {int(match[1]) for ref in given if (match := KEY_REF.fullmatch(ref))}
        found = await visible_records(self._store, context.caller, owner_ids, key_ids)
        return {each.ref: _name_of(each) for each in found}


def _name_of(record: Account | Environment | Key) -> Name:
    match record:
        case Account():
            return Name(record.name, ACCOUNT.name)
        case Environment():
            return Name(record.name, ENVIRONMENT.name)
        case Key():
            return Name(record.name or record.access_key, KEY.name)
