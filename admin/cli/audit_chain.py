"""Verifies an audit log: no entry is missing, out of place or altered. Pure.

Each entry's hash covers the entry and the hash before it (`domain.audit.chain`). The chain alone
does not show that entries were removed from its end, or rewritten from some entry to the end. A
head from an earlier time, which is the number and hash of an entry, shows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain

MAX_PROBLEMS = 20
"""Further problems are not reported."""

_NUMBER = re.compile("[1-9][0-9]{0,17}")
_HASH = re.compile("[0-9a-f]{64}")


class Head(NamedTuple):
    """The number and the hash of an entry."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Parse `NUMBER:HASH`. Raises ValueError."""
        number, _, value = text.partition(":")
        if not _NUMBER.fullmatch(number) or not _HASH.fullmatch(value):
            raise ValueError("should be NUMBER:HASH, where the hash has 64 hexadecimal digits")
        return cls(int(number), value)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(slots=True)
class Verification:
    """The result of verifying an audit log."""

    entries: int = 0
    head: Head | None = None
    """The head of the last entry, None if there is no entry."""
    problems: list[str] = field(default_factory=list)
    head_found: bool = False
    """Whether the known head is in the log."""


def verify(resources: Iterable[Mapping[str, Any]], known_head: Head | None) -> Verification:
    """Verify the entries of an audit log, from the first one, as the admin API represents them.

    `known_head` is a head of this log from an earlier time.
    """
    result = Verification()
    for problem in _problems(resources, known_head, result):
        result.problems.append(problem)
        if len(result.problems) == MAX_PROBLEMS:
            result.problems.append("further problems are not reported")
            break
    return result


def _problems(
    resources: Iterable[Mapping[str, Any]], known_head: Head | None, result: Verification
) -> Iterator[str]:
    previous = Head(0, FIRST_HASH)
    for resource in resources:
        result.entries += 1
        head, computed = _link(previous, resource)
        if head is None:
            yield f"what follows entry {previous.sequence} is not an entry"
            continue
        if head.sequence <= previous.sequence:
            yield f"entry {head.sequence} follows entry {previous.sequence}"
            continue
        if head.sequence > previous.sequence + 1:
            yield f"{_range(previous.sequence + 1, head.sequence - 1)} missing"
        elif computed != head.hash:
            before = f", or entry {previous.sequence} with its hash" if previous.sequence else ""
            yield f"entry {head.sequence} was altered{before}"
        if known_head is not None and head.sequence == known_head.sequence:
            result.head_found = head.hash == known_head.hash
            if not result.head_found:
                yield f"entry {head.sequence} differs from the known head"
        result.head = previous = head
    if result.head is None:
        yield "the log has no entry, but the first one is recorded when the store is made"
    if known_head is not None and known_head.sequence > previous.sequence:
        end = f"the log ends at entry {previous.sequence}"
        yield f"{end}, but the known head is entry {known_head.sequence}"


def _range(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _link(previous: Head, resource: Mapping[str, Any]) -> tuple[Head | None, str]:
    """The head that an entry has, and the hash that it should have after `previous`."""
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
