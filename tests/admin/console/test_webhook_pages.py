"""Webhooks in the console: which there are, what was sent to them, and what may be sent again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.events import DeliveryState
from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in

NAMES = ["ops", "audit-trail"]
RETRY = "/webhooks/1wm1/retry"
UNKNOWN = "webhook is none of those in the configuration: ops, audit-trail"


@pytest.fixture
def webhooks() -> Callable[[], Sequence[str]]:
    """The names of the webhooks that are configured."""
    return lambda: NAMES


async def message(api: AdminApi, webhook: str = "ops", **changes: Any) -> None:
    """A message to a webhook, which has become of it what `changes` say."""
    made = (await api.admin.post("/v2-beta/webhookmessages", {"webhook": webhook})).body["id"]
    delivery = await api.store.find_delivery(int(made[3:]))
    assert delivery is not None
    async with api.store.write() as change:
        await change.put_delivery(replace(delivery, **changes))


def rows(page: Page) -> list[str]:
    """The ids of the messages on a page."""
    return re.findall(r'<tr id="(1wm\d+)"', page.source)


def actions(page: Page) -> list[str]:
    """Where the forms of a page lead that change something about webhooks."""
    return [form.action for form in page.forms if form.action.startswith("/webhooks/")]


async def test_a_test_is_sent_to_a_webhook_and_its_page_says_what_becomes_of_it(
    api: AdminApi,
) -> None:
    """With what is sent, word for word."""
    browser = await logged_in(api)
    page = await browser.get("/webhooks")
    assert actions(page) == ["/webhooks/test"] * 2
    test = next(each for each in page.forms if each.values.get("webhook") == "audit-trail")
    page = await browser.send(test)
    assert (page.status, page.path) == (200, "/webhooks/1wm1")
    assert "webhook.test Waiting" in page.text
    for text in ('{"type":"webhook.test","timestamp":', "Attempts 0", "Webhook audit-trail"):
        assert text in page.text
    assert api.audit()[-1]["act"] == "webhook.test"
    await message(api, attempts=3, attempted=api.clock.now, status=503, error="status 503")
    page = await browser.get("/webhooks/1wm2")
    assert "Last status 503 Last error status 503 Next attempt" in page.text


async def test_the_table_says_what_became_of_each_message(api: AdminApi) -> None:
    """The latest first; the state is a word, and what failed says why."""
    await message(api, state=DeliveryState.DELIVERED, attempts=1, status=204)
    await message(api, state=DeliveryState.FAILED, attempts=10, error="ConnectionRefusedError")
    due = api.clock.now + 5 * 60_000
    await message(api, "audit-trail", attempts=2, status=500, error="status 500", due=due)
    page = await (await logged_in(api)).get("/webhooks")
    assert rows(page) == ["1wm3", "1wm2", "1wm1"]
    for text in (
        "webhook.test 1wm3 Waiting audit-trail just now 2 in 5 minutes status 500",
        "webhook.test 1wm2 Failed ops just now 10 none ConnectionRefusedError",
        "webhook.test 1wm1 Delivered ops just now 1 none status 204",
    ):
        assert text in page.text


@pytest.mark.parametrize("back", ["table", "page"])
async def test_what_was_not_delivered_is_sent_again(api: AdminApi, back: str) -> None:
    """From the table with its filters, or from the message's own page."""
    await message(api, state=DeliveryState.FAILED, attempts=10, error="status 500")
    await message(api, state=DeliveryState.DELIVERED)
    browser = await logged_in(api)
    path = "/webhooks?webhook=ops" if back == "table" else "/webhooks/1wm1"
    page = await browser.get(path)
    assert RETRY in actions(page)
    assert "/webhooks/1wm2/retry" not in actions(page)
    page = await browser.send(page.form(RETRY))
    assert page.path == ("/webhooks?table=message&webhook=ops" if back == "table" else path)
    again = await api.store.find_delivery(1)
    assert again is not None
    assert (again.state, again.attempts) == (DeliveryState.WAITING, 0)
    assert api.audit()[-1]["act"] == "webhook.retry"
    assert RETRY in actions(await browser.get("/webhooks/1wm1"))


async def test_a_message_that_has_arrived_meanwhile_is_not_sent_again(api: AdminApi) -> None:
    """The page says that it has."""
    await message(api)
    browser = await logged_in(api)
    form = (await browser.get("/webhooks/1wm1")).form(RETRY)
    made = await api.store.find_delivery(1)
    assert made is not None
    async with api.store.write() as change:
        await change.put_delivery(replace(made, state=DeliveryState.DELIVERED))
    page = await browser.send(form)
    assert (page.status, "The webhook has this message already" in page.text) == (422, True)
    assert actions(await browser.get("/webhooks/1wm1")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["1wm3", "1wm2", "1wm1"]),
        ("webhook=ops", ["1wm2", "1wm1"]),
        ("state=failed", ["1wm2"]),
        ("state=waiting&webhook=audit-trail", ["1wm3"]),
        ("event=webhook.test&order=asc&sort=created", ["1wm1", "1wm2", "1wm3"]),
        ("event=key.rotated", []),
        ("webhook=gone", []),
        ("state=odd", []),
        ("search=nothing&sort=odd&order=desc", ["1wm3", "1wm2", "1wm1"]),
    ],
)
async def test_messages_are_filtered_and_the_address_holds_the_filter(
    api: AdminApi, query: str, found: list[str]
) -> None:
    """Each choice shows what the address says, also where nothing is called so."""
    await message(api)
    await message(api, state=DeliveryState.FAILED)
    await message(api, "audit-trail")
    browser = await logged_in(api)
    page = await browser.get(f"/webhooks?{query}")
    assert (page.status, rows(page)) == (200, found)
    given = dict(each.split("=") for each in query.split("&") if each)
    values = page.form("/webhooks").values
    for name in ("webhook", "event", "state"):
        assert values[name] == given.get(name, "")
    if not found:
        assert "No message matches" in page.text
        (whole,) = re.findall('href="([^"]*)">Show all<', page.source)
        assert len(rows(await browser.get(whole.replace("&amp;", "&")))) == 3


async def test_many_messages_have_pages(api: AdminApi) -> None:
    """A filter goes on from page to page."""
    for _ in range(55):
        await message(api)
    await message(api, "audit-trail")
    browser = await logged_in(api)
    page = await browser.get("/webhooks?webhook=ops")
    assert rows(page)[0] == "1wm55"
    (following,) = [link for link in page.links if "marker=" in link]
    page = await browser.get(following)
    assert rows(page) == [f"1wm{number}" for number in range(5, 0, -1)]
    assert "/webhooks?table=message&webhook=ops" in page.links


async def test_a_choice_replaces_the_table_alone(api: AdminApi) -> None:
    """With its rows, and nothing around it."""
    await message(api)
    page = await (await logged_in(api)).get("/webhooks", **{"HX-Target": "table-message"})
    assert (rows(page), "<main" in page.source) == (["1wm1"], False)


class TestWithoutWebhooks:
    """Where none is configured."""

    @pytest.fixture
    def webhooks(self) -> Callable[[], Sequence[str]]:
        """None."""
        return tuple

    async def test_the_page_says_how_one_is_set_up(self, api: AdminApi) -> None:
        """And has no table of nothing."""
        page = await (await logged_in(api)).get("/webhooks")
        assert "No webhook is configured" in page.text
        for text in ("admin.webhooks", "secret_file", "docs/webhooks.md"):
            assert text in page.text
        assert (actions(page), "Messages" in page.text) == ([], False)


async def test_a_webhook_without_messages_says_that_there_are_none(api: AdminApi) -> None:
    """It can be tried out."""
    page = await (await logged_in(api)).get("/webhooks")
    assert "No messages yet" in page.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, UNKNOWN) for name in ("gone", "<img src=x>", "ops,audit-trail", "o" * 900)),
        ("", "webhook cannot be empty"),
        ("\x00", "webhook holds control characters"),
    ],
)
async def test_a_webhook_that_is_not_configured_cannot_be_tried(
    api: AdminApi, name: str, text: str
) -> None:
    """The error stands on the page, whose forms go on working."""
    await message(api)
    browser = await logged_in(api)
    csrf = (await browser.get("/webhooks")).form("/logout").values["csrf"]
    page = await browser.post("/webhooks/test", {"csrf": csrf, "webhook": name})
    assert page.status == 422
    assert "<img src=x" not in page.source
    (error,) = re.findall('role="alert">([^<]*)<', page.source)
    assert error == text
    assert page.form("/webhooks").values["webhook"] == ""
    assert (await browser.send(page.form(RETRY))).path == "/webhooks?table=message"
    assert await api.store.find_delivery(2) is None


async def test_a_webhook_that_is_gone_gets_no_message_and_the_pages_say_so(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that waits nor one that was given up; what has arrived stays as it was."""
    for state in ("waiting", "failed", "delivered"):
        await message(api, state=DeliveryState(state), due=api.clock.now)
    browser = await logged_in(api)
    assert len(actions(await browser.get("/webhooks"))) == 4
    monkeypatch.setattr(f"{__name__}.NAMES", ["audit-trail"])
    page = await browser.get("/webhooks?webhook=ops")
    assert actions(page) == ["/webhooks/test"]
    assert page.text.count("webhook removed") == 1
    for number, gone in ((1, True), (2, True), (3, False)):
        page = await browser.get(f"/webhooks/1wm{number}")
        assert actions(page) == []
        assert ("no webhook of this name any more" in page.text) is gone
        assert "Next attempt" not in page.text


@pytest.mark.parametrize("path", ["/webhooks/test", RETRY])
@pytest.mark.parametrize("token", [None, "forged"])
async def test_a_form_needs_the_token_of_a_page(
    api: AdminApi, path: str, token: str | None
) -> None:
    """Without it nothing is sent."""
    await message(api, state=DeliveryState.FAILED)
    browser = await logged_in(api)
    values = {"webhook": "ops"} | ({} if token is None else {"csrf": token})
    assert (await browser.post(path, values)).status == 403
    assert await api.store.find_delivery(2) is None
    kept = await api.store.find_delivery(1)
    assert kept is not None
    assert kept.state is DeliveryState.FAILED


@pytest.mark.parametrize("name", ["1wm2", "1wm0", "1wm", "1c1", "1wm" + "9" * 40, "x", "%00"])
async def test_a_message_that_is_none_is_not_found(api: AdminApi, name: str) -> None:
    """Nor can it be sent."""
    await message(api)
    browser = await logged_in(api)
    csrf = (await browser.get("/webhooks")).form("/logout").values["csrf"]
    assert (await browser.get(f"/webhooks/{name}")).status == 404
    assert (await browser.post(f"/webhooks/{name}/retry", {"csrf": csrf})).status == 404


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil", "/logout"])
async def test_a_retry_leads_to_a_page_of_the_console_alone(api: AdminApi, back: str) -> None:
    """Whatever its form says."""
    await message(api)
    browser = await logged_in(api)
    form = (await browser.get("/webhooks/1wm1")).form(RETRY)
    assert (await browser.send(form, back=back)).path == "/keys"


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (AccountKind.READ_ADMIN, Role.OWNER),
        (AccountKind.ADMIN, Role.MEMBER),
        (AccountKind.ADMIN, Role.READONLY),
    ],
)
async def test_who_may_see_messages_alone_is_offered_no_change(
    api: AdminApi, kind: AccountKind, role: Role
) -> None:
    """A readAdmin, and an admin with a key of a weaker role; neither gets further by hand."""
    await message(api, state=DeliveryState.FAILED)
    browser = await logged_in(api, await api.key(await api.account(kind), role))
    page = await browser.get("/webhooks")
    assert "/webhooks" in page.links
    assert (rows(page), actions(page)) == (["1wm1"], [])
    own = await browser.get("/webhooks/1wm1")
    assert (own.status, actions(own)) == (200, [])
    csrf = page.form("/logout").values["csrf"]
    for path in ("/webhooks/test", RETRY):
        assert (await browser.post(path, {"csrf": csrf, "webhook": "ops"})).status == 403
    assert await api.store.find_delivery(2) is None


async def test_a_user_sees_no_webhooks(api: AdminApi) -> None:
    """They are not offered either."""
    await message(api)
    browser = await logged_in(api, await api.key(await api.account()))
    for path in ("/webhooks", "/webhooks/1wm1"):
        page = await browser.get(path)
        assert (page.status, "ops" in page.source) == (403, False)
    assert "/webhooks" not in (await browser.get("/keys")).source
    csrf = (await browser.get("/keys")).form("/logout").values["csrf"]
    for path in ("/webhooks/test", RETRY):
        assert (await browser.post(path, {"csrf": csrf, "webhook": "ops"})).status == 403


async def test_what_is_in_a_message_never_becomes_markup(api: AdminApi) -> None:
    """Nor does the name of a webhook that is no longer configured."""
    evil = "<img src=x onerror=alert(1)>"
    await message(api, webhook="ops", body=evil, event=evil, error=evil)
    browser = await logged_in(api)
    for path in ("/webhooks", "/webhooks/1wm1", f"/webhooks?webhook={evil}&event={evil}"):
        page = await browser.get(path)
        assert (page.status, "<img src=x" in page.source) == (200, False)
