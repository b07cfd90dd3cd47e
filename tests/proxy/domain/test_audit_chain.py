"""Verifying an audit log whose oldest entries were deleted.

What the chain shows otherwise is tested in `tests/admin/cli/test_audit_chain.py`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.audit import Actor, Audited, Entry, chain
from proxy.domain.audit_chain import NOTHING, Head, prune_entry, verify


def pruned_log(length: int, *pruned: int) -> list[Audited]:
    """An audit log of so many entries, whose last ones are about the deletion of entries up to
    those numbers. All entries are there."""
    log: list[Audited] = []
    previous = NOTHING
    for number in range(1, length + 1):
        entry = Entry(number, Actor("1a1"), "key.create", f"1c{number}", None, {"name": "n"})
        if number > length - len(pruned):
            last = log[pruned[number - length - 1] - 1]
            entry = prune_entry(number, 1, Head(last.sequence, last.hash))
        previous = Head(number, chain(previous.hash, number, entry))
        log.append(Audited(number, entry, previous.hash))
    return log


def head(entry: Audited) -> Head:
    return Head(entry.sequence, entry.hash)


def test_a_log_verifies_from_the_entry_after_those_that_were_deleted() -> None:
    """The last entry about a deletion counts."""
    log = pruned_log(10, 2, 5)
    result = verify(log[5:])
    assert (result.problems, result.entries, result.pruned) == ([], 5, head(log[4]))
    assert result.first == log[5]
    assert result.head == head(log[9])


@given(st.sets(st.integers(0, 9)))
def test_it_verifies_from_no_other_entry(left: set[int]) -> None:
    """What is missing beyond that is found, and so is what is there again. Without the entry about
    the deletion, the log is one that ends earlier."""
    log = pruned_log(10, 5)
    part = [log[at] for at in sorted(left)]
    earlier = bool(left) and left == set(range(len(left))) and 9 not in left
    assert (verify(part).problems == []) == (left == set(range(5, 10)) or earlier)


def test_the_problem_is_named() -> None:
    """By the numbers of the entries."""
    log = pruned_log(10, 5)
    assert verify(log[6:]).problems == ["entry 6 is missing"]
    assert verify(log[4:]).problems == ["the log begins at entry 5, but 5 was deleted"]
    assert verify(pruned_log(10)[2:]).problems == ["entries 1 to 2 are missing"]
    altered = replace(log[5], entry=replace(log[5].entry, subject="1c7"))
    assert verify([altered, *log[6:]]).problems == ["entry 6 was altered"]


@pytest.mark.parametrize("after", [None, {}, {"head": 7}, {"head": "5:x"}, "text", ["head"]])
def test_an_entry_about_a_deletion_that_was_altered_counts_for_nothing(after: object) -> None:
    """Whatever it holds instead, the log does not verify, and verifying does not fail."""
    log = pruned_log(10, 5)
    entry = replace(log[9].entry, after=after)  # type: ignore[arg-type]
    forged = Audited(10, entry, chain(log[8].hash, 10, entry))
    assert verify([*log[5:9], forged]).problems == ["entries 1 to 5 are missing"]


def test_a_known_head_that_was_deleted_vouches_only_where_the_log_begins() -> None:
    """An older one cannot be compared any more, which is a problem: else whoever rewrites a log
    could have deleted it."""
    log = pruned_log(10, 5)
    result = verify(log[5:], head(log[4]))
    assert (result.problems, result.head_found) == ([], True)
    result = verify(log[5:], Head(5, "0" * 64))
    assert result.problems == ["entry 5, which was deleted, differs from the known head"]
    result = verify(log[5:], head(log[3]))
    assert result.problems == ["the known head, entry 4, was deleted: use a later one"]
    assert verify(log[5:], head(log[7])).head_found
