"""Limits in forms, tables and facts: as people write and read them. Pure.

Each part is a field of the form with the name that an error of the API has for it, `limits.rate`.

Tested in `tests/admin/console/test_limits.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from admin.api.representations import Json
from proxy.domain.limiting import Reading

PREFIX: Final = "limits."
_TEXTS: Final = ("rate", "quota", "window")
_LISTS: Final = ("networks", "scopes")
FIELDS: Final = tuple(f"{PREFIX}{part}" for part in (*_TEXTS, "burst", *_LISTS, "enforce"))
WATCHED: Final = "no"
"""The value of the field `limits.enforce` where limits refuse nothing."""
_IN_LISTS: Final = {"networks": re.compile(r"[\s,]+"), "scopes": re.compile(r"[\r\n]+")}
"""What separates the entries of a list: a scope has commas and spaces in it."""


class QuotaLeft(NamedTuple):
    """What is left of a quota."""

    left: int
    of: int
    ends: int
    """When the quota begins anew, in milliseconds since the epoch."""

    @property
    def percent(self) -> int:
        """What is left in percent, rounded down: 0 is nothing, or almost nothing."""
        return 100 * self.left // self.of

    @classmethod
    def of_reading(cls, reading: Reading | None, now: int) -> QuotaLeft | None:
        """What a reading at `now`, in milliseconds since the epoch, says."""
        if reading is None:
            return None
        return cls(reading.left, reading.quota, (now // 1000 + reading.seconds) * 1000)


def limits_body(form: Mapping[str, str], *, new: bool) -> Json | None:
    """The limits in a form, as the API takes them; None where it has no such fields. A `new` key
    whose fields are all empty gets none either: then it has those of the key that makes it."""
    if not any(name in form for name in FIELDS):
        return None
    given = {name: form.get(f"{PREFIX}{name}", "").strip() for name in (*_TEXTS, "burst", *_LISTS)}
    limits: Json = {name: given[name] for name in _TEXTS if given[name]}
    if given["burst"]:
        limits["burst"] = given["burst"]
        with suppress(ValueError):
            limits["burst"] = int(given["burst"][:20])
    for name in _LISTS:
        entries = [each.strip() for each in _IN_LISTS[name].split(given[name]) if each.strip()]
        if entries:
            limits[name] = entries
    if limits and form.get(f"{PREFIX}enforce") == WATCHED:
        limits["enforce"] = False
    return None if new and not limits else limits


def limits_form(limits: Json) -> dict[str, str]:
    """Limits as the form that changes them has them."""
    form = {f"{PREFIX}{name}": str(limits.get(name, "")) for name in (*_TEXTS, "burst")}
    form |= {f"{PREFIX}{name}": "\n".join(limits.get(name, ())) for name in _LISTS}
    return form | {f"{PREFIX}enforce": "yes" if limits.get("enforce", True) else WATCHED}


def limits_brief(limits: Json) -> str:
    """Limits in a few words, for a table."""
    parts = [str(limits[name]) for name in ("rate", "quota") if name in limits]
    for name, noun in (("networks", "network"), ("scopes", "scope")):
        count = len(limits.get(name, ()))
        parts += [f"{count} {noun}" + ("s" if count != 1 else "")] if count else []
    if "window" in limits:
        parts.append(str(limits["window"]))
    if parts and not limits.get("enforce", True):
        parts.append("not enforced")
    return ", ".join(parts)


def limits_lines(limits: Json) -> list[tuple[str, list[str]]]:
    """Limits as facts: (what it is, the values)."""
    lines = []
    if "rate" in limits:
        lines.append(("Rate", [f"{limits['rate']}, {limits['burst']:,} at once"]))
    for name, label in (("quota", "Quota"), ("window", "Hours (UTC)")):
        if name in limits:
            lines.append((label, [str(limits[name])]))
    for name, label in (("networks", "Networks"), ("scopes", "Scopes")):
        if name in limits:
            lines.append((label, list(limits[name])))
    if not limits.get("enforce", True):
        lines.append(("Enforced", ["no"]))
    return lines
