"""Entries of the audit log in words."""

from __future__ import annotations

from typing import Any

import pytest

from admin.console.audit_entries import Change, Shown, Value, shown


def entry(action: str, before: Any, after: Any) -> Shown:
    """An entry of the API's, as the page shows it."""
    actor = {"accountId": "1a1", "keyId": "1c1", "resourceId": "1c5"}
    return shown({"eventType": action, "before": before, "after": after, **actor}, altered=False)


def text(value: str) -> Value:
    return Value("text", value)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"name": "a"}, {"name": "b"}, [Change("name", text("a"), text("b"))]),
        ({"name": None}, {"name": "b"}, [Change("name", Value("none", "none"), text("b"))]),
        (
            {"expires": 1_700_000_000_000},
            {"expires": None},
            [Change("expires", Value("time", "2023-11-14T22:13:20Z"), Value("none", "none"))],
        ),
        (None, {"account_id": 7}, [Change("account", None, Value("ref", "1a7"))]),
        ({"environment_id": 7}, None, [Change("environment", Value("ref", "1a7"), None)]),
        (
            None,
            {"deleted": 7, "list": [1]},
            [Change("deleted", None, text("7")), Change("list", None, text("[1]"))],
        ),
        (None, {"expires": 10**18}, [Change("expires", None, text(str(10**18)))]),
        (None, {"expires": "soon"}, [Change("expires", None, text("soon"))]),
        (
            {"quiet": None},
            {"quiet": 259_200_000},
            [
                Change(
                    "old secret ends once unused for",
                    Value("none", "none"),
                    Value("duration", "3d"),
                )
            ],
        ),
        (None, {"quiet": -1}, [Change("old secret ends once unused for", None, text("-1"))]),
        (None, None, []),
    ],
)
def test_a_difference_says_each_field_as_it_was_and_as_it_is(
    before: Any, after: Any, changes: list[Change]
) -> None:
    """Times are times, and numbers of accounts and environments are ids."""
    assert entry("key.update", before, after).changes == changes


@pytest.mark.parametrize("side", ["{bad", "", ["a"], 5, "[" * 100_000])
def test_a_side_that_is_no_object_was_altered(side: Any) -> None:
    """It is shown as it is."""
    found = entry("key.update", {"name": "a"}, side)
    assert found.altered
    assert len(found.unreadable) == 1
    assert found.changes == [Change("name", text("a"), None)]


def test_an_action_without_words_is_shown_as_it_is() -> None:
    """An entry of a later version, say."""
    assert entry("key.create", None, {}).words == "API key created"
    assert entry("key.sing", None, {}).words == "key.sing"


def test_a_new_record_is_told_by_what_its_name_does_not_say() -> None:
    """Nor who made it."""
    made = {"name": "n", "state": "active", "creator_id": 1, "description": "", "role": "owner"}
    found = entry("key.create", None, made)
    assert [change.label for change in found.changes if change.telling] == ["role"]
    changed = entry("key.update", {"name": "n"}, {"name": "m"})
    assert [change.telling for change in changed.changes] == [True]
