"""Whether a key may act at all, now: it is active and has not expired, and its owner is active.

Read from the current records for every decision, and remembered nowhere. Tested in
`tests/proxy/auth/test_authenticator.py` and `tests/proxy/auth/test_decision.py`.
"""

from __future__ import annotations

from proxy.auth.records import CachedRecords
from proxy.domain.model import Account, Deny, Environment, Key, Principal, refusal


def principal_of(key: Key, records: CachedRecords, now: int) -> Principal | Deny:
    """The principal of `key`; `now` is in milliseconds since the epoch. Raises `NotLoaded`."""
    account: Account | None = None
    environment: Environment | None = None
    number = key.account_id
    if number is not None:
        account = records.accounts.present.get(number) or records.accounts.get(number)
    else:
        environment = records.environments.get(key.environment_id or 0)
    reason = refusal(key, account or environment, now)
    return Principal(key, account, environment) if reason is None else Deny(reason, key)
