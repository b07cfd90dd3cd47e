"""Sends the messages that wait in the store: to each webhook one after the other, so that one that
is slow delays no other.

The rule that lives here: a message is delivered at least once. What became of an attempt is written
before the next one; who is killed in between sends it again, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from admin.webhooks.client import attempt
from admin.webhooks.retries import after
from proxy.config.webhooks import Webhook
from proxy.domain.errors import StoreUnavailable
from proxy.domain.events import Delivery, DeliveryState, EventType
from proxy.store.protocols import Store

POLL: Final = 5.0
"""Seconds between two looks for messages whose next attempt is due. New ones are sent at once."""
BATCH: Final = 20

log = logging.getLogger("wardgate")


class Sender:
    """Sends messages while `run` runs."""

    def __init__(
        self, store: Store, webhooks: Callable[[], Mapping[str, Webhook]], clock: Callable[[], int]
    ) -> None:
        """`webhooks` returns those that are configured now, by name; `clock` returns milliseconds
        since the epoch."""
        self._store = store
        self._webhooks = webhooks
        self._clock = clock
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._missed: set[str] = set()
        """Those of the busy ones for which there may be messages that they have not seen."""

    def wanting(self, event: str) -> list[str]:
        """The names of the webhooks that want events of this type."""
        return [
            name
            for name, webhook in self._webhooks().items()
            if event in webhook.events or event == EventType.TEST
        ]

    def wake(self) -> None:
        """There are new messages."""
        self._wake.set()

    async def run(self) -> None:
        """Send what waits, until it is cancelled."""
        try:
            while True:
                self._wake.clear()
                for name, webhook in self._webhooks().items():
                    if name in self._busy:
                        self._missed.add(name)
                    else:
                        task = asyncio.create_task(self._send_all(name, webhook))
                        self._busy[name] = task
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):  # on 3.11, wait_for may lose a cancellation
                        await self._wake.wait()
        finally:
            sending = list(self._busy.values())
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def _send_all(self, name: str, webhook: Webhook) -> None:
        """Send all messages to a webhook that are due."""
        try:
            sent = True
            while sent:
                now = self._clock()
                due = await self._store.list_due(name, now, BATCH)
                for delivery in due:
                    await self._send(webhook, delivery)
                sent = bool(due)
        except StoreUnavailable as error:
            log.warning("webhook %s: messages are sent later: %s", name, error)
        except Exception:
            log.exception("webhook %s: messages are sent later", name)
        finally:
            del self._busy[name]
            if name in self._missed:
                self._missed.discard(name)
                self._wake.set()

    async def _send(self, webhook: Webhook, delivery: Delivery) -> None:
        outcome = await attempt(webhook, delivery, self._clock())
        done = after(delivery, outcome, self._clock(), random.random)
        async with self._store.write() as change:
            await change.put_delivery(done)
        if outcome.error is not None:
            text = "webhook %s: %s of %s: %s; %s"
            goes_on = "it is tried again" if done.state is DeliveryState.WAITING else "given up"
            log.warning(text, done.webhook, done.message, done.event, outcome.error, goes_on)
