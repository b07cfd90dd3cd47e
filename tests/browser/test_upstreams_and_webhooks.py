"""Upstreams that are not all well, and webhooks that do not all answer, as an admin sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import receivers
from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.receivers import ANSWERS, receiving
from tests.browser.site import Site, install
from tests.browser.test_accessibility import faults_of
from tests.browser.test_keyboard import tab_to
from tests.load.crowd import until
from tests.programs import free_port, running, sample_api

OUTCOMES = {"ops": "Delivered", "paging": "Waiting", "former-vendor": "Failed"}
"""What becomes of a message to each webhook."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Wardgate with upstreams of both kinds, and webhooks of three."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    (origin := folder / "origin").mkdir()
    with running(sample_api(port), port, origin), receiving() as url:
        upstreams, routes = receivers.upstreams(port), receivers.routes()
        hooks = receivers.webhooks(folder, url)
        site = Site(install(folder, port, upstreams=upstreams, routes=routes, webhooks=hooks))
        with site.running():
            yield site


def target(page: Page, word: str) -> Locator:
    """The rows of the targets in this state."""
    return page.get_by_role("row").filter(has=page.get_by_text(word, exact=True))


def open_unwell(console: Console) -> None:
    """Open the upstreams, when the checks have found out what is not well."""
    console.page.goto("/upstreams")
    expect(console.heading).to_contain_text("Upstreams")

    def found() -> bool:
        if target(console.page, "Unhealthy").count():
            return True
        console.page.reload()
        return False

    until(found)


def send_test(console: Console, webhook: str) -> None:
    """Send a test to a webhook, and wait on its page for what becomes of it."""
    console.page.goto("/webhooks")
    console.button(f"Send a test to {webhook}").click()
    expect(console.heading).to_contain_text("webhook.test")

    def attempted() -> bool:
        if console.main.get_by_text("Attempts").locator("+ dd").inner_text() != "0":
            return True
        console.page.reload()
        return False

    until(attempted)


def test_a_target_that_is_not_well_says_so_and_why(console: Console) -> None:
    """Its upstream comes first. What has changed since is shown at the press of a button, without
    a new page."""
    open_unwell(console)
    page = console.page
    expect(page.get_by_role("heading", level=2)).to_have_text(
        [re.compile(r"search\s+Degraded"), re.compile(r"default\s+Up")]
    )
    expect(target(page, "Unhealthy")).to_contain_text("Its checks fail, so it gets no requests")
    expect(target(page, "Unhealthy")).to_contain_text("Connection refused")
    page.evaluate("window.loaded = 'once'")
    tab_to(page, console.button("Refresh"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("2 upstreams, 1 with problems")
    expect(console.button("Refresh")).to_be_focused()
    assert page.evaluate("window.loaded") == "once"


@pytest.mark.parametrize("webhook", ANSWERS)
def test_a_test_is_sent_and_what_became_of_it_is_shown(console: Console, webhook: str) -> None:
    """Sent on, given up, or tried again: on its own page and in the table, with the answer."""
    send_test(console, webhook)
    expect(console.heading).to_contain_text(OUTCOMES[webhook])
    expect(console.main).to_contain_text(f"Last status{ANSWERS[webhook]}")
    page = console.page
    page.goto(f"/webhooks?webhook={webhook}")
    row = page.get_by_role("row").filter(has_text="webhook.test").first
    expect(row).to_contain_text(OUTCOMES[webhook])
    row.locator("summary").click()
    expect(row.get_by_role("button", name="Send again now")).to_have_count(
        0 if OUTCOMES[webhook] == "Delivered" else 1
    )


def test_messages_are_filtered_as_one_chooses(console: Console) -> None:
    """The address holds it, and what was found is said."""
    for webhook in ("ops", "former-vendor"):
        send_test(console, webhook)
    page = console.page
    page.goto("/webhooks")
    page.evaluate("window.loaded = 'once'")
    console.field("Webhook").select_option(label="former-vendor")
    expect(page.locator("tbody tr").filter(has_text="Delivered")).to_have_count(0)
    expect(page.locator("tbody tr").first).to_contain_text("Failed")
    console.field("State").select_option(label="Delivered")
    expect(page.get_by_text("No message matches")).to_be_visible()
    expect(page).to_have_url(re.compile("webhook=former-vendor.*state=delivered"))
    assert page.evaluate("window.loaded") == "once"
    page.reload()
    expect(page.get_by_text("No message matches")).to_be_visible()


def test_all_of_it_works_without_scripts(new_context: NewContext, site: Site) -> None:
    """A test is sent, found by its state, and sent again; upstreams are refreshed."""
    page = new_context(java_script_enabled=False).new_page()
    console = Console(page, site.person("Gil"))
    console.log_in()
    send_test(console, "former-vendor")
    page.goto("/webhooks")
    console.field("State").select_option(label="Failed")
    console.button("Refresh").click()
    row = page.get_by_role("row").filter(has_text="former-vendor").first
    number = row.get_by_text(re.compile("1wm")).inner_text()
    row.locator("summary").click()
    row.get_by_role("button", name="Send again now").click()
    expect(page).to_have_url(re.compile(f"state=failed#{number}$"))
    page.goto("/upstreams")
    console.button("Refresh").click()
    expect(console.main).to_contain_text("2 upstreams")


def test_a_test_is_sent_with_the_keyboard_alone(console: Console) -> None:
    """With a focus that is always visible."""
    page = console.page
    page.goto("/webhooks")
    tab_to(page, console.button("Send a test to ops"))
    page.keyboard.press("Enter")
    expect(console.heading).to_contain_text("webhook.test")


@pytest.mark.parametrize("what", ["upstreams", "webhooks", "waiting", "failed", "refused"])
def test_whatever_state_things_are_in_their_page_is_accessible(
    new_context: NewContext, site: Site, what: str
) -> None:
    """In both schemes of colours and on small screens, as all pages are."""
    console = Console(new_context(reduced_motion="reduce").new_page(), site.person("Lou"))
    console.log_in()
    page = console.page
    if what == "upstreams":
        open_unwell(console)
    else:
        for webhook in ANSWERS if what == "webhooks" else ("paging",):
            send_test(console, webhook)
    if what == "failed":
        send_test(console, "former-vendor")
    elif what in {"webhooks", "refused"}:
        page.goto("/webhooks")
        expect(page.get_by_role("row").nth(3)).to_be_visible()
    if what == "refused":
        page.evaluate("document.querySelector('[name=webhook]').value = 'gone'")
        page.get_by_role("button", name=re.compile("Send a test")).first.click()
        expect(page.get_by_role("alert")).to_contain_text("none of those in the configuration")
    assert faults_of(page) == {}
