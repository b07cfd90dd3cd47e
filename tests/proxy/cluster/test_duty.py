"""Work that one node does for all: as long as it is chosen."""

from __future__ import annotations

import asyncio

import pytest

from proxy.cluster import duty
from tests.harness import until


async def test_work_begins_and_ends_with_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time anew, and at the end of the node in any case."""
    monkeypatch.setattr(duty, "LOOK", 0.001)
    chosen, running, begun = False, 0, 0

    async def work() -> None:
        nonlocal running, begun
        running, begun = running + 1, begun + 1
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    task = asyncio.create_task(duty.while_chosen(lambda: chosen, lambda: [work(), work()]))
    await asyncio.sleep(0.01)
    assert begun == 0
    for turn in (1, 2):
        chosen = True
        await until(lambda: running == 2)
        assert begun == 2 * turn
        chosen = False
        await until(lambda: running == 0)
    chosen = True
    await until(lambda: running == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert running == 0
