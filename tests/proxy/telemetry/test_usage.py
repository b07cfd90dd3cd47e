"""Uses of keys and usage are gathered, written together, and kept while the store is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

import proxy.telemetry.usage as module
from proxy.domain.errors import StoreUnavailable
from proxy.domain.methods import NEVER, REGISTERED
from proxy.domain.model import Key, Reason
from proxy.domain.rotation import Rotation
from proxy.domain.usage import CLIENT_CLOSED, HOUR, OTHER_METHOD, Series, Sums
from proxy.gateway.failures import Failure
from proxy.store.protocols import MOST_NETWORKS, SecretRef, Uses
from proxy.telemetry.usage import Counter, UsageRecorder
from tests.support.seed import key as key_record

NOON = 12 * HOUR


class Sink:
    """A store that takes uses and usage, or cannot be reached."""

    def __init__(self) -> None:
        self.available = True
        self.written: list[dict[SecretRef, Uses]] = []
        self.usage: list[dict[Series, int]] = []
        """The requests of each series, of each write."""

    async def record_usage(
        self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
    ) -> None:
        if not self.available:
            raise StoreUnavailable("not available")
        self.written.append(
            {
                key: Uses(u.first, u.last, u.address, u.count, u.networks.copy())
                for key, u in uses.items()
            }
        )
        self.usage.append({series: each.requests for series, each in usage.items()})


def a_key(number: int) -> Key:
    """A key that was never rotated."""
    return key_record(number, "A", b"", account_id=1)


def count(recorder: UsageRecorder, now: int = NOON, status: int = 200, key: int = 1) -> Counter:
    """Count a request."""
    counter = recorder.counter(now, status, key_id=key, method="GET")
    counter.requests += 1
    return counter


def series(hour: int = NOON, status: int = 2, key: int = 1) -> Series:
    """That of the requests of `count`."""
    return Series(hour, key, 0, "", "GET", status)


async def test_all_uses_since_the_last_time_are_written_together() -> None:
    """For each key their number, and the last time and address; nothing where there were none."""
    sink = Sink()
    uses = UsageRecorder(sink)
    for time in (5, 6, 7):
        uses.note(a_key(1), time, f"192.0.2.{time}")
    uses.note(a_key(2), 8, "unix")
    await uses.write()
    await uses.write()
    assert sink.written == [
        {SecretRef(1): Uses(5, 7, "192.0.2.7", 3), SecretRef(2): Uses(8, 8, "unix", 1)}
    ]
    assert sink.usage == [{}]


async def test_uses_are_open_until_they_are_written() -> None:
    """Whoever keeps them adds to them; what could not be written is open again."""
    sink = Sink()
    recorder = UsageRecorder(sink)
    kept = recorder.note(a_key(1), 5, "a")
    kept.count += 1
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await recorder.write()
    assert kept.open
    kept.count += 1
    sink.available = True
    await recorder.write()
    assert not kept.open
    assert recorder.note(a_key(1), 6, "a") is not kept
    await recorder.write()
    assert [written[SecretRef(1)].count for written in sink.written] == [3, 1]


async def test_uses_that_could_not_be_written_are_written_later() -> None:
    """Together with those that came meanwhile."""
    sink = Sink()
    uses = UsageRecorder(sink)
    uses.note(a_key(1), 5, "a")
    uses.note(a_key(2), 5, "a")
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await uses.write()
    uses.note(a_key(1), 6, "b")
    sink.available = True
    await uses.write()
    assert sink.written == [{SecretRef(1): Uses(5, 6, "b", 2), SecretRef(2): Uses(5, 5, "a", 1)}]


async def test_the_uses_of_each_secret_are_kept_apart() -> None:
    """A later use with the new secret does not hide one of the old, nor does a store that is away,
    nor a rotation meanwhile."""
    sink = Sink()
    uses = UsageRecorder(sink)
    uses.note(a_key(1), 4, "a")
    rotated = replace(a_key(1), rotation=Rotation(4))
    uses.note(rotated, 5, "a", previous=True)
    uses.note(rotated, 6, "b")
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await uses.write()
    uses.note(rotated, 7, "c")
    sink.available = True
    await uses.write()
    assert sink.written == [
        {
            SecretRef(1): Uses(4, 4, "a", 1),
            SecretRef(1, 4, True): Uses(5, 5, "a", 1),
            SecretRef(1, 4): Uses(6, 7, "c", 2),
        }
    ]


async def test_the_networks_from_which_a_key_is_used_are_noted() -> None:
    """The /24 of an IPv4 address and the /64 of an IPv6 one, up to a bound, and what is no
    address as too many."""
    sink = Sink()
    uses = UsageRecorder(sink)
    for address in ("192.0.2.1", "192.0.2.9", "::ffff:192.0.2.7", "2001:db8::1%eth0", "::1"):
        uses.note(a_key(1), 5, address)
    for number in range(300):
        uses.note(a_key(2), 5, f"10.0.{number % 256}.1")
    uses.note(a_key(3), 5, "unix")
    await uses.write()
    (written,) = sink.written
    assert written[SecretRef(1)].networks == {"192.0.2.0/24", "2001:db8::/64", "::/64"}
    assert len(written[SecretRef(2)].networks) == MOST_NETWORKS + 2
    assert "*" in written[SecretRef(2)].networks
    assert written[SecretRef(3)].networks == {"*"}


async def test_the_uses_of_a_bounded_number_of_keys_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond it, the keys that are there already go on being counted, and others are not."""
    monkeypatch.setattr(module, "MAX_GATHERED", 2)
    sink = Sink()
    uses = UsageRecorder(sink)
    for key in (1, 2, 3, 1):
        uses.note(a_key(key), 5, "a")
    await uses.write()
    assert {ref.key_id: use.count for ref, use in sink.written[0].items()} == {1: 2, 2: 1}


async def test_requests_are_counted_by_what_tells_them_apart() -> None:
    """The same counter for requests of one hour that agree in all of it."""
    recorder = UsageRecorder(Sink())
    assert count(recorder) is count(recorder, NOON + HOUR - 1, status=299)
    for other in (
        count(recorder, NOON + HOUR),
        count(recorder, status=404),
        count(recorder, key=2),
        recorder.counter(NOON, 200, Reason.METHOD, key_id=1, method="GET"),
        recorder.counter(NOON, 200, key_id=1, method="GET", environment_id=3),
        recorder.counter(NOON, 200, key_id=1, method="GET", route="/**"),
        recorder.counter(NOON, 200, key_id=1, method="PUT"),
    ):
        assert other is not count(recorder)


async def test_methods_that_are_not_registered_are_counted_together() -> None:
    """Whatever clients make up: their number would have no bound."""
    sink = Sink()
    recorder = UsageRecorder(sink)
    for method in (*REGISTERED, *NEVER, "BREW", "get", "", OTHER_METHOD):
        recorder.counter(NOON, 405, method=method).requests += 1
    await recorder.write()
    found = {each.method: requests for each, requests in sink.usage[0].items()}
    assert found.pop(OTHER_METHOD) == 4
    assert found.keys() == REGISTERED


async def test_a_counter_is_closed_by_the_end_of_its_hour_and_by_a_write() -> None:
    """What is added to it afterwards would not be written."""
    recorder = UsageRecorder(Sink())
    counter = count(recorder)
    assert counter.until == NOON + HOUR
    await recorder.write()
    assert counter.until == 0
    assert count(recorder).until == NOON + HOUR


async def test_usage_that_could_not_be_written_is_written_later() -> None:
    """Together with what came meanwhile; a counter that was kept is open again."""
    sink = Sink()
    recorder = UsageRecorder(sink)
    kept, both = count(recorder, key=1), count(recorder, key=2)
    sink.available = False
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await recorder.write()
        assert kept.until == NOON + HOUR
        assert count(recorder, key=1) is kept
    both.requests += 1
    sink.available = True
    await recorder.write()
    await recorder.write()
    assert sink.usage == [{series(key=1): 3, series(key=2): 2}]


async def test_what_is_counted_during_a_write_that_fails_is_added_to_what_is_kept() -> None:
    """All of its sums."""

    class Slow(Sink):
        async def record_usage(
            self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
        ) -> None:
            counter = count(recorder)
            counter.add(Sums(1, 20, 300, 0.5))
            await super().record_usage(uses, usage)

    sink = Slow()
    recorder = UsageRecorder(sink)
    count(recorder).add(Sums(1, 1, 1, 0.25))
    sink.available = False
    with pytest.raises(StoreUnavailable):
        await recorder.write()
    kept = recorder.counter(NOON, 200, key_id=1, method="GET")
    assert kept == Counter(4, 21, 301, 0.75, status=2, until=NOON + HOUR)


async def test_much_is_written_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a change waits for none of them for long; what fails later is kept alone."""
    monkeypatch.setattr(module, "BATCH", 2)

    class Failing(Sink):
        async def record_usage(
            self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
        ) -> None:
            self.available = next(answers)
            await super().record_usage(uses, usage)

    answers, sink = iter([True, False, True, True]), Failing()
    recorder = UsageRecorder(sink)
    for key in range(5):
        recorder.note(a_key(key), 5, "a")
        count(recorder, key=key)
    with pytest.raises(StoreUnavailable):
        await recorder.write()
    assert sink.usage == [{series(key=0): 1, series(key=1): 1}]
    await recorder.write()
    assert sink.usage[1:] == [{series(key=2): 1, series(key=3): 1}, {series(key=4): 1}]
    assert [[ref.key_id for ref in each] for each in sink.written] == [[0, 1], [2, 3], [4]]


async def test_a_bounded_number_of_counters_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, those that are there already go on; the requests that are lost are counted."""
    monkeypatch.setattr(module, "MAX_GATHERED", 2)
    sink = Sink()
    recorder = UsageRecorder(sink)
    for key in (1, 2, 3, 1, 3):
        assert (count(recorder, key=key).until == 0) == (key == 3)
    assert recorder.lost == 2
    sink.available = False
    for hour in (NOON + HOUR, NOON + 2 * HOUR):
        with pytest.raises(StoreUnavailable):
            await recorder.write()
        count(recorder, hour)
    assert recorder.lost == 4
    sink.available = True
    await recorder.write()
    assert sink.usage == [{series(key=1): 2, series(key=2): 1}]


def test_the_reason_that_is_no_refusal_is_that_of_the_gateway() -> None:
    """A client that closes its connection is not refused."""
    assert Failure.CLIENT_CLOSED.code == CLIENT_CLOSED
