"""The settings that an admin changes at run time: one table of names, defaults and checks. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

ACCESS_CONTROL: Final = "access_control"
DEFAULT_KEY_LIFETIME: Final = "default_key_lifetime"
MAXIMUM_KEY_LIFETIME: Final = "maximum_key_lifetime"
ROTATION_OVERLAP: Final = "rotation_overlap"

_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])").fullmatch
MAX_DURATION: Final = 36_500 * _UNITS["d"]
"""A hundred years: an end so far from now still has a year of four digits."""


def duration(text: str) -> int:
    """`90d`, `24h`, `30m`, `15s` or `0` in milliseconds. Raises ValueError."""
    match = _DURATION(text)
    milliseconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if (match is None and text != "0") or milliseconds > MAX_DURATION:
        raise ValueError("should be a duration such as 90d, 24h, 30m or 15s, up to 36500d")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """A duration as `duration` reads it, in the longest unit that says it exactly."""
    for unit, size in reversed(_UNITS.items()):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds // 1000}s" if milliseconds else "0"


def _on_off(text: str) -> None:
    if text not in {"on", "off"}:
        raise ValueError("should be on or off")


def _lifetime(text: str) -> None:
    if text != "none" and not duration(text):
        raise ValueError("should be none, or a duration that is not 0")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting."""

    name: str
    default: str
    check: Callable[[str], object]
    """Raises ValueError, whose text says what is expected."""
    description: str


SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting(
            ACCESS_CONTROL,
            "on",
            _on_off,
            "Whether requests need a key; while it is off, requests without one pass anonymously",
        ),
        Setting(
            DEFAULT_KEY_LIFETIME,
            "none",
            _lifetime,
            "How long a key lasts unless its creator asks for something else; none: for ever",
        ),
        Setting(
            MAXIMUM_KEY_LIFETIME,
            "none",
            _lifetime,
            "The longest lifetime that a creator may ask for; none: for ever",
        ),
        Setting(
            ROTATION_OVERLAP,
            "24h",
            duration,
            "How long a rotated secret stays valid beside the new one, unless asked otherwise",
        ),
    )
}


def value_of(name: str, stored: Mapping[str, str]) -> str:
    """The value in force: the stored one, or the default where none is stored."""
    return stored.get(name, SETTINGS[name].default)


def lifetime_of(name: str, stored: Mapping[str, str]) -> int | None:
    """A lifetime in milliseconds, None where it is unlimited."""
    value = value_of(name, stored)
    return None if value == "none" else duration(value)
