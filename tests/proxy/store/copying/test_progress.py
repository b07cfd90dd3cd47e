"""A copy says how far it is where it takes long."""

from __future__ import annotations

from proxy.store.copying.progress import EVERY, Progress


def test_it_is_said_now_and_then() -> None:
    """Not for each part."""
    said, now = list[str](), 0.0
    progress = Progress(said.append, lambda: now)
    progress("keys", 1, 4000)
    now = EVERY
    progress("keys", 2000, 4000)
    progress("keys", 2001, 4000)
    now = 2 * EVERY
    progress("uses", 1, 2)
    assert said == ["keys: 2,000 of 4,000 rows", "uses: 1 of 2 rows"]
