"""Verifying an audit log: what the chain shows by itself, and what only a known head shows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from admin.cli.audit_chain import verify
from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from proxy.domain.audit_chain import MAX_PROBLEMS, Head


def audit_log(length: int, first_name: str = "n") -> list[dict[str, Any]]:
    """An audit log as the admin API represents it."""
    lines, previous = [], FIRST_HASH
    for number in range(1, length + 1):
        after = {"name": first_name if number == 1 else "n", "expires": None}
        actor = Actor("1a1", "1c1", "127.0.0.1", f"r{number}")
        entry = Entry(number, actor, "key.create", f"1c{number}", None, after)
        previous = chain(previous, number, entry)
        lines.append(
            {
                "id": str(number),
                "createdTS": number,
                "accountId": "1a1",
                "keyId": "1c1",
                "clientIp": "127.0.0.1",
                "requestId": f"r{number}",
                "eventType": "key.create",
                "resourceId": f"1c{number}",
                "before": None,
                "after": after,
                "hash": previous,
            }
        )
    return lines


def head(line: dict[str, Any]) -> Head:
    return Head(int(line["id"]), line["hash"])


def test_an_unaltered_chain_has_no_problems() -> None:
    """The result has the head of its last entry."""
    lines = audit_log(5)
    verdict = verify(lines, None)
    assert (verdict.problems, verdict.entries, verdict.head) == ([], 5, head(lines[4]))
    assert not verdict.head_found
    assert verify(lines, head(lines[2])).head_found


@given(st.integers(0, 9), st.sampled_from(sorted(audit_log(1)[0])))
def test_every_altered_field_is_found(at: int, field: str) -> None:
    """The hash of the entry or of the next one does not fit."""
    lines = audit_log(10)
    lines[at] = lines[at] | {field: 77 if field == "createdTS" else "77"}
    assert verify(lines, None).problems


@given(st.permutations(range(6)), st.integers(0, 6))
def test_only_the_original_order_from_the_first_entry_verifies(
    order: list[int], length: int
) -> None:
    """Every reordered or missing entry is found, except at the end."""
    lines = audit_log(6)
    part = [lines[at] for at in order[:length]]
    original = order[:length] == list(range(length)) and length > 0
    assert (verify(part, None).problems == []) == original


def test_an_altered_entry_with_a_new_hash_does_not_fit_the_next_entry() -> None:
    """The message names both entries."""
    lines = audit_log(5)
    lines[0] = audit_log(1, "m")[0]
    assert verify(lines, None).problems == ["entry 2 was altered, or entry 1 with its hash"]


def test_a_rewritten_chain_is_found_with_a_known_head() -> None:
    """Without the head it verifies."""
    old, new = audit_log(5), audit_log(5, "m")
    assert verify(new, None).problems == []
    assert verify(new, head(old[2])).problems == ["entry 3 differs from the known head"]


def test_a_chain_that_ends_before_the_known_head_is_reported() -> None:
    """A head of an entry that is left finds nothing."""
    lines = audit_log(5)
    assert verify(lines[:3], head(lines[3])).problems == [
        "the log ends at entry 3, but the known head is entry 4"
    ]
    assert verify(lines[:3], head(lines[2])).problems == []


def test_a_malformed_entry_is_reported_with_the_entry_before_it() -> None:
    """With missing fields, fields of another type, or malformed numbers and hashes."""
    lines = audit_log(3)
    broken = [{}, {"id": "1"}, lines[1] | {"id": None}, lines[1] | {"id": "-1"}]
    broken += [lines[1] | {"hash": "x"}]
    for each in broken:
        problems = verify([lines[0], each, *lines[1:]], None).problems
        assert problems == ["what follows entry 1 is not an entry"]


def test_the_number_of_reported_problems_is_limited() -> None:
    """So that another kind of file does not fill the terminal."""
    assert len(verify([{}] * 1000, None).problems) == MAX_PROBLEMS + 1
