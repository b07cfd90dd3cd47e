"""Whether a key may act at all, now: it is active and has not expired, and its owner is active.

Read from the current records for every decision, and remembered nowhere. Tested in
`tests/proxy/auth/test_authenticator.py` and `tests/proxy/auth/test_decision.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.auth.records import CachedRecords
from proxy.domain.model import Deny, Key, Principal, Reason, State


def principal_of(key: Key, records: CachedRecords, clock: Callable[[], int]) -> Principal | Deny:
    """The principal of `key`; `clock` returns milliseconds since the epoch. Raises `NotLoaded`."""
    if key.state is not State.ACTIVE:
        return Deny(Reason.KEY_INACTIVE, key)
    if key.expires is not None and key.expired(clock()):
        return Deny(Reason.KEY_EXPIRED, key)
    if key.account_id is not None:
        account = records.accounts.present.get(key.account_id) or records.accounts.get(
            key.account_id
        )
        if account is None or account.state is not State.ACTIVE:
            return Deny(Reason.OWNER_INACTIVE, key)
        return Principal(key, account, None)
    environment = records.environments.get(key.environment_id or 0)
    if environment is None or environment.state is not State.ACTIVE:
        return Deny(Reason.OWNER_INACTIVE, key)
    return Principal(key, None, environment)
