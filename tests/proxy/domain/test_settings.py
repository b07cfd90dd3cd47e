"""Settings that change at run time: the values that each may have, and what they mean."""

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
def test_a_duration_is_a_whole_number_with_a_unit(text: str, milliseconds: int) -> None:
    """Zero needs no unit."""
    assert duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "d", "1.5h", "-1d", "1 d", "1w", "1D", "36501d", "٣d"])
def test_anything_else_is_no_duration(text: str) -> None:
    """No unit is assumed, and no other is accepted."""
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
def test_a_setting_takes_its_own_values_and_no_others(
    name: str, good: list[str], bad: list[str]
) -> None:
    """Its default is one of them."""
    for value in (*good, SETTINGS[name].default):
        SETTINGS[name].check(value)
    for value in bad:
        with pytest.raises(ValueError, match="should be"):
            SETTINGS[name].check(value)


def test_a_stored_value_replaces_the_default() -> None:
    """Without one, the default is in force."""
    assert value_of(ROTATION_OVERLAP, {}) == "24h"
    assert value_of(ROTATION_OVERLAP, {ROTATION_OVERLAP: "1h"}) == "1h"
    assert lifetime_of(MAXIMUM_KEY_LIFETIME, {}) is None
    assert lifetime_of(MAXIMUM_KEY_LIFETIME, {MAXIMUM_KEY_LIFETIME: "1d"}) == 86_400_000
