"""Sessions that end while a page is open, and two tabs of one session."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site
from tests.browser.watch import Watch


@pytest.fixture
def other(console: Console) -> Console:
    """A second tab of the same session, on the page of keys."""
    other = Console(console.page.context.new_page(), console.person)
    other.open_keys()
    return other


def test_a_logout_in_one_tab_holds_in_the_other(console: Console, other: Console) -> None:
    """Its next click leads to the login, and from there to the page that was wanted."""
    console.log_out()
    other.sections.get_by_role("link", name="Environments").click()
    expect(other.button("Log in")).to_be_visible()
    other.fill_login(other.person.credentials)
    expect(other.heading).to_contain_text("Environments")


def test_what_was_typed_survives_the_end_of_the_session(
    console: Console, other: Console, site: Site
) -> None:
    """The form is there again after the login, as it was sent."""
    console.open_form()
    console.field("Name").fill("typed before")
    console.field("Description").fill("two lines\nof text")
    other.log_out()
    console.button("Create key").click()
    console.fill_login(console.person.credentials)
    expect(console.field("Name")).to_have_value("typed before")
    expect(console.field("Description")).to_have_value("two lines\nof text")
    console.button("Create key").click()
    site.environment("survivor")
    assert site.status(console.shown_credentials(), "survivor") == 200


def test_a_form_of_an_ended_session_is_no_longer_good_after_a_new_login(
    console: Console, other: Console
) -> None:
    """The other tab has logged in again meanwhile: the form is sent once more, or filled in."""
    console.open_form()
    console.field("Name").fill("typed before")
    other.log_out()
    other.fill_login(other.person.credentials)
    expect(other.table()).to_be_visible()
    console.button("Create key").click()
    expect(console.field("Name")).to_have_value("typed before")
    console.button("Create key").click()
    console.shown_credentials()


def test_a_search_in_a_tab_whose_session_has_ended_leads_to_the_login(
    console: Console, other: Console, watch: Watch
) -> None:
    """A table that stays as it was would be wrong without saying so."""
    console.log_out()
    other.search("Account").press_sequentially("x")
    expect(other.button("Log in")).to_be_visible()
    assert watch.faults[0].startswith("401 for")
    watch.faults.clear()


def test_a_key_that_is_edited_was_deleted_in_another_tab(
    console: Console, other: Console, site: Site
) -> None:
    """The page says so, and what was typed stays."""
    site.key(console.person.id, "gone")
    console.open_keys()
    console.act("gone", "Edit")
    other.open_keys()
    other.act("gone", "Deactivate")
    other.act("gone", "Delete")
    other.button("Delete").click()
    expect(other.row("gone")).to_have_count(0)
    console.field("Name").fill("still there")
    console.button("Save").click()
    expect(console.page.get_by_role("alert")).to_contain_text("removed")
    expect(console.field("Name")).to_have_value("still there")


def test_a_menu_that_is_out_of_date_says_why_nothing_happens(
    console: Console, other: Console, site: Site
) -> None:
    """The key was deactivated in another tab."""
    site.key(console.person.id, "twice")
    console.open_keys()
    other.open_keys()
    other.act("twice", "Deactivate")
    expect(other.row("twice")).to_contain_text("Inactive")
    console.act("twice", "Deactivate")
    expect(console.main).to_contain_text("inactive")


def test_a_session_ends_with_the_key_that_began_it(console: Console, site: Site) -> None:
    """It is deactivated elsewhere; the key does not log in any more either."""
    (key,) = site.here.call(f"/apikeys?accountId={console.person.id}")["data"]
    site.here.call(f"/apikeys/{key['id']}/?action=deactivate", "-X", "POST")
    console.sections.get_by_role("link", name="Environments").click()
    expect(console.button("Log in")).to_be_visible()
    console.fill_login(console.person.credentials)
    expect(console.page.get_by_role("alert")).to_be_visible()
    expect(console.sections).to_have_count(0)


def test_a_session_is_ended_from_the_list_of_sessions(
    console: Console, new_context: NewContext
) -> None:
    """That of another browser; one's own goes on."""
    elsewhere = Console(new_context().new_page(), console.person)
    elsewhere.log_in()
    console.page.goto("/sessions")
    console.button("End").click()
    expect(console.button("End")).to_have_count(0)
    elsewhere.page.reload()
    expect(elsewhere.button("Log in")).to_be_visible()
    console.page.reload()
    expect(console.heading).to_contain_text("Sessions")


def test_the_back_button_shows_nothing_after_a_logout(console: Console, site: Site) -> None:
    """A browser keeps pages in memory as they were."""
    site.key(console.person.id, "private")
    console.open_keys()
    expect(console.row("private")).to_be_visible()
    console.log_out()
    console.page.go_back(wait_until="commit")
    expect(console.button("Log in")).to_be_visible()
    expect(console.row("private")).to_have_count(0)
