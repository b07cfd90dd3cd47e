"""Messages to webhooks over HTTP: who may see them, try one out, and send one again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from proxy.domain.events import DeliveryState
from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi, Answer

MESSAGES = "/v2-beta/webhookmessages"


@pytest.fixture
def webhooks() -> Callable[[], Sequence[str]]:
    """The names of the webhooks that are configured."""
    return lambda: ["ops"]


async def trial(api: AdminApi, webhook: str = "ops") -> Answer:
    """Have the admin send a test."""
    return await api.admin.post(MESSAGES, {"webhook": webhook})


async def test_a_test_is_a_message_like_any_other(api: AdminApi) -> None:
    """It waits until it is sent, and says only that it is a test."""
    answer = await trial(api)
    assert answer.status == 201
    shown = answer.body
    assert (shown["id"], shown["type"], shown["state"]) == ("1wm1", "webhookMessage", "waiting")
    assert (shown["webhook"], shown["event"], shown["attempts"]) == ("ops", "webhook.test", 0)
    assert (shown["createdTS"], shown["nextAttemptTS"]) == (api.clock.now, api.clock.now)
    assert json.loads(shown["body"])["data"] == {}
    assert list(shown["actions"]) == ["retry"]
    assert (await api.admin.get(f"{MESSAGES}/1wm1")).body == shown
    assert api.audit()[-1]["act"] == "webhook.test"


async def test_a_webhook_that_is_not_configured_cannot_be_tried(api: AdminApi) -> None:
    """The error names those that are."""
    answer = await trial(api, "other")
    assert answer.code == "422 InvalidReference webhook"
    assert "ops" in answer.body["detail"]
    assert (await api.admin.post(MESSAGES, {})).code == "422 MissingRequired webhook"


async def test_an_act_leaves_a_message(api: AdminApi) -> None:
    """Lists of them can be filtered."""
    api.store.announce_to(lambda event: ["ops"] if event == "key.rotated" else [], lambda: None)
    await trial(api)
    await api.admin.post("/v2-beta/apikeys", {"name": "n"})
    await api.admin.post("/v2-beta/apikeys/1c2/?action=rotate")
    (found,) = (await api.admin.get(f"{MESSAGES}?event=key.rotated")).body["data"]
    assert json.loads(found["body"])["data"]["keyId"] == "1c2"
    both = (await api.admin.get(f"{MESSAGES}?state=waiting&sort=created&order=desc")).body["data"]
    assert [each["event"] for each in both] == ["key.rotated", "webhook.test"]
    assert (await api.admin.get(f"{MESSAGES}?state=failed")).body["data"] == []


async def test_a_message_that_failed_can_be_sent_again(api: AdminApi) -> None:
    """From the beginning; one that was delivered cannot."""
    await trial(api)
    made = await api.store.find_delivery(1)
    assert made is not None
    async with api.store.write() as change:
        failed = replace(made, state=DeliveryState.FAILED, attempts=10, status=500, error="e")
        await change.put_delivery(failed)
    shown = (await api.admin.get(f"{MESSAGES}/1wm1")).body
    assert (shown["state"], shown["lastStatus"], shown["lastError"]) == ("failed", 500, "e")
    assert shown["nextAttempt"] is None
    again = await api.admin.post(f"{MESSAGES}/1wm1/?action=retry")
    assert (again.status, again.body["state"], again.body["attempts"]) == (202, "waiting", 0)
    async with api.store.write() as change:
        await change.put_delivery(replace(made, state=DeliveryState.DELIVERED))
    assert (await api.admin.get(f"{MESSAGES}/1wm1")).body["actions"] == {}
    answer = await api.admin.post(f"{MESSAGES}/1wm1/?action=retry")
    assert answer.code == "422 ActionNotAvailable action"


@pytest.mark.parametrize(
    ("kind", "role", "see", "use"),
    [
        (AccountKind.ADMIN, Role.OWNER, 200, 201),
        (AccountKind.ADMIN, Role.MEMBER, 200, 403),
        (AccountKind.ADMIN, Role.READONLY, 200, 403),
        (AccountKind.READ_ADMIN, Role.OWNER, 200, 403),
        (AccountKind.USER, Role.OWNER, 403, 403),
    ],
)
async def test_admins_alone_send_messages_and_read_admins_see_them(
    api: AdminApi, kind: AccountKind, role: Role, see: int, use: int
) -> None:
    """Nobody else learns of them."""
    await trial(api)
    key = await api.key(await api.account(kind), role)
    assert (await key.get(MESSAGES)).status == see
    assert (await key.get(f"{MESSAGES}/1wm1")).status == see
    assert (await key.post(MESSAGES, {"webhook": "ops"})).status == use
    retried = (await key.post(f"{MESSAGES}/1wm1/?action=retry")).status
    assert retried == (202 if use == 201 else 403)
    for method in ("PUT", "DELETE"):
        assert (await key.ask(method, f"{MESSAGES}/1wm1", {})).status == 405


async def test_no_other_action_and_no_other_id_exists(api: AdminApi) -> None:
    """As for any resource."""
    await trial(api)
    assert (await api.admin.post(f"{MESSAGES}/1wm1/?action=purge")).code == (
        "422 InvalidAction action"
    )
    for name in ("1wm2", "1c1", "x"):
        assert (await api.admin.get(f"{MESSAGES}/{name}")).status == 404
        assert (await api.admin.post(f"{MESSAGES}/{name}/?action=retry")).status == 404
