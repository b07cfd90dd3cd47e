"""From which networks keys are used, as SQL: a bounded number for each key.

Tested by the contract suite, `tests/proxy/store/contract/test_networks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.store.protocols import MOST_NETWORKS, SecretRef, Uses
from proxy.store.sql.connection import EVERY

ADD: Final = (
    "INSERT INTO key_networks VALUES (:key_id, :network, :last) "
    "ON CONFLICT (key_id, network) DO UPDATE SET last = excluded.last "
    "WHERE excluded.last > key_networks.last"
)
"""With the values of `rows_of`."""
FORGET: Final = (
    "DELETE FROM key_networks WHERE key_id = :key_id AND network IN (SELECT network "
    "FROM key_networks WHERE key_id = :key_id ORDER BY last DESC, network "
    f"LIMIT {EVERY} OFFSET {MOST_NETWORKS + 1})"
)
"""One more than `MOST_NETWORKS` is kept, so that it is known that there are more."""
LIST: Final = (
    "SELECT network, last FROM key_networks WHERE key_id = ? AND last >= ? ORDER BY network"
)
SINCE: Final = "SELECT since FROM networks_noted"


def rows_of(uses: Mapping[SecretRef, Uses]) -> list[dict[str, Any]]:
    """The values of `ADD`, and of `FORGET`."""
    return [
        {"key_id": secret.key_id, "network": network, "last": use.last}
        for secret, use in uses.items()
        for network in use.networks
    ]
