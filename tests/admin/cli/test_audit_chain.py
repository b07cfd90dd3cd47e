"""Verifying a audit log: what a chain shows by itself, and what only a head that was kept shows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from admin.cli.audit_chain import MAX_PROBLEMS, Head, verified
from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain


def audit_log(length: int, first_name: str = "n") -> list[dict[str, Any]]:
    """A audit log as the admin server tells it."""
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


def test_a_whole_one() -> None:
    """No problems, and its head."""
    lines = audit_log(5)
    verdict = verified(lines, None)
    assert (verdict.problems, verdict.entries, verdict.head) == ([], 5, head(lines[4]))
    assert not verdict.vouched
    assert verified(lines, head(lines[2])).vouched


@given(st.integers(0, 9), st.sampled_from(sorted(audit_log(1)[0])))
def test_every_field_counts(at: int, field: str) -> None:
    """Whatever is altered in whichever entry, that entry or the next one does not fit."""
    lines = audit_log(10)
    lines[at] = lines[at] | {field: 77 if field == "createdTS" else "77"}
    assert verified(lines, None).problems


@given(st.permutations(range(6)), st.integers(0, 6))
def test_every_order_but_one_shows(order: list[int], length: int) -> None:
    """And so does every piece that is left out but the tail."""
    lines = audit_log(6)
    given = [lines[at] for at in order[:length]]
    whole = order[:length] == list(range(length)) and length > 0
    assert (verified(given, None).problems == []) == whole


def test_an_altered_entry_with_its_own_hash_made_anew() -> None:
    """The entry behind it no longer fits."""
    lines = audit_log(5)
    lines[0] = audit_log(1, "m")[0]
    assert verified(lines, None).problems == ["entry 2 was altered, or entry 1 with its hash"]


def test_a_chain_made_anew() -> None:
    """It verifies by itself, and not against a head of the old one."""
    old, new = audit_log(5), audit_log(5, "m")
    assert verified(new, None).problems == []
    assert verified(new, head(old[2])).problems == [
        "entry 3 is another than the head that was kept"
    ]


def test_a_cut_tail() -> None:
    """It shows against a head behind the cut."""
    lines = audit_log(5)
    assert verified(lines[:3], head(lines[3])).problems == [
        "the log ends at entry 3, before entry 4, the head"
    ]
    assert verified(lines[:3], head(lines[2])).problems == []


def test_what_is_no_entry() -> None:
    """Fields that are missing, of another type, or numbers and hashes that are none."""
    lines = audit_log(3)
    broken = [{}, {"id": "1"}, lines[1] | {"id": None}, lines[1] | {"id": "-1"}]
    broken += [lines[1] | {"hash": "x"}, lines[1] | {"after": {1, 2}}]
    for each in broken:
        problems = verified([lines[0], each, *lines[1:]], None).problems
        assert problems == ["what stands behind entry 1 is not an entry"]


def test_there_is_an_end_to_what_is_told() -> None:
    """A file of something else altogether does not fill the terminal."""
    assert len(verified([{}] * 1000, None).problems) == MAX_PROBLEMS + 1
