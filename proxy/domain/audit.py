"""The audit log: what one entry says, and the chain of hashes that holds the entries together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST_HASH: Final = "0" * 64
"""The hash that the first entry is chained to."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change. Without an account: the command line on the store's own machine."""

    account: str | None = None
    """An account's id on the wire, `1a1`."""
    key: str | None = None
    """The presented key's id on the wire, `1c1`."""
    address: str | None = None
    request_id: str | None = None
    identity: str | None = None
    """Who a person is to the OpenID provider, where one acts in the account without a key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change by the admin server. `before` and `after` hold the members that changed, never a
    secret or its hash."""

    time: int
    """Milliseconds since the Unix epoch."""
    actor: Actor
    action: str
    """For example `key.create` or `environment.deactivate`."""
    subject: str
    """The id on the wire of the record that was changed, or the name of the setting."""
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Audited:
    """An entry in its place in the audit log."""

    sequence: int
    entry: Entry
    hash: str


def chain(previous: str, sequence: int, entry: Entry) -> str:
    """The hash of `entry` as number `sequence`, after the entry whose hash is `previous`."""
    actor = entry.actor
    body = [previous, sequence, entry.time, actor.account, actor.key, actor.address]
    body += [actor.request_id, entry.action, entry.subject, entry.before, entry.after]
    if actor.identity is not None:  # so that the hashes of all other entries stay as they were
        body.append(actor.identity)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
