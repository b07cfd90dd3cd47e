"""Uses of keys: gathered, written down together, and never lost to a store that is away."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import proxy.telemetry.usage as module
from proxy.domain.model import StoreUnavailable
from proxy.store.protocols import Usage
from proxy.telemetry.usage import UsageRecorder


class Book:
    """A store that takes uses, or does not."""

    def __init__(self) -> None:
        self.there = True
        self.written: list[dict[int, Usage]] = []

    async def record_usage(self, uses: Mapping[int, Usage]) -> None:
        if not self.there:
            raise StoreUnavailable("away")
        self.written.append(dict(uses))


async def test_uses_are_written_down_together() -> None:
    """The last time and address, and how many there were since; nothing where there were none."""
    book = Book()
    uses = UsageRecorder(book)
    for time in (5, 6, 7):
        uses.note(1, time, f"192.0.2.{time}")
    uses.note(2, 8, "unix")
    await uses.write()
    await uses.write()
    assert book.written == [{1: Usage(7, "192.0.2.7", 3), 2: Usage(8, "unix", 1)}]


async def test_what_could_not_be_written_is_kept() -> None:
    """And added to what came meanwhile."""
    book = Book()
    uses = UsageRecorder(book)
    uses.note(1, 5, "a")
    uses.note(2, 5, "a")
    book.there = False
    with pytest.raises(StoreUnavailable):
        await uses.write()
    uses.note(1, 6, "b")
    book.there = True
    await uses.write()
    assert book.written == [{1: Usage(6, "b", 2), 2: Usage(5, "a", 1)}]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store stays away, those keys that are there already go on being counted."""
    monkeypatch.setattr(module, "MAX_GATHERED", 2)
    book = Book()
    uses = UsageRecorder(book)
    for key in (1, 2, 3, 1):
        uses.note(key, 5, "a")
    await uses.write()
    assert {key: use.count for key, use in book.written[0].items()} == {1: 2, 2: 1}
