"""Tables: search, order, filter and pages, all of which the URL holds."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site


def test_a_search_finds_as_one_types(console: Console, site: Site) -> None:
    """The page is not loaded again, the focus stays, and the URL leads to the same rows."""
    for name in ("backup", "build", "monitoring"):
        site.key(console.person.id, name)
    console.open_keys()
    page = console.page
    page.evaluate("window.loaded = 'once'")
    console.search("Account").press_sequentially("bui")
    expect(console.names()).to_have_text(["build"])
    expect(console.search("Account")).to_be_focused()
    expect(console.search("Account")).to_have_value("bui")
    expect(page).to_have_url(re.compile(r"search=bui\b"))
    assert page.evaluate("window.loaded") == "once"
    page.reload()
    expect(console.names()).to_have_text(["build"])
    expect(console.search("Account")).to_have_value("bui")
    assert page.evaluate("window.loaded") is None


def test_the_back_button_leads_past_a_search_to_the_page_before(
    console: Console, site: Site
) -> None:
    """And forward again to what was found: each keystroke is no page of its own."""
    for name in ("alpha", "beta"):
        site.key(console.person.id, name)
    console.page.goto("/environments")
    console.open_keys()
    console.search("Account").press_sequentially("alp")
    expect(console.names()).to_have_text(["alpha"])
    expect(console.page).to_have_url(re.compile("search=alp"))
    console.page.go_back(wait_until="commit")
    expect(console.heading).to_contain_text("Environments")
    console.page.go_forward(wait_until="commit")
    expect(console.names()).to_have_text(["alpha"])


def test_a_search_without_a_match_says_so(console: Console, site: Site) -> None:
    """And leads back to all keys."""
    site.key(console.person.id, "there")
    console.open_keys()
    console.search("Account").press_sequentially("nowhere")
    expect(console.table()).to_contain_text("No key matches")
    console.page.get_by_role("link", name="Show all").click()
    expect(console.row("there")).to_be_visible()


def test_a_table_is_sorted_by_a_column(console: Console, site: Site) -> None:
    """A second click turns the order round; the heading says which one it is."""
    for name in ("b", "c", "a"):
        site.key(console.person.id, name)
    console.open_keys()
    column = console.table().get_by_role("columnheader", name="Name")
    column.get_by_role("link").click()
    expect(column).to_have_attribute("aria-sort", "ascending")
    expect(console.names()).to_have_text([f"{console.person.name}'s laptop", "a", "b", "c"])
    column.get_by_role("link").click()
    expect(column).to_have_attribute("aria-sort", "descending")
    expect(console.names()).to_have_text(["c", "b", "a", f"{console.person.name}'s laptop"])


def test_a_table_is_filtered_by_state(console: Console, site: Site) -> None:
    """What is done to a key of the view leads back to the view."""
    for name in ("one", "two", "three"):
        site.key(console.person.id, name)
    console.open_keys()
    console.act("two", "Deactivate")
    expect(console.row("two")).to_contain_text("Inactive")
    console.table().get_by_label("State", exact=True).select_option(label="Inactive")
    expect(console.names()).to_have_text(["two"])
    expect(console.page).to_have_url(re.compile("state=inactive"))
    console.act("two", "Activate")
    expect(console.table()).to_contain_text("No key matches")
    expect(console.page).to_have_url(re.compile("state=inactive"))


def test_the_bar_has_what_the_selected_keys_allow(console: Console, site: Site) -> None:
    """A key that is active is not activated."""
    ids = [site.key(console.person.id, name)[0] for name in ("off", "on")]
    site.post(f"/apikeys/{ids[0]}/?action=deactivate")
    console.open_keys()
    bar = console.page.locator(".several button:visible")
    console.table().get_by_label("Select on", exact=True).check()
    expect(bar).to_have_text(["Deactivate", "Delete …"])
    console.table().get_by_label("Select off", exact=True).check()
    expect(bar).to_have_text(["Deactivate", "Activate", "Delete …"])
    console.table().get_by_label("Select on", exact=True).uncheck()
    expect(bar).to_have_text(["Activate", "Delete …"])


def test_a_role_is_offered_where_the_owner_of_the_key_allows_it(
    new_context: NewContext, site: Site
) -> None:
    """A member of an environment makes no owner's key there."""
    person, environment = site.person("Mia", "user"), site.environment("mine")
    path = f"/projects/{environment}/projectmembers"
    site.post(path, accountId=person.id, role="member")
    console = Console(new_context().new_page(), person)
    console.log_in("/keys/new")
    owner = console.main.locator("input[value=owner]")
    owner.check()
    console.field("Acts for").select_option(label="The environment Mine alone")
    expect(owner).to_be_disabled()
    expect(console.main.locator("input[value=member]")).to_be_checked()
    console.field("Acts for").select_option(index=0)
    expect(owner).to_be_enabled()


def test_many_keys_have_pages(console: Console, site: Site) -> None:
    """The order and the search go on from page to page."""
    for number in range(55):
        site.key(console.person.id, f"worker {number:02}")
    console.page.goto("/keys?table=account&search=worker&sort=name&order=asc")
    expect(console.names()).to_have_count(50)
    console.page.get_by_role("link", name="Next page").click()
    expect(console.names()).to_have_text([f"worker {number}" for number in range(50, 55)])
    expect(console.search("Account")).to_have_value("worker")
    console.page.get_by_role("link", name="First page").click()
    expect(console.names().first).to_have_text("worker 00")


def test_the_two_tables_of_a_page_are_viewed_one_by_one(console: Console, site: Site) -> None:
    """A search in one of them leaves the other as it is, and the tab that opens the URL too."""
    environment = site.environment("views")
    for owner in (console.person.id, environment):
        for name in ("alpha", "beta"):
            site.key(owner, name)
    console.page.goto("/keys")
    console.choose_environment("Views")
    console.open_keys("Environment")
    console.search("Environment").press_sequentially("alp")
    expect(console.names("Environment")).to_have_text(["alpha"])
    expect(console.names("Account")).to_have_count(3)
    expect(console.page).to_have_url(re.compile("search=alp"))
    other = Console(console.page.context.new_page(), console.person)
    other.page.goto(console.page.url)
    expect(other.names("Environment")).to_have_text(["alpha"])
    expect(other.names("Account")).to_have_count(3)


def test_the_audit_log_is_searched_as_one_types(console: Console, site: Site) -> None:
    """What changed is there as a difference."""
    key, _ = site.key(console.person.id, "watched")
    site.post(f"/apikeys/{key}/?action=deactivate")
    page = console.page
    page.goto("/audit")
    console.field("What").press_sequentially("watch")
    expect(page.locator("#subjects option")).to_have_count(1)
    expect(page.locator("#subjects option")).to_have_attribute("value", "watched")
    expect(page).to_have_url(re.compile("/audit$"))
    page.goto(f"/audit?what={key}")
    expect(page.get_by_role("row").filter(has_text="API key")).to_have_count(2)
    page.get_by_role("searchbox").press_sequentially("key.deactivate")
    expect(page.get_by_role("row").filter(has_text="API key")).to_have_count(1)
    expect(page.get_by_role("row").locator("del")).to_have_text("active")
    expect(page.get_by_role("row").locator("ins")).to_have_text("inactive")
    expect(page).to_have_url(re.compile(r"search=key\.deactivate"))
