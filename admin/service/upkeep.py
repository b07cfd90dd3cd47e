"""What the admin server does by itself, time and again, while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from proxy.domain.errors import StoreUnavailable

INTERVAL: Final = 60.0
"""Seconds between two rounds."""

log = logging.getLogger("wardgate")

Job = Callable[[], Awaitable[None]]
"""One thing to do; it looks itself whether there is anything to do."""


async def run(jobs: Sequence[Job]) -> None:
    """Do all jobs now, and again after each interval."""
    while True:
        for job in jobs:
            try:
                await job()
            except StoreUnavailable as error:
                log.warning("what is due is done later: %s", error)
            except Exception:  # of one job: the others have to be done all the same
                log.exception("what is due could not be done")
        await asyncio.sleep(INTERVAL)
