"""Settings that change at run time: what may be written, and what it means."""

from __future__ import annotations

import pytest

from proxy.domain.settings import (
    ACCESS_CONTROL,
    DEFAULT_KEY_LIFETIME,
    MAXIMUM_KEY_LIFETIME,
    ROTATION_OVERLAP,
    SETTINGS,
    duration,
    lifetime_of,
    value_of,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0", 0), ("15s", 15_000), ("30m", 1_800_000), ("24h", 86_400_000), ("90d", 7_776_000_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    """A whole number with a unit."""
    assert duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "d", "1.5h", "-1d", "1 d", "1w", "1D", "36501d", "٣d"])
def test_what_is_no_duration(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="should be a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (ACCESS_CONTROL, ["on", "off"], ["", "true", "ON"]),
        (DEFAULT_KEY_LIFETIME, ["none", "1d"], ["0", "0d", "for ever"]),
        (MAXIMUM_KEY_LIFETIME, ["none", "1s"], ["0", ""]),
        (ROTATION_OVERLAP, ["0", "24h"], ["none", ""]),
    ],
)
def test_values(name: str, good: list[str], bad: list[str]) -> None:
    """Each setting takes its own, its default among them."""
    for value in (*good, SETTINGS[name].default):
        SETTINGS[name].check(value)
    for value in bad:
        with pytest.raises(ValueError, match="should be"):
            SETTINGS[name].check(value)


def test_the_stored_value_wins() -> None:
    """Else the default is in force."""
    assert value_of(ROTATION_OVERLAP, {}) == "24h"
    assert value_of(ROTATION_OVERLAP, {ROTATION_OVERLAP: "1h"}) == "1h"
    assert lifetime_of(MAXIMUM_KEY_LIFETIME, {}) is None
    assert lifetime_of(MAXIMUM_KEY_LIFETIME, {MAXIMUM_KEY_LIFETIME: "1d"}) == 86_400_000
