"""Verifies the audit log as the admin API represents it: `domain.audit_chain` has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.domain import audit_chain
from proxy.domain.audit import Actor, Audited, Entry
from proxy.domain.audit_chain import Head, Verification


def verify(resources: Iterable[Mapping[str, Any]], known_head: Head | None) -> Verification:
    """Verify the entries of an audit log. `known_head` is a head of it from an earlier time."""
    return audit_chain.verify(map(_audited, resources), known_head)


def _audited(resource: Mapping[str, Any]) -> Audited | None:
    """The entry that a resource represents, None where it is none."""
    try:
        sequence, digest = Head.parse(f"{resource['id']}:{resource['hash']}")
        actor = Actor(
            account=resource["accountId"],
            key=resource["keyId"],
            address=resource["clientIp"],
            request_id=resource["requestId"],
            identity=resource.get("identity"),  # exports of earlier versions have none
        )
        entry = Entry(
            time=resource["createdTS"],
            actor=actor,
            action=resource["eventType"],
            subject=resource["resourceId"],
            before=resource["before"],
            after=resource["after"],
        )
        return Audited(sequence, entry, digest)
    except (KeyError, TypeError, ValueError):
        return None
