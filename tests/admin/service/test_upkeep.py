"""What the admin server does by itself goes on, whatever becomes of a single job."""

from __future__ import annotations

import asyncio

import pytest

from admin.service import upkeep
from proxy.domain.errors import StoreUnavailable


async def test_all_jobs_are_done_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the store is away for one of them, or one fails; the log says so."""
    monkeypatch.setattr(upkeep, "INTERVAL", 0)
    done, enough = list[str](), asyncio.Event()

    async def away() -> None:
        raise StoreUnavailable("the disk is full")

    async def broken() -> None:
        raise ZeroDivisionError

    async def works() -> None:
        done.append("once")
        if len(done) == 3:
            enough.set()

    task = asyncio.create_task(upkeep.run([away, broken, works]))
    await enough.wait()
    task.cancel()
    assert {each.getMessage() for each in caplog.records} == {
        "what is due is done later: the disk is full",
        "what is due could not be done",
    }
