"""What is granted of rates to the nodes of a PostgreSQL store.

One statement answers all that a node asks for, by the clock of the database: nodes' clocks need not
agree. It takes its rows in the order of the subjects, so that no two statements wait for each
other. An arrival time is kept in whole microseconds, rounded up: to the client's cost.

Tested by the contract suite, `tests/proxy/store/contract/test_rates.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from proxy.domain.rate_grants import RateDemand, RateGrant, pooled
from proxy.store.postgres.connection import Pool

FORGET: Final = 60.0
"""Seconds after which a node deletes the rates that are full again."""

_NOW: Final = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
_LIVE: Final = (
    "(SELECT greatest(count(*), 1) FROM nodes WHERE left_at IS NULL "
    f"AND (seen + 2 * lease_ms) * 1000 > {_NOW})"
)
"""How many nodes may let requests through: those whose lease may not be over."""
_GRANT: Final = (
    # What was wanted, as of now. It is also what is granted where nothing was before.
    f"WITH moment AS (SELECT {_NOW} AS now), asked AS ("
    "SELECT subject, count, period, burst, least(wanted, burst) AS wanted, now FROM moment, "
    "unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), "
    "CAST(? AS BIGINT[])) AS each (subject, count, period, burst, wanted)), "
    "granted AS (INSERT INTO rate_grants AS kept "
    "(subject, count, period, burst, arrival, asked, granted) "
    "SELECT subject, count, period, burst, "
    "now + CAST(ceil(CAST(wanted AS NUMERIC) * period / count) AS BIGINT), now, wanted "
    "FROM asked ORDER BY subject "
    "ON CONFLICT (subject) DO UPDATE "
    "SET (count, period, burst, asked, granted, arrival) = ("
    "SELECT excluded.count, excluded.period, excluded.burst, excluded.asked, given, "
    "excluded.asked + ahead + CAST(ceil(given * excluded.period / excluded.count) AS BIGINT) "
    # What was used so far, by the rate of now; no clock that was set makes anybody wait for long.
    "FROM (SELECT CAST(least("
    "CASE WHEN kept.count = excluded.count AND kept.period = excluded.period THEN ahead "
    "ELSE ceil(ahead * kept.count * excluded.period / (kept.period * excluded.count)) END, "
    "ceil(CAST(excluded.burst AS NUMERIC) * excluded.period / excluded.count) "
    "+ CASE WHEN kept.burst = excluded.burst THEN 1000000 ELSE 0 END) AS BIGINT) AS ahead "
    "FROM (SELECT CAST(greatest(0, kept.arrival - excluded.asked) AS NUMERIC) AS ahead) AS before"
    ") AS used, "
    "LATERAL (SELECT greatest(0, least(excluded.granted, excluded.burst - "
    "ceil(CAST(ahead AS NUMERIC) * excluded.count / excluded.period))) AS given) AS fitting) "
    "RETURNING subject, granted, count, period, burst, greatest(0, arrival - asked) AS ahead) "
    "SELECT subject, granted, "
    "CAST(greatest(0, burst - ceil(CAST(ahead AS NUMERIC) * count / period)) AS BIGINT), "
    # Until one more fits, or until the first does.
    "CAST(CASE WHEN ahead = 0 THEN 0 "
    "ELSE ahead - (ceil(CAST(ahead AS NUMERIC) * count / period) - 1) * period / count "
    "END AS BIGINT), "
    f"{_LIVE} FROM granted"
)
_FORGET: Final = (
    "DELETE FROM rate_grants WHERE subject IN (SELECT subject FROM rate_grants "
    f"WHERE arrival < {_NOW} ORDER BY subject FOR UPDATE SKIP LOCKED)"
)


class PostgresRates:
    """Implements `RateGranter`."""

    def __init__(self, pool: Pool) -> None:
        """`pool`: connections that need not wait until what they write is on the disk."""
        self._pool = pool
        self._forget_at = time.monotonic() + FORGET

    async def grant(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """What is granted to each subject. Raises `StoreUnavailable`."""
        rates = [pooled(demand.rate) for demand in demands.values()]
        rows = await self._pool.rows(
            _GRANT,
            (
                list(demands),
                [rate.count for rate in rates],
                [rate.period for rate in rates],
                [rate.burst for rate in rates],
                [demand.wanted for demand in demands.values()],
            ),
        )
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET
            await self._pool.rows(_FORGET, ())
        return {subject: RateGrant(*granted) for subject, *granted in rows}

    async def close(self) -> None:
        """End the connections."""
        await self._pool.close()
