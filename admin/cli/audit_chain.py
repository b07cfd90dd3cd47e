"""Whether an audit log is whole: every entry in its place, none altered. Pure.

Each entry's hash covers the entry and the hash before it (`audit.chain`). A chain proves that
nothing within it was changed, but not that nothing was cut off its end, nor that it was not made
anew from some entry on: for that one has to have kept a head, the number and hash of an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain

MAX_PROBLEMS = 20
"""More are not told."""

_NUMBER = re.compile("[1-9][0-9]{0,17}")
_HASH = re.compile("[0-9a-f]{64}")


class Head(NamedTuple):
    """The number and the hash of an entry."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """`SEQ:HASH`. Raises ValueError."""
        number, _, value = text.partition(":")
        if not _NUMBER.fullmatch(number) or not _HASH.fullmatch(value):
            raise ValueError("should be SEQ:HASH, a number and 64 hexadecimal digits")
        return cls(int(number), value)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(slots=True)
class Verdict:
    """What came of reading a audit log."""

    entries: int = 0
    head: Head | None = None
    """Of the last entry."""
    problems: list[str] = field(default_factory=list)
    vouched: bool = False
    """Whether the head that was kept is in the audit log."""


def verified(resources: Iterable[Mapping[str, Any]], kept: Head | None) -> Verdict:
    """Read a audit log from its first entry on, `kept` being a head of it that somebody kept."""
    verdict = Verdict()
    for problem in _problems(resources, kept, verdict):
        verdict.problems.append(problem)
        if len(verdict.problems) == MAX_PROBLEMS:
            verdict.problems.append("and no further: too much is wrong")
            break
    return verdict


def _problems(
    resources: Iterable[Mapping[str, Any]], kept: Head | None, verdict: Verdict
) -> Iterator[str]:
    previous = Head(0, FIRST_HASH)
    for resource in resources:
        verdict.entries += 1
        head, computed = _link(previous, resource)
        if head is None:
            yield f"what stands behind entry {previous.sequence} is not an entry"
            continue
        if head.sequence <= previous.sequence:
            yield f"entry {head.sequence} stands behind entry {previous.sequence}"
            continue
        if head.sequence > previous.sequence + 1:
            yield f"{_range(previous.sequence + 1, head.sequence - 1)} missing in its place"
        elif computed != head.hash:
            before = f", or entry {previous.sequence} with its hash" if previous.sequence else ""
            yield f"entry {head.sequence} was altered{before}"
        if kept is not None and head.sequence == kept.sequence:
            verdict.vouched = head.hash == kept.hash
            if not verdict.vouched:
                yield f"entry {head.sequence} is another than the head that was kept"
        verdict.head = previous = head
    if verdict.head is None:
        yield "there is no entry: the first one is made with the store"
    if kept is not None and kept.sequence > previous.sequence:
        yield f"the log ends at entry {previous.sequence}, before entry {kept.sequence}, the head"


def _range(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _link(previous: Head, resource: Mapping[str, Any]) -> tuple[Head | None, str]:
    """The head that an entry says it is, and the hash that it should have behind `previous`."""
    try:
        head = Head.parse(f"{resource['id']}:{resource['hash']}")
        actor = Actor(*(resource[name] for name in ("accountId", "keyId", "clientIp", "requestId")))
        entry = Entry(
            time=resource["createdTS"],
            actor=actor,
            action=resource["eventType"],
            subject=resource["resourceId"],
            before=resource["before"],
            after=resource["after"],
        )
        return head, chain(previous.hash, head.sequence, entry)
    except (KeyError, TypeError, ValueError):
        return None, ""
