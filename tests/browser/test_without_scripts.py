"""The console in a browser that runs no scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site


@pytest.fixture
def console(new_context: NewContext, site: Site) -> Console:
    """The console without scripts, where an admin has just logged in."""
    console = Console(new_context(java_script_enabled=False).new_page(), site.person("Eve"))
    console.log_in()
    return console


def test_all_of_a_keys_life_needs_no_script(console: Console, site: Site) -> None:
    """From its creation to its end."""
    site.environment("plain")
    old = console.create_key("plain")
    assert site.status(old, "plain") == 200
    console.page.get_by_role("link", name="Done").click()
    console.open_keys()
    console.act("plain", "Edit")
    console.field("Name").fill("simple")
    console.button("Save").click()
    expect(console.heading).to_contain_text("simple")
    console.open_keys()
    console.act("simple", "Rotate")
    console.button("Rotate").click()
    new = console.shown_credentials()
    assert [site.status(each, "plain") for each in (new, old)] == [200, 200]
    console.open_keys()
    console.act("simple", "Deactivate")
    expect(console.row("simple")).to_contain_text("Inactive")
    assert site.status(new, "plain") == 401
    console.act("simple", "Activate")
    expect(console.row("simple")).not_to_contain_text("Inactive")
    console.act("simple", "View in API")
    expect(console.main).to_contain_text('"name": "simple"')
    console.operate("Deactivate")
    expect(console.main).to_contain_text('"state": "inactive"')
    console.open_keys()
    console.act("simple", "Delete")
    console.button("Delete").click()
    expect(console.row("simple")).to_have_count(0)


def test_advice_on_a_key_is_applied(console: Console, site: Site) -> None:
    """From the next request on the gateway refuses what the key was not used for before."""
    for slug in ("advised", "other"):
        site.environment(slug)
    number, key = site.key(console.person.id, "wide")
    assert site.status(key, "advised") == 200
    with site.stopped():  # which writes what is known of its use
        pass
    console.page.goto(f"/keys/{number}")
    console.page.get_by_role("link", name="Which limits would have been enough").click()
    expect(console.main).to_contain_text("GET /v1/projects/advised/**")
    console.button("Apply").click()
    expect(console.heading).to_contain_text("wide")
    expect(console.main).to_contain_text("GET /v1/projects/advised/**")
    assert [site.status(key, slug) for slug in ("advised", "other")] == [200, 403]


def test_an_environment_is_chosen_and_its_key_made(console: Console, site: Site) -> None:
    """Buttons stand where a script would act by itself."""
    site.environment("chosen")
    console.page.goto("/keys")
    console.choose_environment("Chosen")
    key = console.create_key("k", "Environment")
    assert site.status(key, "chosen") == 200


def test_a_table_is_searched_and_filtered(console: Console, site: Site) -> None:
    """By a button."""
    for name in ("alpha", "beta"):
        site.key(console.person.id, name)
    console.open_keys()
    console.search("Account").fill("alp")
    console.table().get_by_role("button", name="Search").click()
    expect(console.names()).to_have_text(["alpha"])
    console.open_keys()
    console.table().get_by_label("State", exact=True).select_option(label="Inactive")
    console.table().get_by_role("button", name="Search").click()
    expect(console.table()).to_contain_text("No key matches")


def test_nothing_is_offered_that_would_need_a_script(console: Console, site: Site) -> None:
    """No button copies."""
    site.key(console.person.id, "k")
    console.open_keys()
    expect(console.page.get_by_role("button", name="Copy")).to_have_count(0)


def test_several_keys_are_changed_at_once(console: Console, site: Site) -> None:
    """By the buttons above the table."""
    site.key(console.person.id, "one")
    console.open_keys()
    console.page.get_by_label("Select one", exact=True).check()
    console.button("Deactivate").click()
    expect(console.row("one")).to_contain_text("Inactive")
