"""Work that one node does for all: it begins when the node is chosen, and ends when it is not any
more.

For a moment, two nodes may do it. So all of it has to bear that, as to send a message twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias

Work: TypeAlias = Coroutine[Any, Any, None]

LOOK: Final = 1.0
"""Seconds between two looks at whether this node is the one."""


async def while_chosen(chosen: Callable[[], bool], works: Callable[[], Sequence[Work]]) -> None:
    """Run the works, which end only when they are cancelled, whenever this node is `chosen`, until
    this is cancelled itself."""
    running: list[asyncio.Task[None]] = []
    try:
        while True:
            if chosen() and not running:
                running = [asyncio.create_task(work) for work in works()]
            elif running and not chosen():
                await _end(running)
                running = []
            await asyncio.sleep(LOOK)
    finally:
        await _end(running)


async def _end(running: Sequence[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
