"""Messages to webhooks: who may see them, and send them again. (Tested over HTTP, by
tests/admin/api/test_webhook_messages.py.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from admin.service.base import Caller, Listing, Service, View, require_generally
from admin.service.errors import Refused
from admin.service.permissions import Right, Rights, Subject, general_standing, rights
from proxy.domain.events import Delivery, DeliveryState, Event, EventType
from proxy.store.protocols import Store
from proxy.store.query import Query


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A message, and whether the caller may have it sent again now."""

    delivery: Delivery
    may_retry: bool


class WebhookService(Service):
    """Reads messages, and sends some by request."""

    def __init__(
        self, store: Store, clock: Callable[[], int], names: Callable[[], Sequence[str]]
    ) -> None:
        """`names` returns those of the webhooks that are configured now."""
        super().__init__(store, clock)
        self._names = names

    def configured(self, caller: Caller) -> Sequence[str]:
        """The names of the webhooks that are configured now. Raises `Refused`."""
        require_generally(_rights(caller), Right.SEE)
        return self._names()

    async def list(self, caller: Caller, query: Query) -> Listing[WebhookMessage]:
        """List messages. Raises `Refused`."""
        allowed = _rights(caller)
        require_generally(allowed, Right.SEE)
        found = await self._store.list_deliveries(query)
        views = [_view(each, allowed) for each in found.records]
        return Listing(views, found.next, found.partial, Right.CREATE in allowed)

    async def get(self, caller: Caller, delivery_id: int) -> View[WebhookMessage]:
        """Get a message. Raises `Refused`."""
        allowed = _rights(caller)
        require_generally(allowed, Right.SEE)
        found = await self._store.find_delivery(delivery_id)
        if found is None:
            raise Refused("NotFound")
        return _view(found, allowed)

    async def test(self, caller: Caller, webhook: str) -> View[WebhookMessage]:
        """Send a message that says nothing but that it is a test. Raises `Refused`."""
        async with self._change(caller) as change:
            allowed = _rights(change.caller)
            require_generally(allowed, Right.CREATE)
            if webhook not in self._names():
                names = ", ".join(self._names()) or "none"
                detail = f"webhook is none of those in the configuration: {names}"
                raise Refused("InvalidReference", detail, field="webhook")
            (made,) = await change.tx.announce(Event(EventType.TEST, change.now, {}), webhook)
            await change.note("webhook.test", made.ref, None, {"webhook": webhook})
        return _view(made, allowed)

    async def retry(self, caller: Caller, delivery_id: int) -> View[WebhookMessage]:
        """Begin again to send a message that failed, or make the next attempt now. Raises
        `Refused`."""
        async with self._change(caller) as change:
            allowed = _rights(change.caller)
            require_generally(allowed, Right.SEE)
            old = await change.tx.find_delivery(delivery_id)
            if old is None:
                raise Refused("NotFound")
            require_generally(allowed, Right.EDIT)
            if old.state is DeliveryState.DELIVERED:
                detail = "the webhook has this message already"
                raise Refused("ActionNotAvailable", detail, field="action")
            new = replace(old, state=DeliveryState.WAITING, attempts=0, due=change.now)
            await change.tx.put_delivery(new)
            await change.note("webhook.retry", new.ref, {"state": old.state}, {"state": new.state})
        return _view(new, allowed)


def _view(delivery: Delivery, allowed: Rights) -> View[WebhookMessage]:
    open_ = delivery.state is not DeliveryState.DELIVERED
    return View(WebhookMessage(delivery, open_ and Right.EDIT in allowed))


def _rights(caller: Caller) -> Rights:
    return rights(general_standing(caller.owner), caller.role, Subject.WEBHOOK)
