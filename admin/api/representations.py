"""Resources as JSON, in the form that Rancher's clients know. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from admin.api.schemas import (
    ACCOUNT,
    AUDIT,
    ENVIRONMENT,
    KEY,
    MEMBER,
    ONLY_TEMPLATE,
    PROJECT_TEMPLATE,
    SCHEMAS,
    SETTING,
    UPSTREAM,
    USAGE,
    WEBHOOK_MESSAGE,
    Schema,
)
from admin.service import SettingValue, View, WebhookMessage
from admin.service.rotation import quiet_at
from proxy.auth.explain import Explanation
from proxy.domain.audit import Audited
from proxy.domain.events import DeliveryState
from proxy.domain.limits import limits_json
from proxy.domain.model import Account, Deny, Environment, Key, Membership, Role, refusal
from proxy.domain.rotation import SecretUses
from proxy.domain.settings import duration_text
from proxy.targets.status import LookupStatus, UpstreamStatus

Json: TypeAlias = dict[str, Any]
EndpointOf: TypeAlias = Callable[[Environment | None], str]

DEFAULT_VERSION: Final = "v2-beta"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the absolute URLs of an answer, under the version and scope of the request's path."""

    origin: str
    """Scheme and host, as in `http://127.0.0.1:8081`."""
    version: str = DEFAULT_VERSION
    scope: str | None = None
    """The id, in the API, of the environment in the request's path."""

    @property
    def root(self) -> str:
        """The URL of the API's version."""
        return f"{self.origin}/{self.version}"

    @property
    def base(self) -> str:
        """The URL of the scope, else of the version."""
        return f"{self.root}/projects/{self.scope}" if self.scope else self.root

    @property
    def schemas(self) -> str:
        """The URL of the schemas."""
        return f"{self.base}/schemas"

    def collection(self, schema: Schema) -> str:
        """The URL of a collection: the scope's own, where each environment has one."""
        return f"{self.base if schema.scoped else self.root}/{schema.plural}"

    def resource(self, schema: Schema, ref: str) -> str:
        """The URL of one resource."""
        return f"{self.collection(schema)}/{ref}"


def timestamp(milliseconds: int | None) -> str | None:
    """A time as `yyyy-MM-ddTHH:mm:ssZ`. None for None, and for years beyond 1 to 9999."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # Only a store that was edited by hand has it.
        return None


def date_fields(name: str, milliseconds: int | None) -> Json:
    """The two fields of a time: as text, and in milliseconds since the epoch."""
    return {name: timestamp(milliseconds), f"{name}TS": milliseconds}


def key_json(
    view: View[Key], links: Links, endpoint_of: EndpointOf, secret: str | None = None
) -> Json:
    """A key. `secret` is given only in the answer to the request that created it."""
    key = view.record
    owner = key.account_id if key.environment_id is None else key.environment_id
    environment = view.owner if isinstance(view.owner, Environment) else None
    refused = refusal(key, view.owner, view.now)
    resource = _stateful(KEY, view, links) | {
        "kind": KEY.name,
        "accountId": f"1a{owner}",
        "creatorId": None if key.creator_id is None else f"1a{key.creator_id}",
        "publicValue": key.access_key,
        "secretValue": secret,
        "role": key.role,
        "readOnly": key.role is Role.READONLY,
        **date_fields("expires", key.expires),
        "expired": key.expired(view.now),
        "refusal": None if refused is None else refused.code,
        "refusalExplanation": None if refused is None else refused.explanation,
        **date_fields(
            "previousSecretExpires", key.previous_until if key.has_previous(view.now) else None
        ),
        **date_fields(
            "previousSecretLastUsed",
            key.rotation.previous_used if key.has_previous(view.now) else None,
        ),
        "secrets": list(_secrets_json(key, view.now)),
        **date_fields("lastUsed", key.last_used),
        "lastUsedAddress": key.last_used_address,
        "useCount": key.use_count,
        "endpoint": endpoint_of(environment),
    }
    itself = resource["links"]["self"]
    resource["links"] |= {"account": f"{itself}/account", "usage": f"{itself}/usage"}
    resource["links"]["advice"] = f"{itself}/advice"
    if key.state not in {"removed", "purged"}:
        resource["actions"]["explain"] = f"{itself}/?action=explain"
    return resource


def _secrets_json(key: Key, now: int) -> Iterator[Json]:
    """Which of the secrets of a key is used, since when and from where: the current one first."""
    rotation = key.rotation
    made = key.created if rotation.rotated is None else rotation.rotated
    yield {"secret": "current"} | date_fields("created", made) | _uses_json(rotation.current)
    if key.has_previous(now):
        yield {
            "secret": "previous",
            **_uses_json(rotation.previous),
            **date_fields("expires", key.previous_until),
            "finishWhenQuiet": None if key.quiet is None else duration_text(key.quiet),
            **date_fields("quietAt", quiet_at(key, now)),
        }


def _uses_json(uses: SecretUses) -> Json:
    return {
        **date_fields("firstUsed", uses.first),
        **date_fields("lastUsed", uses.last),
        "lastUsedAddress": uses.address,
        "useCount": uses.count,
    }


def environment_json(view: View[Environment], links: Links, endpoint_of: EndpointOf) -> Json:
    """An environment, which the API calls a project."""
    environment = view.record
    resource = _stateful(ENVIRONMENT, view, links) | {
        "slug": environment.slug,
        "endpoint": endpoint_of(environment),
    }
    itself = resource["links"]["self"]
    for name, schema in (("apiKeys", KEY), ("projectMembers", MEMBER)):
        resource["links"][name] = f"{itself}/{schema.plural}"
    resource["links"]["usage"] = f"{itself}/usage"
    return resource


def account_json(view: View[Account], links: Links) -> Json:
    """An account."""
    resource = _stateful(ACCOUNT, view, links) | {"kind": view.record.kind}
    resource["links"]["usage"] = f"{resource['links']['self']}/usage"
    return resource


def member_json(view: View[Membership], links: Links) -> Json:
    """A membership."""
    member = view.record
    project, account = f"1a{member.environment_id}", f"1a{member.account_id}"
    resource = _resource(MEMBER, member.ref, view, links) | {
        "projectId": project,
        "accountId": account,
        "role": member.role,
        **date_fields("created", member.created),
        "state": "active",
    }
    resource["links"] |= {
        "project": links.resource(ENVIRONMENT, project),
        "account": links.resource(ACCOUNT, account),
    }
    return resource


def template_json(view: View[str], links: Links) -> Json:
    """The only template of environments, by its name."""
    return _resource(PROJECT_TEMPLATE, ONLY_TEMPLATE, view, links) | {
        "name": view.record,
        "description": "an environment",
        "state": "active",
    }


def setting_json(view: View[SettingValue], links: Links) -> Json:
    """A setting."""
    setting = view.record.setting
    return _resource(SETTING, setting.name, view, links) | {
        "name": setting.name,
        "value": view.record.value,
        "default": setting.default,
        "description": setting.description,
    }


def upstream_json(view: View[UpstreamStatus], links: Links) -> Json:
    """An upstream, with its targets."""
    upstream = view.record
    return _resource(UPSTREAM, upstream.name, view, links) | {
        "name": upstream.name,
        "state": upstream.state,
        "breaker": upstream.breaker,
        "waiting": upstream.waiting,
        "retries": upstream.retries,
        "retriesLeft": upstream.retries_left,
        "balance": upstream.balance,
        "targets": [
            {
                "url": each.name,
                "state": each.state,
                "reason": each.why or None,
                "since": timestamp(each.since),
                "weight": each.weight,
                "priority": each.priority,
                "requests": each.requests,
                "connections": each.connections,
                "failures": each.failures,
                "ejections": each.ejections,
            }
            for each in upstream.targets
        ],
        "lookup": None if upstream.lookup is None else _lookup_json(upstream.lookup),
    }


def _lookup_json(lookup: LookupStatus) -> Json:
    return {
        "name": lookup.name,
        "type": lookup.kind,
        "reason": lookup.why or None,
        "since": timestamp(lookup.since),
        "answered": lookup.answered,
    }


def audit_json(view: View[Audited], links: Links) -> Json:
    """An entry of the audit log."""
    audited = view.record
    entry, actor = audited.entry, audited.entry.actor
    return _resource(AUDIT, str(audited.sequence), view, links) | {
        **date_fields("created", entry.time),
        "accountId": actor.account,
        "keyId": actor.key,
        "clientIp": actor.address,
        "requestId": actor.request_id,
        "identity": actor.identity,
        "eventType": entry.action,
        "resourceId": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "hash": audited.hash,
    }


def webhook_message_json(view: View[WebhookMessage], links: Links) -> Json:
    """A message to a webhook."""
    delivery = view.record.delivery
    waiting = delivery.state is DeliveryState.WAITING
    shown = _resource(WEBHOOK_MESSAGE, delivery.ref, view, links) | {
        "webhook": delivery.webhook,
        "event": delivery.event,
        "messageId": delivery.message,
        **date_fields("created", delivery.created),
        "state": delivery.state,
        "attempts": delivery.attempts,
        **date_fields("nextAttempt", delivery.due if waiting else None),
        **date_fields("lastAttempt", delivery.attempted),
        "lastStatus": delivery.status,
        "lastError": delivery.error,
        "body": delivery.body,
    }
    if view.record.may_retry:
        shown["actions"]["retry"] = f"{shown['links']['self']}/?action=retry"
    return shown


def _stateful(
    schema: Schema, view: View[Key] | View[Environment] | View[Account], links: Links
) -> Json:
    """The fields that keys, environments and accounts have in common."""
    record = view.record
    return _resource(schema, record.ref, view, links) | {
        "name": record.name,
        "description": record.description,
        "state": record.state,
        **date_fields("created", record.created),
        **date_fields("removed", record.removed),
        "transitioning": "no",
        "transitioningMessage": None,
        "transitioningProgress": None,
        "uuid": record.uuid,
        "limits": limits_json(record.limits),
    }


def _resource(schema: Schema, ref: str, view: View[Any], links: Links) -> Json:
    """The fields that every resource has."""
    itself = links.resource(schema, ref)
    return {
        "id": ref,
        "type": schema.name,
        "baseType": schema.base,
        "links": {"self": itself},
        "actions": {action: f"{itself}/?action={action}" for action in view.actions},
    }


def explanation_json(explained: Explanation) -> Json:
    """What the gateway would decide, and why."""
    permit, route = explained.verdict.permit, explained.verdict.route
    would_refuse = explained.verdict.would_refuse
    names = ("decision", "status", "reason", "explanation", "route", "access", "upstream")
    explanation: Json = {"type": "explanation", "links": {}, "actions": {}}
    explanation |= dict.fromkeys((*names, "environment", "role"))
    explanation["upstreamPath"] = explained.upstream_path
    explanation["wouldRefuse"] = None if would_refuse is None else would_refuse.code
    explanation["limits"] = [
        {
            "policy": each.metered.policy,
            "limit": str(each.metered.limit),
            "left": each.left,
            "seconds": each.seconds,
            "enforced": each.metered.enforced,
        }
        for each in explained.readings
    ]
    if isinstance(permit, Deny):
        reason = permit.reason
        explanation |= {"decision": "deny", "status": reason.status, "reason": reason.code}
        explanation["explanation"] = reason.explanation
    else:
        slug = permit.environment.slug if permit.environment else None
        explanation |= {"decision": "permit", "environment": slug, "role": permit.role}
    if route is not None:
        explanation |= {
            "route": route.path,
            "access": route.access.value,
            "upstream": explained.verdict.upstream or (None if route.split else route.upstream),
        }
    return explanation


def root_json(links: Links) -> Json:
    """The resource of the API's version, with links to all collections."""
    collections = {f"{schema.name}s": links.collection(schema) for schema in SCHEMAS}
    collections[USAGE.name] = links.collection(USAGE)
    return {
        "id": links.version,
        "type": "apiVersion",
        "links": {"self": links.root, "schemas": links.schemas, **collections},
        "actions": {},
    }
