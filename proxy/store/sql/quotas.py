"""What is granted of quotas.

Each grant counts for the day and for the month, so that a quota that becomes one of the other
period goes on from what was used. Tested by the contract suite,
`tests/proxy/store/contract/test_quotas.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.domain.events import NEARING, REACHED, quota_event
from proxy.domain.quota import Period, Quota
from proxy.store.protocols import QuotaDemand, QuotaGrant, QuotaRefund
from proxy.store.sql.connection import TEXTS
from proxy.store.sql.transaction import SqlTransaction

_READ: Final = (
    "SELECT subject, period, granted, told FROM quotas WHERE period = ? AND begins = ? "
    f"AND subject IN {TEXTS}"
)
_ADD: Final = (
    "INSERT INTO quotas (subject, period, begins, granted) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (subject, period, begins) "
    "DO UPDATE SET granted = quotas.granted + excluded.granted"
)
_TAKE_BACK: Final = (
    "UPDATE quotas SET granted = CASE WHEN granted > ? THEN granted - ? ELSE 0 END "
    "WHERE subject = ? AND period = ? AND begins = ?"
)
_TELL: Final = "UPDATE quotas SET told = ? WHERE subject = ? AND period = ? AND begins = ?"
_FORGET: Final = "DELETE FROM quotas WHERE subject = ? AND period = ? AND begins < ?"
"""The period before the current one stays: the clock may be set back by a little."""


async def grant(
    change: SqlTransaction,
    demands: Mapping[str, QuotaDemand],
    refunds: Sequence[QuotaRefund],
    now: int,
) -> dict[str, QuotaGrant]:
    """Implements `protocols.QuotaGranter` within a change."""
    returned = [
        (unspent, unspent, subject, period, period.begins(time))
        for subject, time, unspent in refunds
        for period in Period
    ]
    await change.run_many(_TAKE_BACK, returned)
    used: dict[tuple[str, str], int] = {}
    told: dict[tuple[str, str], int] = {}
    for period in Period:
        subjects = json.dumps(list(demands))
        for subject, name, granted, percent in await change.rows(
            _READ, period, period.begins(now), subjects
        ):
            used[subject, name], told[subject, name] = granted, percent
    grants = {
        subject: _granted(demand, used.get((subject, demand.quota.period), 0), now)
        for subject, demand in demands.items()
    }
    each = [(subject, period) for subject in grants if grants[subject].granted for period in Period]
    new = [(*one, one[1].begins(one[1].begins(now) - 1)) for one in each if one not in used]
    await change.run_many(_FORGET, new)
    added = [(*one, one[1].begins(now), grants[one[0]].granted) for one in each]
    await change.run_many(_ADD, added)
    for subject, grant in grants.items():
        if grant.granted:
            quota = demands[subject].quota
            await _tell(change, subject, quota, grant, told.get((subject, quota.period), 0), now)
    return grants


async def _tell(
    change: SqlTransaction, subject: str, quota: Quota, grant: QuotaGrant, told: int, now: int
) -> None:
    """Announce once in each period that a quota is nearly granted, and that it is."""
    used = quota.count - grant.left
    percent = used * 100 // quota.count
    for threshold in (REACHED, NEARING):
        if told < threshold <= percent:
            ends = quota.period.ends(now)
            await change.announce(quota_event(subject, str(quota), threshold, used, ends, now))
            await change.run_many(
                _TELL, [(threshold, subject, quota.period, quota.period.begins(now))]
            )
            return


def _granted(demand: QuotaDemand, used: int, now: int) -> QuotaGrant:
    quota = demand.quota
    left = max(0, quota.count - used)
    granted = min(demand.wanted, left)
    return QuotaGrant(granted, left - granted, Period.DAY.ends(now))
