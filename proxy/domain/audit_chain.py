"""Verifies an audit log: no entry is missing, out of place or altered. Pure.

Each entry's hash covers the entry and the hash before it (`domain.audit.chain`). The chain alone
does not show that entries were removed from its end, or rewritten from some entry to the end. A
head from an earlier time, which is the number and hash of an entry, shows both.

The oldest entries may have been deleted (`store.retention`). Then the last entry about that has the
head of the last one that was deleted, so that the first one that is left can be verified too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.domain.audit import FIRST_HASH, Actor, Audited, Entry, chain

MAX_PROBLEMS = 20
"""Further problems are not reported."""
PRUNE: Final = "audit.prune"
"""The action of an entry that says which entries were deleted."""

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


NOTHING: Final = Head(0, FIRST_HASH)
"""What the first entry of all is chained to."""


def prune_entry(now: int, deleted: int, last: Head) -> Entry:
    """The entry about the deletion of `deleted` entries, up to the one with the head `last`."""
    after = {"deleted": deleted, "head": str(last)}
    return Entry(now, Actor(), PRUNE, "audit_retention", None, after)


@dataclass(slots=True)
class Verification:
    """The result of verifying an audit log."""

    entries: int = 0
    first: Audited | None = None
    """The first entry, None if there is none."""
    pruned: Head = NOTHING
    """The head of the last entry that was deleted."""
    head: Head | None = None
    """The head of the last entry, None if there is no entry."""
    problems: list[str] = field(default_factory=list)
    head_found: bool = False
    """Whether the known head is in the log."""


def verify(entries: Iterable[Audited | None], known_head: Head | None = None) -> Verification:
    """Verify the entries of an audit log, in their order; None stands for what is no entry.

    `known_head` is a head of this log from an earlier time.
    """
    result = Verification()
    for problem in _problems(entries, known_head, result):
        result.problems.append(problem)
        if len(result.problems) == MAX_PROBLEMS:
            result.problems.append("further problems are not reported")
            break
    return result


def _problems(
    entries: Iterable[Audited | None], known_head: Head | None, result: Verification
) -> Iterator[str]:
    previous = NOTHING
    for each in entries:
        result.entries += 1
        if each is None:
            yield f"what follows entry {previous.sequence} is not an entry"
            continue
        head = Head(each.sequence, each.hash)
        if head.sequence <= previous.sequence:
            yield f"entry {head.sequence} follows entry {previous.sequence}"
            continue
        if result.first is None:
            result.first = each  # verified below, once it is known what was deleted before it
        elif head.sequence > previous.sequence + 1:
            yield f"{_range(previous.sequence + 1, head.sequence - 1)} missing"
        elif chain(previous.hash, each.sequence, each.entry) != each.hash:
            yield f"entry {head.sequence} was altered, or entry {previous.sequence} with its hash"
        result.pruned = _pruned_by(each.entry) or result.pruned
        if known_head is not None and head.sequence == known_head.sequence:
            result.head_found = head.hash == known_head.hash
            if not result.head_found:
                yield f"entry {head.sequence} differs from the known head"
        result.head = previous = head
    yield from _problems_of_the_beginning(known_head, result)
    if known_head is not None and known_head.sequence > previous.sequence:
        end = f"the log ends at entry {previous.sequence}"
        yield f"{end}, but the known head is entry {known_head.sequence}"


def _problems_of_the_beginning(known_head: Head | None, result: Verification) -> Iterator[str]:
    first, pruned = result.first, result.pruned
    if first is None:
        yield "the log has no entry, but the first one is recorded when the store is made"
        return
    if first.sequence > pruned.sequence + 1:
        yield f"{_range(pruned.sequence + 1, first.sequence - 1)} missing"
    elif first.sequence <= pruned.sequence:
        yield f"the log begins at entry {first.sequence}, but {pruned.sequence} was deleted"
    elif chain(pruned.hash, first.sequence, first.entry) != first.hash:
        yield f"entry {first.sequence} was altered"
    if known_head is None or known_head.sequence >= first.sequence:
        return
    if known_head.sequence < pruned.sequence:
        yield f"the known head, entry {known_head.sequence}, was deleted: use a later one"
    else:
        result.head_found = known_head == pruned
        if not result.head_found:
            yield f"entry {known_head.sequence}, which was deleted, differs from the known head"


def _range(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _pruned_by(entry: Entry) -> Head | None:
    """The head of the last entry of those whose deletion an entry is about; None for others."""
    if entry.action != PRUNE:
        return None
    try:
        return Head.parse(str((entry.after or {})["head"]))
    except (KeyError, TypeError, ValueError):  # altered
        return None
