"""What a pool does after a reload has replaced it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from aiohappyeyeballs import AddrInfoType

from proxy.gateway.addresses import MAX_AGE
from proxy.gateway.dialer import Dial
from proxy.gateway.pool import Pool
from proxy.http1.outbound import Origin


async def test_a_retired_pool_looks_up_no_addresses() -> None:
    """It may stay in memory for long, though nobody connects to its upstream any more."""
    looked_up: list[str] = []
    now = 0.0

    async def resolve(host: str) -> Sequence[AddrInfoType]:
        looked_up.append(host)
        return []

    dial = Dial("api", 80, None, None, None, 1, 1, 1, 1, 1, 1, inf, inf)
    pool = Pool(Origin(b"api"), dial, lambda: now, resolve)
    pool.tick()
    await asyncio.sleep(0)
    assert looked_up == ["api"]
    pool.retire()
    now += 2 * MAX_AGE
    pool.tick()
    await asyncio.sleep(0)
    assert looked_up == ["api"]
