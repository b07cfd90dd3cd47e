"""Messages reach real receivers, which verify them, fail, hang, redirect or are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from admin.webhooks import sender as module
from admin.webhooks.sender import Sender
from proxy.config.webhooks import Webhook
from proxy.domain.clock import now_ms
from proxy.domain.events import Delivery, Event, EventType
from proxy.store.protocols import Store
from proxy.store.query import Query
from tests.admin.webhooks.receiver import Receiver, hang, receiving, status
from tests.patience import PATIENCE

EVENT = Event(EventType.KEY_ROTATED, 1_700_000_000_000, {"keyId": "1c5"})


@asynccontextmanager
async def sending(
    store: Store, clock: Callable[[], int] = now_ms, **webhooks: Webhook
) -> AsyncIterator[None]:
    """Send messages of the store to these webhooks, as a context."""
    sender = Sender(store, lambda: webhooks, clock)
    store.announce_to(sender.wanting, sender.wake)
    task = asyncio.create_task(sender.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def announce(store: Store, event: Event = EVENT) -> None:
    async with store.write() as change:
        await change.announce(event)


async def settled(store: Store, holds: Callable[[list[Delivery]], object]) -> list[Delivery]:
    """The messages, once they are as `holds` says."""
    async with asyncio.timeout(PATIENCE):
        while not holds(found := (await store.list_deliveries(Query())).records):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def attempted(count: int = 1) -> Callable[[list[Delivery]], object]:
    """All messages were sent so often."""
    return lambda found: found and all(each.attempts >= count for each in found)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything."""
    async with receiving() as made:
        yield made


async def test_an_event_arrives_signed(store: Store, receiver: Receiver, tmp_path: Path) -> None:
    """At once, with type, time and data; the answer is noted."""
    async with sending(store, ops=receiver.webhook(tmp_path)):
        await announce(store)
        (done,) = await settled(store, attempted())
    (only,) = receiver.received
    assert receiver.forged == 0
    assert only.payload == {
        "type": "key.rotated",
        "timestamp": "2023-11-14T22:13:20Z",
        "data": {"keyId": "1c5"},
    }
    assert (done.state, done.status, done.error) == ("delivered", 204, None)
    assert only.message == done.message


async def test_each_webhook_gets_the_events_that_it_wants(
    store: Store, receiver: Receiver, tmp_path: Path
) -> None:
    """The same message has the same id for all of them; one that wants none has no message."""
    everything = receiver.webhook(tmp_path)
    rotations = receiver.webhook(tmp_path, events=["key.rotated"])
    quotas = receiver.webhook(tmp_path, events=["quota.reached"])
    async with sending(store, everything=everything, rotations=rotations, quotas=quotas):
        await announce(store)
        found = await settled(store, attempted())
    assert {each.webhook for each in found} == {"everything", "rotations"}
    assert len({each.message for each in found}) == 1
    assert len(receiver.received) == 2


@pytest.mark.parametrize(
    ("code", "state"), [(500, "waiting"), (503, "waiting"), (404, "waiting"), (410, "failed")]
)
async def test_a_message_that_is_refused_waits_for_another_attempt(
    store: Store, receiver: Receiver, tmp_path: Path, code: int, state: str
) -> None:
    """With the same id, until the receiver takes it; one that is gone is not asked again."""
    receiver.answer = status(code)
    now = now_ms()
    async with sending(store, ops=receiver.webhook(tmp_path), clock=lambda: now):
        await announce(store)
        (once,) = await settled(store, attempted())
        assert (once.state, once.status, once.error) == (state, code, f"status {code}")
        if state == "failed":
            return
        receiver.answer = None
        now = once.due
        await announce(store, Event(EventType.KEY_DEACTIVATED, now, {}))  # which looks again
        done = await settled(store, lambda found: all(each.state != state for each in found))
    assert done[0].attempts == 2
    assert [each.message for each in receiver.received].count(done[0].message) == 2


async def test_no_redirect_is_followed(store: Store, receiver: Receiver, tmp_path: Path) -> None:
    """It would lead where the configuration does not say."""
    receiver.answer = status(307, Location=receiver.url)
    async with sending(store, ops=receiver.webhook(tmp_path)):
        await announce(store)
        (once,) = await settled(store, attempted())
    assert (once.status, len(receiver.received)) == (307, 1)


async def test_a_receiver_that_hangs_delays_no_other(
    store: Store, receiver: Receiver, tmp_path: Path
) -> None:
    """And only until its timeout."""
    receiver.answer = hang
    async with receiving() as other:
        hanging = receiver.webhook(tmp_path, timeout=1.0)
        async with sending(store, hanging=hanging, other=other.webhook(tmp_path)):
            await announce(store)
            await receiver.arrived.wait()
            await settled(store, lambda found: any(each.state == "delivered" for each in found))
            found = await settled(store, attempted())
    (late,) = [each for each in found if each.webhook == "hanging"]
    assert (late.state, late.status, late.error) == ("waiting", None, "no answer within 1 s")


async def test_nobody_listening_is_a_failure_like_any_other(store: Store, tmp_path: Path) -> None:
    """Its text names no address."""
    nobody = Receiver("http://127.0.0.1:1/hook?token=abc")
    async with sending(store, ops=nobody.webhook(tmp_path)):
        await announce(store)
        (once,) = await settled(store, attempted())
    assert (once.state, once.status) == ("waiting", None)
    assert once.error == "ClientConnectorError"


async def test_a_certificate_that_is_not_trusted_is_a_failure(store: Store, tmp_path: Path) -> None:
    """The body is not sent to whoever has it."""
    import ssl  # noqa: PLC0415

    import trustme  # noqa: PLC0415

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bodies = list[bytes]()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    strange = Receiver(f"https://127.0.0.1:{port}/hook")
    async with sending(store, ops=strange.webhook(tmp_path)):
        await announce(store)
        (once,) = await settled(store, attempted())
    assert once.error == "ClientConnectorCertificateError"
    assert bodies == []
    server.close()


async def test_what_waits_in_the_store_is_sent_after_a_start(
    store: Store, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which it happened."""
    monkeypatch.setattr(module, "BATCH", 2)
    hook = receiver.webhook(tmp_path)
    store.announce_to(lambda _: ["ops"], lambda: None)
    for number in range(5):
        await announce(store, Event(EventType.KEY_ROTATED, number * 1000, {"number": number}))
    async with sending(store, ops=hook):
        await settled(store, lambda found: all(each.state == "delivered" for each in found))
    assert [each.payload["data"]["number"] for each in receiver.received] == list(range(5))
