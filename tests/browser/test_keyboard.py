"""The console without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site

FOCUS_SHOWS = """element => [element, element.closest("label")].some((each) => {
  const style = each && getComputedStyle(each);
  return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
})"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until what is wanted has the focus, which each stop on the way shows."""
    for _ in range(100):
        page.keyboard.press("Tab")
        assert page.locator(":focus").evaluate(FOCUS_SHOWS)
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"Tab does not lead to {wanted}")


def test_a_key_is_made_with_the_keyboard_alone(new_context: NewContext, site: Site) -> None:
    """From the login to the copied secret, with a focus that is always visible."""
    person = site.person("Dot")
    page = new_context().new_page()
    console = Console(page, person)
    page.goto("/")
    expect(console.field("Access key")).to_be_focused()
    page.keyboard.type(person.credentials.access_key)
    page.keyboard.press("Tab")
    page.keyboard.type(person.credentials.secret)
    page.keyboard.press("Enter")
    add = page.get_by_role("link", name="Add account API key")
    expect(add).to_be_visible()
    tab_to(page, add)
    page.keyboard.press("Enter")
    expect(console.field("Name")).to_be_focused()
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    console.shown_credentials()
    tab_to(page, console.button("Copy the secret key"))
    page.keyboard.press("Enter")
    expect(page.locator("[data-copied]")).to_be_attached()
    tab_to(page, page.get_by_role("link", name="Done"))
    page.keyboard.press("Enter")
    expect(console.heading).to_contain_text("typed")


def test_a_menu_is_used_with_the_keyboard(console: Console, site: Site) -> None:
    """Enter opens it, Escape closes it and goes back to its button, Tab goes through it."""
    site.key(console.person.id, "k")
    console.open_keys()
    button = console.menu_button("k")
    tab_to(console.page, button)
    console.page.keyboard.press("Enter")
    edit = console.page.get_by_role("link", name="Edit", exact=True)
    expect(edit).to_be_visible()
    console.page.keyboard.press("Tab")
    expect(console.button("Deactivate")).to_be_focused()
    console.page.keyboard.press("Escape")
    expect(edit).to_be_hidden()
    expect(button).to_be_focused()
    console.page.keyboard.press("Enter")
    tab_to(console.page, edit)
    console.page.keyboard.press("Enter")
    expect(console.field("Name")).to_have_value("k")


def test_advice_is_applied_with_the_keyboard_alone(console: Console, site: Site) -> None:
    """And so is the time chosen from which it is made."""
    site.environment("advised")
    number, key = site.key(console.person.id, "wide")
    assert site.status(key, "advised") == 200
    with site.stopped():  # which writes what is known of its use
        pass
    page = console.page
    page.goto(f"/keys/{number}/advice")
    week = page.get_by_role("link", name="7 days")
    tab_to(page, week)
    page.keyboard.press("Enter")
    expect(week).to_have_attribute("aria-current", "true")
    tab_to(page, console.button("Apply"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/keys/{number}")
    expect(console.main).to_contain_text("GET /v1/projects/advised/**")


def test_a_slash_goes_to_the_search(console: Console) -> None:
    """Where it is not what one types."""
    console.open_keys()
    console.page.keyboard.press("/")
    expect(console.search("Account")).to_be_focused()
    expect(console.search("Account")).to_have_value("")
    console.page.keyboard.press("/")
    expect(console.search("Account")).to_have_value("/")


def test_the_first_stop_leads_past_the_header(console: Console) -> None:
    """The link to the content is visible as soon as it has the focus."""
    console.open_keys()
    console.page.keyboard.press("Tab")
    skip = console.page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    console.page.keyboard.press("Enter")
    console.page.keyboard.press("Tab")
    assert console.main.evaluate("main => main.contains(document.activeElement)")
