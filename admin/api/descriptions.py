"""What fields and actions mean, in a sentence each: schemas have it for people. Pure data.

Tested in `tests/admin/api/test_schema_json.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAME: Final = "What people call it."
_EXPIRES: Final = (
    "When it ends: a time such as 2030-01-31T12:00:00Z, or a duration from now such as 90d. "
    "Null: never. By default as the setting default_key_lifetime says."
)

_LIMITS: Final = (
    'How much, from where, for what and when, such as {"rate": "100/s", "quota": "10000/day", '
    '"networks": ["10.0.0.0/8"], "scopes": ["GET /v1/**"], "window": "Mon-Fri 08:00-18:00"}.'
)

OF_ALL: Final[Mapping[str, str]] = {
    "name": _NAME,
    "description": "Whatever helps people to know it.",
    "state": "Whether it is in use.",
    "created": "When it was made.",
    "removed": "When it was removed.",
    "uuid": "An id that no other server gives.",
}
"""Fields that mean the same in several types."""

OF_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "apiKey": {
        "limits": _LIMITS,
        "publicValue": "The access key, which is the user name of HTTP Basic.",
        "secretValue": "The secret key. Only the answer that makes it has it.",
        "role": "What the key may do, at most as much as the key that makes it.",
        "readOnly": "True is another way to write the role readonly.",
        "expires": _EXPIRES,
        "expired": "Whether it has ended.",
        "refusal": "Why the gateway refuses all requests with it, if it does.",
        "refusalExplanation": "The same as a sentence.",
        "accountId": "The account or environment that it belongs to. By default your own account.",
        "creatorId": "The account that made it.",
        "lastUsed": "When a request came with it last.",
        "lastUsedAddress": "Where that request came from.",
        "useCount": "How many requests came with it.",
        "previousSecretExpires": "Until when the secret before the last rotation is valid.",
        "previousSecretLastUsed": "When a request last came with that secret since the rotation.",
        "secrets": "Which of its secrets is used since the last rotation, and from where.",
        "endpoint": "The URL at the gateway for which the key is.",
    },
    "project": {
        "limits": f"Of all requests in it together. Only admins change them. {_LIMITS}",
        "slug": "Its name in the gateway's URLs. By default its id; only admins choose it.",
        "endpoint": "Its URL at the gateway.",
    },
    "account": {
        "limits": f"Of all its keys together. Only admins change them. {_LIMITS}",
        "kind": "An admin may do everything, a readAdmin sees everything, a user has its own keys.",
        "createKey": "Whether the answer has a first key of the account.",
    },
    "projectMember": {
        "projectId": "The environment.",
        "accountId": "The account that is a member of it.",
        "role": "What the account may do there.",
    },
    "setting": {
        "value": "The value in force.",
        "default": "The value unless another is set.",
        "description": "What it is about.",
    },
    "upstream": {
        "name": "Its name in the configuration.",
        "state": "Whether requests can be sent to it: up, degraded (to some of its targets), down, "
        "or open (its circuit breaker is).",
        "breaker": "Its circuit breaker: closed, open or half-open; null: it has none.",
        "waiting": "How many requests wait for a connection.",
        "retries": "How many requests were sent to another target since the start.",
        "retriesLeft": "How many may be now, by their budget; null: it is one URL alone.",
        "balance": "How a target is chosen: least_requests, round_robin or hash; null as above.",
        "targets": "Each with its state, the reason for it, and since when.",
        "lookup": "The name that resolves to the targets, the type of its records, why the last "
        "lookup failed, if it did, and since when that is so; null: the targets are fixed.",
    },
    "node": {
        "name": "Its name in the configuration, or that of its host.",
        "state": "Whether it follows the store: active, lapsed (it has not been heard of for so "
        "long that it permits nothing), or left.",
        "applied": "The last change that it had applied, as of its last beat.",
        "settled": "The last change by which all requests went that were under way, as of then.",
        "lag": "How many changes it had not applied yet, as of then.",
        "lease": "Seconds for which it goes by what it knows without the store.",
        "lastSeen": "When it was last heard of, by the store's clock.",
        "leaseEnds": "When it is lapsed, if it is not heard of until then.",
        "left": "When it ended, or was said to be dead.",
    },
    "revision": {
        "state": "Whether all nodes go by the change: everywhere, or pending.",
        "nodes": "Each with its state: settled, lapsed, left, or pending until its lease ends.",
    },
    "auditLog": {
        "accountId": "The account that made the change.",
        "keyId": "The key that was presented.",
        "clientIp": "Where the request came from.",
        "requestId": "The request's X-Request-Id.",
        "identity": "Who has logged in with OpenID Connect, where no key was presented.",
        "eventType": "What was done, as in key.create.",
        "resourceId": "What was changed.",
        "before": "What changed, as it was.",
        "after": "What changed, as it is since.",
        "hash": "Covers this entry and the hash of the one before.",
    },
    "webhookMessage": {
        "webhook": "Its name in the configuration. A message that you create is a test.",
        "event": "What it tells, as in key.rotated.",
        "messageId": "The webhook-id, which is the same with every attempt.",
        "state": "Whether the receiver has it, or it is tried again, or given up.",
        "attempts": "How often it was sent.",
        "nextAttempt": "When it is sent again.",
        "lastStatus": "What the receiver answered last.",
        "lastError": "Why the last attempt failed.",
        "body": "What is sent.",
    },
    "rotateInput": {
        "overlap": "How long the old secret stays valid, such as 2h; 0: not at all. "
        "By default as the setting rotation_overlap says.",
        "finishWhenQuiet": "The old secret ends earlier, once nobody has used it for this time, "
        "such as 3d.",
    },
    "explainInput": {
        "path": "The path at the gateway, such as /v1/projects/prod/hosts.",
        "method": "The request's method.",
        "origin": "The origin of the web page that makes the request, such as "
        "https://app.example.com.",
        "address": "The client's IP address. Without one, networks are not judged.",
    },
    "forgetInput": {
        "dead": "True: you know that it is dead. Otherwise it is forgotten only if it is lapsed.",
    },
    "importInput": {
        "publicValue": "The access key: 1 to 64 of A-Z a-z 0-9 . _ @ + -",
        "secretHash": "The bcrypt hash of the secret key: $2a$, $2b$ or $2y$, of cost 4 to 14.",
        "dryRun": "True: only say what would happen.",
        "role": "What the key may do.",
        "readOnly": "True is another way to write the role readonly.",
        "expires": _EXPIRES,
        "accountId": "The account or environment that it belongs to. By default your own account.",
        "limits": _LIMITS,
    },
}
"""Type → field → what it means there."""

ACTIONS: Final[Mapping[str, str]] = {
    "activate": "Put it to use again.",
    "deactivate": "Have it refused from the next request on. It can be activated again.",
    "rotate": "Give it a new secret. The old one stays valid for the overlap.",
    "explain": "Ask what the gateway would decide about a request, and why. Nothing is sent.",
    "retry": "Send it now, and go on trying.",
    "forget": "Wait for it no longer, as it is dead.",
    "purge": "Delete what is left of it. Only the audit log shows it then.",
    "import": "Make a key from an access key and a hash that another system has.",
}


def field_description(type_name: str, field: str) -> str | None:
    """What a field means, None where its name says it."""
    return OF_TYPES.get(type_name, {}).get(field) or OF_ALL.get(field)
