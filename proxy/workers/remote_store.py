"""The store, as a worker reaches it: through the keeper.

Tested in `tests/proxy/workers/test_link.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from proxy.domain.model import Account, Environment, Key, Membership
from proxy.domain.rate_grants import RateDemand, RateGrant
from proxy.domain.usage import Series, Sums
from proxy.store.protocols import QuotaDemand, QuotaGrant, QuotaRefund, SecretRef, Uses


class Caller(Protocol):
    """What asks the keeper."""

    async def call(self, method: str, *arguments: Any) -> Any:
        """The answer to one of `codec.CALLS`. Raises `StoreUnavailable`."""
        ...


class RemoteStore:
    """Implements `KeyReader`, `UsageSink`, `QuotaGranter` and `RateGranter`: the methods are those
    of the store, and raise what they raise."""

    def __init__(self, caller: Caller) -> None:
        self._call = caller.call

    async def load_key(self, access_key: str) -> tuple[int, Key | None]:
        """Implements `KeyReader`."""
        found: tuple[int, Key | None] = await self._call("load_key", access_key)
        return found

    async def load_account(self, account_id: int) -> tuple[int, Account | None]:
        """Implements `KeyReader`."""
        found: tuple[int, Account | None] = await self._call("load_account", account_id)
        return found

    async def load_environment(self, environment_id: int) -> tuple[int, Environment | None]:
        """Implements `KeyReader`."""
        found: tuple[int, Environment | None] = await self._call("load_environment", environment_id)
        return found

    async def load_slug(self, slug: str) -> tuple[int, int | None]:
        """Implements `KeyReader`."""
        found: tuple[int, int | None] = await self._call("load_slug", slug)
        return found

    async def load_membership(self, pair: tuple[int, int]) -> tuple[int, Membership | None]:
        """Implements `KeyReader`."""
        found: tuple[int, Membership | None] = await self._call("load_membership", pair)
        return found

    async def load_settings(self) -> tuple[int, dict[str, str]]:
        """Implements `KeyReader`."""
        found: tuple[int, dict[str, str]] = await self._call("load_settings")
        return found

    async def unsealed_rounds(self) -> int:
        """Implements `KeyReader`."""
        rounds: int = await self._call("unsealed_rounds")
        return rounds

    async def record_usage(
        self, uses: Mapping[SecretRef, Uses], usage: Mapping[Series, Sums]
    ) -> None:
        """Implements `UsageSink`."""
        await self._call("record_usage", list(uses.items()), list(usage.items()))

    async def grant_quotas(
        self, demands: Mapping[str, QuotaDemand], refunds: Sequence[QuotaRefund], now: int
    ) -> dict[str, QuotaGrant]:
        """Implements `QuotaGranter`."""
        grants: dict[str, QuotaGrant] = await self._call(
            "grant_quotas", dict(demands), list(refunds), now
        )
        return grants

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Implements `RateGranter`."""
        grants: dict[str, RateGrant] = await self._call("grant_rates", dict(demands))
        return grants
