"""All of a key's life in the console, where the gateway follows at once."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Person, Site
from tests.support.credentials import Credentials


def test_a_person_logs_in_and_out(console: Console) -> None:
    """One lands on the keys, and after the logout no page opens."""
    expect(console.page).to_have_url(re.compile("/keys$"))
    console.log_out()
    console.page.goto("/keys")
    expect(console.button("Log in")).to_be_visible()


def test_wrong_credentials_do_not_log_in(new_context: NewContext, site: Site) -> None:
    """The form says so, and keeps the access key."""
    person = site.person("Bea")
    console = Console(new_context().new_page(), person)
    console.page.goto("/audit")
    wrong = Credentials(person.credentials.access_key, "wgs_" + "x" * 40)
    console.fill_login(wrong)
    expect(console.page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(console.field("Access key")).to_have_value(wrong.access_key)
    console.fill_login(person.credentials)
    expect(console.heading).to_contain_text("Audit log")


def test_an_account_key_works_until_it_is_deactivated(console: Console, site: Site) -> None:
    """From the next request on the gateway refuses it, and accepts it when it is active again."""
    site.environment("life")
    key = console.create_key("deploys")
    assert site.status(key, "life") == 200
    console.finish()
    console.open_keys()
    expect(console.row("deploys")).to_contain_text("Active")
    console.act("deploys", "Deactivate")
    expect(console.row("deploys")).to_contain_text("Inactive")
    assert site.status(key, "life") == 401
    console.act("deploys", "Activate")
    expect(console.row("deploys")).not_to_contain_text("Inactive")
    assert site.status(key, "life") == 200


def test_an_environment_key_works_in_its_environment_alone(console: Console, site: Site) -> None:
    """It is made behind the advanced options, for the environment that the header has."""
    site.environment("staging")
    site.environment("production")
    console.page.goto("/keys")
    console.choose_environment("Staging")
    key = console.create_key("nightly tests", "Environment")
    console.finish()
    assert site.status(key, "staging") == 200
    assert site.status(key, "production") == 403
    console.open_keys("Environment")
    expect(console.table("Environment")).to_contain_text("nightly tests")
    expect(console.table("Account")).not_to_contain_text("nightly tests")


def test_a_key_is_edited(console: Console, site: Site) -> None:
    """The form has what the key has, and the table has what was typed."""
    site.key(console.person.id, "old name", description="of the build")
    console.open_keys()
    console.act("old name", "Edit")
    expect(console.field("Description")).to_have_value("of the build")
    console.field("Name").fill("new name")
    console.field("Description").fill("of the new build")
    console.button("Save").click()
    expect(console.heading).to_contain_text("new name")
    console.open_keys()
    expect(console.row("new name")).to_contain_text("of the new build")


def test_both_secrets_of_a_rotated_key_work_for_a_while(console: Console, site: Site) -> None:
    """Until the time is over that was chosen for the old one."""
    site.environment("rotation")
    _, old = site.key(console.person.id, "rotated")
    console.open_keys()
    console.act("rotated", "Rotate")
    console.page.get_by_label("1 hour").check()
    console.button("Rotate").click()
    new = console.shown_credentials()
    assert new.access_key == old.access_key
    assert new.secret != old.secret
    assert [site.status(each, "rotation") for each in (new, old)] == [200, 200]


def test_a_rotated_key_shows_who_still_uses_its_old_secret(console: Console, site: Site) -> None:
    """And when that one will end for being quiet."""
    site.environment("evidence")
    number, old = site.key(console.person.id, "shared")
    console.open_keys()
    console.act("shared", "Rotate")
    console.field("It ends earlier").fill("3d")
    console.button("Rotate").click()
    new = console.shown_credentials()
    for each, client in ((new, "192.0.2.1"), (old, "192.0.2.9"), (old, "192.0.2.9")):
        assert site.status(each, "evidence", client) == 200
    with site.stopped():  # which writes who was there
        pass
    console.page.goto(f"/keys/{number}")
    rotation = console.page.get_by_role("region", name="Rotation")
    expect(rotation.get_by_role("row", name="New")).to_contain_text("192.0.2.1")
    expect(rotation.get_by_role("row", name="Old")).to_contain_text("192.0.2.9")
    expect(rotation).to_contain_text("It ends once nobody has used it for 3 days")


def test_a_leaked_secret_is_rotated_without_an_overlap(console: Console, site: Site) -> None:
    """It is refused from the next request on."""
    site.environment("leak")
    _, old = site.key(console.person.id, "leaked")
    console.open_keys()
    console.act("leaked", "Rotate")
    console.page.get_by_label("Not at all").check()
    console.button("Rotate").click()
    new = console.shown_credentials()
    assert [site.status(each, "leak") for each in (new, old)] == [200, 401]


def test_deleting_a_key_says_what_will_stop_working(console: Console, site: Site) -> None:
    """That is nothing for a key that was never used. Only an inactive key can be deleted."""
    site.environment("deletion")
    _, key = site.key(console.person.id, "abandoned")
    console.open_keys()
    console.act("abandoned", "Deactivate")
    console.act("abandoned", "Delete")
    expect(console.heading).to_contain_text("Delete abandoned?")
    expect(console.main).to_contain_text("never been used")
    console.button("Delete").click()
    expect(console.table()).to_be_visible()
    expect(console.row("abandoned")).to_have_count(0)
    assert site.status(key, "deletion") == 401


def test_a_menu_offers_just_what_the_state_allows(console: Console, site: Site) -> None:
    """An active key cannot be deleted, nor an inactive one deactivated."""
    site.key(console.person.id, "k")
    console.open_keys()
    active = ["Deactivate", "Edit", "Rotate", "View in API"]
    expect(console.open_menu("k")).to_have_text(active)
    console.open_keys()
    console.act("k", "Deactivate")
    expect(console.row("k")).to_contain_text("Inactive")
    inactive = ["Activate", "Edit", "Rotate", "Delete", "View in API"]
    expect(console.open_menu("k")).to_have_text(inactive)


def test_a_key_opens_in_the_api_browser(console: Console, site: Site) -> None:
    """The address is that of the API, and the JSON is what the API answers."""
    number, _ = site.key(console.person.id, "seen")
    console.open_keys()
    console.act("seen", "View in API")
    expect(console.page).to_have_url(f"{site.url}/v2-beta/apikeys/{number}")
    expect(console.main).to_contain_text('"name": "seen"')
    console.main.get_by_role("link", name=f"{number}/account").click()
    expect(console.main).to_contain_text('"type": "account"')


def test_an_action_is_done_in_the_api_browser(console: Console, site: Site) -> None:
    """With the session in place of Basic."""
    number, key = site.key(console.person.id, "by hand")
    site.environment("by-hand")
    console.page.goto(f"/v2-beta/apikeys/{number}")
    console.operate("Deactivate")
    expect(console.main).to_contain_text('"state": "inactive"')
    assert site.status(key, "by-hand") == 401


def test_a_key_is_made_in_the_api_browser(console: Console, site: Site) -> None:
    """By a form made from the schema, and its secret is shown once."""
    console.page.goto("/v2-beta/apikeys")
    console.operate("Create", name="from the API")
    key = console.shown_credentials()
    site.environment("schema")
    assert site.status(key, "schema") == 200
    console.page.goto("/v2-beta/apikeys?name=from the API")
    expect(console.main).to_contain_text(key.access_key)
    expect(console.main).not_to_contain_text(key.secret)


def test_several_keys_are_deactivated_at_once(console: Console, site: Site) -> None:
    """Those that are marked, and no others."""
    site.environment("several")
    keys = {name: site.key(console.person.id, name)[1] for name in ("one", "two", "three")}
    console.open_keys()
    for name in ("one", "two"):
        console.page.get_by_label(f"Select {name}", exact=True).check()
    expect(console.table()).to_contain_text("2 selected")
    console.button("Deactivate").click()
    expect(console.row("one")).to_contain_text("Inactive")
    expect(console.row("two")).to_contain_text("Inactive")
    expect(console.row("three")).not_to_contain_text("Inactive")
    statuses = [site.status(keys[name], "several") for name in ("one", "two", "three")]
    assert statuses == [401, 401, 200]


def test_someone_who_may_only_read_is_offered_no_change(
    new_context: NewContext, site: Site
) -> None:
    """Neither a new key nor an action on one that is there."""
    reader: Person = site.person("Rea", "user", role="readonly")
    site.key(reader.id, "other")
    console = Console(new_context().new_page(), reader)
    console.log_in()
    expect(console.page.get_by_role("link", name="Add account API key")).to_have_count(0)
    expect(console.open_menu("other")).to_have_text(["View in API"])
