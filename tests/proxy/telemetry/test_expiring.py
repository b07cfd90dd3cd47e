"""The metrics show how many keys expire soon, from a count that is made beside the requests."""

from __future__ import annotations

from pathlib import Path

from proxy.domain.model import AccountKind, State
from proxy.domain.usage import DAY
from proxy.store.open import open_store
from proxy.telemetry.expiring import ExpiringKeys
from tests.support.seed import account, new_key


async def test_active_keys_are_counted_by_the_days_after_which_they_expire(tmp_path: Path) -> None:
    """Neither keys that have expired, nor those that never do, nor inactive ones count."""
    tmp_path.chmod(0o700)
    store = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    now = 1000 * DAY
    expiring = ExpiringKeys(store, lambda: now)
    assert expiring.counts == []
    await expiring.count()
    assert expiring.counts == [(1, 0), (7, 0), (30, 0)]
    async with store.write() as change:
        await change.put(account(1, AccountKind.ADMIN))
        ends = [now, now + 1, now + DAY, now + DAY + 1, now + 7 * DAY, now + 30 * DAY + 1, None]
        for number, expires in enumerate(ends, 1):
            await change.put(new_key(store, number, account_id=1, expires=expires).key)
        inactive = {"expires": now + 1, "state": State.INACTIVE}
        await change.put(new_key(store, 99, account_id=1, **inactive).key)
    await expiring.count()
    assert expiring.counts == [(1, 2), (7, 4), (30, 4)]
    await store.close()
