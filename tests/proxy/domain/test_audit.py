"""The chain of hashes: it shows any change to an entry, and stays the same from release to
release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain

ACTOR = Actor("1a1", "1c1", "192.0.2.1", "an-id")
ENTRY = Entry(5, ACTOR, "key.update", "1c2", {"name": "a", "role": "owner"}, {"name": "b"})


def test_the_hash_of_an_entry_is_the_same_in_every_release() -> None:
    """Logs that an earlier release has written must verify."""
    assert chain(FIRST_HASH, 1, ENTRY) == (
        "e94e1180808f646b81871d9b31e0879d29036a9ec2f1ca68206e42f8029a6ee9"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 6},
        {"action": "key.create"},
        {"subject": "1c3"},
        {"before": None},
        {"before": {"name": "a"}},
        {"after": {"name": "c"}},
        {"after": {"name": None}},
        *(
            {"actor": replace(ACTOR, **{name: None})}
            for name in ("account", "key", "address", "request_id")
        ),
        {"actor": replace(ACTOR, identity="ada")},
    ],
)
def test_another_value_gives_another_hash(changes: dict[str, Any]) -> None:
    """Whichever part of the entry has changed."""
    assert chain(FIRST_HASH, 1, replace(ENTRY, **changes)) != chain(FIRST_HASH, 1, ENTRY)


def test_the_hash_depends_on_the_place_and_on_all_entries_before() -> None:
    """So that none can be moved, left out or put in."""
    first = chain(FIRST_HASH, 1, ENTRY)
    assert chain(FIRST_HASH, 2, ENTRY) != first
    assert chain(first, 2, ENTRY) != chain(FIRST_HASH, 2, ENTRY)


texts = st.text(max_size=5) | st.none()
details = st.none() | st.dictionaries(st.text(max_size=3), texts | st.integers(), max_size=3)
entries = st.builds(
    Entry,
    st.integers(0, 9),
    st.builds(Actor, texts, texts, texts, texts, texts),
    st.text(max_size=5),
    st.text(max_size=5),
    details,
    details,
)


@given(entries, entries)
def test_entries_have_one_hash_only_where_they_are_equal(one: Entry, other: Entry) -> None:
    """No value of one member can be taken for a part of the next."""
    assert (chain(FIRST_HASH, 1, one) == chain(FIRST_HASH, 1, other)) == (one == other)


@given(entries)
def test_the_order_of_members_in_before_and_after_does_not_count(entry: Entry) -> None:
    """A store may return them in another order than that in which they were written."""

    def turned(detail: Any) -> Any:
        return detail and dict(reversed(detail.items()))

    same = replace(entry, before=turned(entry.before), after=turned(entry.after))
    assert chain(FIRST_HASH, 1, same) == chain(FIRST_HASH, 1, entry)
