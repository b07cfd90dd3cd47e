"""The types of resource: how the requests of each become acts of a service.

A resource translates between the API and the domain; permission and audit are the services' own.
"""

from __future__ import annotations

from collections.abc import Callable

from admin.api.representations import EndpointOf, Json
from admin.api.resources.accounts import AccountResource
from admin.api.resources.audit_log import AuditLogResource
from admin.api.resources.base import RequestContext, Resource
from admin.api.resources.environments import EnvironmentResource
from admin.api.resources.keys import Explain, KeyResource
from admin.api.resources.members import MemberResource
from admin.api.resources.project_templates import ProjectTemplateResource
from admin.api.resources.settings import SettingResource
from admin.service import (
    AccountService,
    AuditLogService,
    EnvironmentService,
    Grants,
    KeyService,
    MemberService,
    SettingService,
    grants,
)
from proxy.domain.model import Environment
from proxy.store.protocols import Store

__all__ = ["Explain", "RequestContext", "Resource", "Resources"]


class Resources:
    """One of each type, over a store."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        bcrypt_rounds: int,
        endpoint_of: EndpointOf,
        explain: Explain,
    ) -> None:
        """`clock` returns milliseconds since the epoch; `endpoint_of` is as for `create_app`."""
        self._store = store
        keys = KeyService(store, clock, bcrypt_rounds)
        accounts = AccountService(store, clock, bcrypt_rounds)
        self.keys = KeyResource(keys, endpoint_of, explain)
        self.environments = EnvironmentResource(EnvironmentService(store, clock), endpoint_of)
        self.accounts = AccountResource(accounts, endpoint_of)
        self.members = MemberResource(MemberService(store, clock))
        self.settings = SettingResource(SettingService(store, clock))
        self.project_templates = ProjectTemplateResource()
        self.audit_log = AuditLogResource(AuditLogService(store, clock))

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
