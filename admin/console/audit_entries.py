"""Entries of the audit log as people read them: what was done in words, and what changed. Pure.

An entry may have been altered in the store, so that nothing is certain about what it holds.

Tested in `tests/admin/console/test_audit_entries.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from admin.api.representations import Json, timestamp
from admin.console.limits import limits_lines
from proxy.domain.limits import limits_json, parse_limits
from proxy.domain.settings import duration_text

ACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "API keys": {
        "key.create": "API key created",
        "key.import": "API key imported",
        "key.update": "API key edited",
        "key.rotate": "API key rotated",
        "key.finish_rotation": "API key's old secret ended",
        "key.deactivate": "API key deactivated",
        "key.activate": "API key activated",
        "key.remove": "API key deleted",
        "key.purge": "API key purged",
    },
    "Environments": {
        "environment.create": "Environment created",
        "environment.update": "Environment edited",
        "environment.deactivate": "Environment deactivated",
        "environment.activate": "Environment activated",
        "environment.remove": "Environment deleted",
        "environment.purge": "Environment purged",
        "membership.create": "Member added",
        "membership.update": "Member's role changed",
        "membership.remove": "Member removed",
    },
    "Accounts": {
        "account.create": "Account created",
        "account.update": "Account edited",
        "account.deactivate": "Account deactivated",
        "account.activate": "Account activated",
        "account.remove": "Account deleted",
        "account.purge": "Account purged",
        "session.create": "Logged in",
        "session.end": "Logged out",
    },
    "Server": {
        "setting.update": "Setting changed",
        "store.restore": "Store restored from a backup",
        "store.copy": "Store copied from another one",
        "store.reopen": "Store used again that had moved",
        "audit.prune": "Old audit entries deleted",
        "webhook.test": "Webhook tried out",
        "webhook.retry": "Webhook message sent again",
        "node.forget": "Node said to be dead",
    },
}
"""Group → action → what it is called."""
WORDS: Final = {name: text for group in ACTIONS.values() for name, text in group.items()}

_LABELS: Final = {
    "account_id": "account",
    "environment_id": "environment",
    "creator_id": "created by",
    "access_key": "access key",
    "previous_until": "old secret valid until",
    "quiet": "old secret ends once unused for",
    "agent": "browser",
}
_SAID: Final = frozenset({"name", "state", "access key", "created by"})
"""Fields that say nothing more where a record was made: the entry names it and who made it."""
_TIMES: Final = frozenset({"expires", "removed", "previous_until"})
_REFS: Final = frozenset({"account_id", "environment_id", "creator_id"})


@dataclass(frozen=True, slots=True)
class Value:
    """A value before or after a change."""

    kind: str
    """`none`, `time`, `duration`, `ref` or `text`."""
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A field that changed. A side is None where the record did not exist."""

    label: str
    old: Value | None
    new: Value | None

    @property
    def telling(self) -> bool:
        """Whether it says more than that a record was made or ended, and which."""
        only = self.new if self.old is None else self.old if self.new is None else None
        return only is None or (self.label not in _SAID and bool(only.text))


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry."""

    entry: Json
    """As the API has it."""
    words: str
    changes: Sequence[Change]
    altered: bool
    unreadable: Sequence[str]
    """What stands where the sides of a difference should be."""

    @property
    def about(self) -> str | None:
        """The id to be named beside the words: none where the changes or the account say it."""
        action = self.entry["eventType"]
        said = action.startswith("session.") or action in {"membership.create", "membership.remove"}
        return None if said else self.entry["resourceId"]

    @property
    def refs(self) -> Iterator[str | None]:
        """The ids in it."""
        yield from (self.entry[name] for name in ("accountId", "keyId", "resourceId"))
        for change in self.changes:
            for value in (change.old, change.new):
                yield value.text if value is not None and value.kind == "ref" else None


def shown(entry: Json, *, altered: bool) -> Shown:
    """An entry of the API's, and whether it was altered."""
    sides = [entry["before"], entry["after"]]
    unreadable = [_plain(side) for side in sides if side is not None and not isinstance(side, dict)]
    before, after = (side if isinstance(side, dict) else None for side in sides)
    action = str(entry["eventType"])
    return Shown(
        entry,
        WORDS.get(action, action),
        _changes(before, after),
        altered or bool(unreadable),
        unreadable,
    )


def _changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    names = dict.fromkeys([*(before or {}), *(after or {})])
    return [
        Change(
            _LABELS.get(name, name.replace("_", " ")),
            None if before is None else _value(name, before.get(name)),
            None if after is None else _value(name, after.get(name)),
        )
        for name in names
    ]


def _value(name: str, value: object) -> Value:
    if value is None:
        return Value("none", "none")
    if isinstance(value, int) and not isinstance(value, bool):
        if name in _REFS:
            return Value("ref", f"1a{value}")
        if name == "quiet" and value > 0:
            return Value("duration", duration_text(value))
        time = timestamp(value) if name in _TIMES else None
        if time is not None:
            return Value("time", time)
    if name == "limits" and isinstance(value, dict):
        with suppress(ValueError):  # of an entry that was altered
            lines = limits_lines(limits_json(parse_limits(value)))
            return Value("text", "; ".join(f"{label} {', '.join(each)}" for label, each in lines))
    return Value("text", _plain(value))


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"
