"""bcrypt in threads: bounded, once for the same pair, and the time of a refusal says nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

import proxy.auth.verifier as module
from proxy.auth import password_hash
from proxy.auth.verifier import Verifier, dummy
from proxy.domain.errors import Busy

STORED = password_hash.hash_secret(b"right", 4)


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    """One thread, and room for two."""
    made = Verifier(1, 2)
    yield made
    made.close()


async def matches(verifier: Verifier, value: bytes, stored: bytes = STORED) -> bool:
    return await verifier.matches(b"digest of " + value, value, stored, lambda: None)


async def test_a_match_is_reported_once_before_any_other_caller_runs(verifier: Verifier) -> None:
    """Callers with the same pair at the same time share one bcrypt."""
    reports: list[str] = []
    calls = (
        verifier.matches(b"d", b"right", STORED, lambda: reports.append("matched"))
        for _ in range(20)
    )
    assert await asyncio.gather(*calls) == [True] * 20
    assert not await matches(verifier, b"wrong")
    assert reports == ["matched"]


async def test_a_credential_beyond_the_queue_is_busy(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused at once, and there is room again when the others are done."""
    go_on = threading.Event()
    monkeypatch.setattr(module, "verify", lambda value, stored: go_on.wait(60) and True)
    running = [asyncio.ensure_future(matches(verifier, value)) for value in (b"a", b"b")]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await matches(verifier, b"c")
    go_on.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await matches(verifier, b"c")


async def test_a_credential_that_waits_too_long_is_busy_and_its_bcrypt_goes_on(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other callers may wait for the same bcrypt."""
    go_on = threading.Event()
    monkeypatch.setattr(module, "verify", lambda value, stored: go_on.wait(60) and True)
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with pytest.raises(Busy):
        await matches(verifier, b"a")
    monkeypatch.setattr(module, "TIMEOUT", 60)
    again = asyncio.ensure_future(matches(verifier, b"a"))
    await asyncio.sleep(0)
    go_on.set()
    assert await again


async def test_all_refusals_wait_for_one_floor_above_the_most_expensive_hash(
    verifier: Verifier,
) -> None:
    """The hash that a secret was compared with makes no difference."""
    await verifier.measure_floor(8)
    cheap, dear = STORED, dummy(8)
    for stored in (cheap, dear):
        began = time.monotonic()
        assert not await matches(verifier, b"wrong", stored)
        assert time.monotonic() - began >= verifier._floor.seconds > 0


async def test_callers_at_the_same_time_share_one_trial(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them goes on before it has ended."""
    tried: list[bytes] = []

    def verify(_value: bytes, stored: bytes) -> bool:
        tried.append(stored)
        return False

    monkeypatch.setattr(module, "verify", verify)
    await asyncio.gather(*(verifier.measure_floor(8) for _ in range(20)))
    assert tried == [dummy(8)]
    assert verifier._floor.seconds > 0


async def test_a_wait_never_ends_before_its_moment(verifier: Verifier) -> None:
    """Whenever it begins. A moment that has passed is not waited for."""
    for number in range(50):
        moment = time.monotonic() + 0.0002 * number
        await verifier.wait_until(moment)
        assert time.monotonic() >= moment
    await verifier.wait_until(0.0)


@pytest.mark.parametrize("rounds", [4, 10, 14])
def test_no_secret_matches_a_dummy_hash(rounds: int) -> None:
    """It is a hash of the given cost."""
    assert password_hash.rounds_of(dummy(rounds)) == rounds
    if rounds < 10:
        assert not password_hash.verify(b"", dummy(rounds))
