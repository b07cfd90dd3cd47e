"""One of many environments or accounts is found as one types, and without a script by a form."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site


@pytest.fixture(scope="module", autouse=True)
def environments(site: Site) -> list[str]:
    """More environments than the header offers without a search."""
    return [site.environment(f"shop-{number:02}") for number in range(23)]


def test_an_environment_is_found_in_the_header_as_one_types(console: Console) -> None:
    """With the keyboard alone; the one that is chosen stays in sight."""
    console.page.goto("/overview")
    menu = console.page.get_by_role("banner").locator("details.choose")
    menu.locator("summary").press("Enter")
    expect(menu.get_by_role("button", name="Shop-22")).to_have_count(0)
    assert violations(console.page) == []
    menu.get_by_role("searchbox").press_sequentially("op-22")
    expect(menu.get_by_role("button")).to_have_text(["Shop-22"])
    menu.get_by_role("button", name="Shop-22").press("Enter")
    expect(menu.locator("summary")).to_contain_text("Shop-22")
    expect(console.heading).to_have_text("Overview")
    console.page.get_by_label("Show", exact=True).select_option(label="The environment Shop-22")
    expect(console.page.get_by_label("Show", exact=True)).to_have_value(
        str(menu.locator("button").first.get_attribute("value"))
    )


def test_a_member_is_found_as_one_types(
    console: Console, site: Site, environments: list[str]
) -> None:
    """Names that fit are proposed by the field."""
    for number in range(22):
        site.post("/accounts", name=f"Ann {number:02}", kind="user")
    console.page.goto(f"/environments/{environments[0]}")
    field = console.field("Account")
    field.press_sequentially("ann 21")
    options = console.page.locator("#accounts option")
    expect(options).to_have_count(1)
    expect(options).to_have_attribute("value", "Ann 21")
    field.fill("Ann 21")
    console.button("Add member").click()
    expect(console.row("Ann 21")).to_be_visible()


def test_an_environment_is_found_without_a_script(new_context: NewContext, site: Site) -> None:
    """On a page of its own, from which one comes back."""
    console = Console(new_context(java_script_enabled=False).new_page(), site.person("Eve"))
    console.log_in("/environments")
    menu = console.page.get_by_role("banner").locator("details.choose")
    menu.locator("summary").click()
    menu.get_by_role("searchbox").fill("shop-21")
    menu.get_by_role("button", name="Find").click()
    console.main.get_by_role("button", name="Shop-21").click()
    expect(menu.locator("summary")).to_contain_text("Shop-21")
    expect(console.heading).to_have_text("Environments")
