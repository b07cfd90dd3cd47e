"""Uses of keys are gathered, written together, and kept while the store cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import proxy.telemetry.usage as module
from proxy.domain.model import StoreUnavailable
from proxy.domain.usage import Series, Sums
from proxy.store.protocols import Uses
from proxy.telemetry.usage import UsageRecorder


class Sink:
    """A store that takes uses, or cannot be reached."""

    def __init__(self) -> None:
        self.available = True
        self.written: list[dict[int, Uses]] = []

    async def record_usage(self, uses: Mapping[int, Uses], usage: Mapping[Series, Sums]) -> None:
        if not self.available:
            raise StoreUnavailable("not available")
        self.written.append(dict(uses))


async def test_all_uses_since_the_last_time_are_written_together() -> None:
    """For each key their number, and the last time and address; nothing where there were none."""
    sink = Sink()
    uses = UsageRecorder(sink)
    for time in (5, 6, 7):
        uses.note(1, time, f"192.0.2.{time}")
    uses.note(2, 8, "unix")
    await uses.write()
    await uses.write()
    assert sink.written == [{1: Uses(7, "192.0.2.7", 3), 2: Uses(8, "unix", 1)}]


async def test_uses_that_could_not_be_written_are_written_later() -> None:
    """Together with those that came meanwhile."""
    sink = Sink()
    uses = UsageRecorder(sink)
    uses.note(1, 5, "a")
    uses.note(2, 5, "a")
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await uses.write()
    uses.note(1, 6, "b")
    sink.available = True
    await uses.write()
    assert sink.written == [{1: Uses(6, "b", 2), 2: Uses(5, "a", 1)}]


async def test_the_last_use_of_the_previous_secret_is_kept_apart() -> None:
    """A later use with the new secret does not hide it, nor does a store that is away."""
    sink = Sink()
    uses = UsageRecorder(sink)
    uses.note(1, 5, "a", previous=True)
    uses.note(1, 6, "b")
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await uses.write()
    uses.note(1, 7, "c")
    sink.available = True
    await uses.write()
    assert sink.written == [{1: Uses(7, "c", 3, previous=5)}]


async def test_the_uses_of_a_bounded_number_of_keys_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond it, the keys that are there already go on being counted, and others are not."""
    monkeypatch.setattr(module, "MAX_GATHERED", 2)
    sink = Sink()
    uses = UsageRecorder(sink)
    for key in (1, 2, 3, 1):
        uses.note(key, 5, "a")
    await uses.write()
    assert {key: use.count for key, use in sink.written[0].items()} == {1: 2, 2: 1}
