"""The part of a store's interfaces that is about messages to webhooks.

Tested, with each adapter, in `tests/proxy/store/contract/test_outbox.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from proxy.domain.events import Delivery, Event
from proxy.domain.model import Key
from proxy.store.query import Page, Query


class OutboxReader(Protocol):
    """What is read of messages. Raises `StoreUnavailable`."""

    async def list_deliveries(self, query: Query) -> Page[Delivery]:
        """Messages to webhooks; the columns are named as in `domain.events.Delivery`."""
        ...

    async def find_delivery(self, delivery_id: int) -> Delivery | None: ...
    async def list_due(self, webhook: str, now: int, most: int) -> list[Delivery]:
        """Messages to a webhook whose next attempt is due, in that order: so many at most."""
        ...

    async def list_expiring(self, now: int, within: int, days: int, most: int) -> list[Key]:
        """Active keys that expire `within` milliseconds after `now`, the next first, but for those
        of whose expiry webhooks were told already, as within so many days or fewer."""
        ...


class OutboxWriter(Protocol):
    """What is written of messages, in a transaction. It makes no revision."""

    async def announce(self, event: Event, webhook: str | None = None) -> list[Delivery]:
        """Write a message of an event to each webhook that wants it, or to one."""
        ...

    async def put_delivery(self, delivery: Delivery) -> None:
        """Note what has become of a message."""
        ...

    async def note_expiring(self, keys: Sequence[Key], days: int) -> None:
        """Note that webhooks are told that keys expire within so many days."""
        ...

    async def prune_deliveries(self, before: int, most: int) -> int:
        """Delete the messages that were made before, in milliseconds since the epoch: so many at
        most. Returns how many."""
        ...
