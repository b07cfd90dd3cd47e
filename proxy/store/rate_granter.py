"""Where rates are granted, ahead of the requests that use them, as an interface.

A node asks the store, and a worker process the one that has the store, in the same way. There is
nothing to test: this is a protocol, which mypy checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from proxy.domain.rate_grants import RateDemand, RateGrant


class RateGranter(Protocol):
    """Grants rates to several processes: one place for all."""

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Grant at most what each demand wants and its rate has left, by the clock of the one who
        grants. `demands` has the ids on the wire of the holders of the rates. What was granted
        before an edit counts on, and what was granted to whom does not matter. It is not durable:
        after a crash of the store, rates are full. Raises `StoreUnavailable`."""
        ...
