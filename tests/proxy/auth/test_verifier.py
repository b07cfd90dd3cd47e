"""bcrypt beside the loop: bounded, once for the same, and no refusal tells anything by its time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

import proxy.auth.verifier as module
from proxy.auth import password_hash
from proxy.auth.verifier import Verifier, dummy
from proxy.domain.model import Busy

STORED = password_hash.hash_secret(b"right", 4)


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    """One thread, and room for two."""
    made = Verifier(1, 2)
    yield made
    made.close()


async def matches(verifier: Verifier, value: bytes, stored: bytes = STORED) -> bool:
    return await verifier.matches(b"digest of " + value, value, stored, lambda: None)


async def test_what_matches_is_told_once_before_anybody_can_ask_again(verifier: Verifier) -> None:
    """Whoever asks for the same while it runs shares the one bcrypt."""
    told: list[str] = []
    asked = (
        verifier.matches(b"d", b"right", STORED, lambda: told.append("matched")) for _ in range(20)
    )
    assert await asyncio.gather(*asked) == [True] * 20
    assert not await matches(verifier, b"wrong")
    assert told == ["matched"]


async def test_more_than_may_wait_are_turned_away(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and there is room again when the others are done."""
    go_on = threading.Event()
    monkeypatch.setattr(module, "verify", lambda value, stored: go_on.wait(60) and True)
    running = [asyncio.ensure_future(matches(verifier, value)) for value in (b"a", b"b")]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await matches(verifier, b"c")
    go_on.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await matches(verifier, b"c")


async def test_who_waits_too_long_is_told_so_and_the_rest_goes_on(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bcrypt itself is not taken back: others may wait for it."""
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


async def test_refusals_leave_at_one_floor_above_the_dearest_hash(verifier: Verifier) -> None:
    """Whatever they were held against; what matches does not wait for it."""
    await verifier.set_floor(8)
    cheap, dear = STORED, dummy(8)
    for stored in (cheap, dear):
        began = time.monotonic()
        assert not await matches(verifier, b"wrong", stored)
        assert time.monotonic() - began >= verifier._floor
    before = verifier._floor
    await verifier.set_floor(6)
    assert verifier._floor == before


async def test_a_moment_is_waited_for_wherever_one_is() -> None:
    """No fraction of a millisecond is taken off it by when the wait begins."""
    loop = asyncio.get_running_loop()
    for _ in range(50):
        moment = time.monotonic() + 0.003
        await module.until(moment)
        assert time.monotonic() >= moment
        assert loop.time() >= moment


@pytest.mark.parametrize("rounds", [4, 10, 14])
def test_nothing_matches_a_dummy(rounds: int) -> None:
    """It is a hash like others, of the cost that was asked for."""
    assert password_hash.rounds_of(dummy(rounds)) == rounds
    if rounds < 10:
        assert not password_hash.verify(b"", dummy(rounds))
