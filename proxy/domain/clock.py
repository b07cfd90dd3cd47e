"""The wall clock, in the unit that every stored time has: milliseconds since the Unix epoch.

Tested by whatever is stored with a time.
"""

from __future__ import annotations

import time


def now_ms() -> int:
    """The time now, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
