"""One run serves all callers with the same key, and is forgotten in the step in which it ends."""

from __future__ import annotations

import asyncio

import pytest

from proxy.auth.single_flight import SingleFlight


async def test_a_caller_during_a_run_gets_its_result() -> None:
    """Two keys are two runs; ten callers with one key are one run."""
    flight: SingleFlight[str, int] = SingleFlight()
    started: list[str] = []

    async def work(key: str) -> int:
        started.append(key)
        await asyncio.sleep(0)
        return len(key)

    found = await asyncio.gather(
        *(flight.run("a", lambda: work("a")) for _ in range(10)),
        flight.run("bb", lambda: work("bb")),
    )
    assert found == [1] * 10 + [2]
    assert started == ["a", "bb"]
    assert len(flight) == 0


async def test_a_run_that_is_over_is_never_found_again() -> None:
    """A caller in the same turn of the event loop as its end starts a new run."""
    flight: SingleFlight[str, None] = SingleFlight()
    seen: list[bool] = []

    async def work() -> None:
        await asyncio.sleep(0)
        # Scheduled first, it runs before anything that the end of this task schedules.
        asyncio.get_running_loop().call_soon(lambda: seen.append("a" in flight))

    await flight.run("a", work)
    assert seen == [False]


async def test_a_cancelled_caller_does_not_stop_the_run() -> None:
    """Another caller still waits for it."""
    flight: SingleFlight[str, str] = SingleFlight()
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return "done"

    leaves, stays = (asyncio.ensure_future(flight.run("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    assert "a" in flight
    go_on.set()
    assert await stays == "done"


async def test_a_failure_is_raised_for_every_caller_and_then_forgotten() -> None:
    """The next caller starts a new run."""
    flight: SingleFlight[str, None] = SingleFlight()

    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    found = await asyncio.gather(*(flight.run("a", work) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in found] == ["no"] * 3
    with pytest.raises(ValueError, match="no"):
        await flight.run("a", work)
