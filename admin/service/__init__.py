"""What the admin server does: each act takes its caller first, checks permission, writes the audit
entry, and makes the change, all in one transaction."""

from admin.service.accounts import AccountService, NewAccount
from admin.service.advice import Advice, AdviceService, Place
from admin.service.audit_log import AuditLogService
from admin.service.base import Caller, Edit, Listing, View
from admin.service.environments import EnvironmentService, NewEnvironment
from admin.service.first_admin import (
    AdminExists,
    UnfitCredentials,
    create_first_admin,
    recover_admin_key,
)
from admin.service.grants import Grants, grants
from admin.service.key_rules import Expiries, ImportedKey, NewKey
from admin.service.keys import KeyService
from admin.service.members import MemberService
from admin.service.names import visible_records
from admin.service.nodes import KnownNode, NodeService, Progress, may_see_revisions
from admin.service.settings import SettingService, SettingValue
from admin.service.upstreams import UpstreamService
from admin.service.usage import UsageService
from admin.service.webhooks import WebhookMessage, WebhookService

__all__ = [
    "AccountService",
    "AdminExists",
    "Advice",
    "AdviceService",
    "AuditLogService",
    "Caller",
    "Edit",
    "EnvironmentService",
    "Expiries",
    "Grants",
    "ImportedKey",
    "KeyService",
    "KnownNode",
    "Listing",
    "MemberService",
    "NewAccount",
    "NewEnvironment",
    "NewKey",
    "NodeService",
    "Place",
    "Progress",
    "SettingService",
    "SettingValue",
    "UnfitCredentials",
    "UpstreamService",
    "UsageService",
    "View",
    "WebhookMessage",
    "WebhookService",
    "create_first_admin",
    "grants",
    "may_see_revisions",
    "recover_admin_key",
    "visible_records",
]
