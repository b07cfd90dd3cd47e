"""Every page of the console, in every state that looks different."""

from __future__ import annotations

from collections.abc import Callable
from socket import gethostname

from playwright.sync_api import expect

from tests.browser.company import Company
from tests.browser.console import Console

Show = Callable[[Console, Company], None]

STATES: dict[str, Show] = {}
"""The name of a state → how one gets there, as Maren who is logged in."""

PAGES: dict[str, str] = {}
"""The name of a state that is a page as it opens → its path, where `{name}` is the id of a key, an
environment or an account of the company."""


def state(show: Show) -> Show:
    """Enter a state under the function's name."""
    STATES[show.__name__] = show
    return show


def opens(name: str, path: str) -> None:
    """Enter a page."""

    def show(console: Console, company: Company) -> None:
        console.page.goto(path_of(path, company))
        expect(console.heading).to_be_visible()

    PAGES[name], STATES[name] = path, show


def path_of(path: str, company: Company) -> str:
    """The path, with the ids of what it names in braces."""
    ids = {name: number for name, (number, _) in company.keys.items()}
    people = {person.name: person.id for person in company.people.values()}
    return path.format_map(ids | company.environments | people)


@state
def login(console: Console, company: Company) -> None:
    console.page.context.clear_cookies()
    console.page.goto("/keys")


@state
def login_refused(console: Console, company: Company) -> None:
    login(console, company)
    console.field("Access key").fill("A" * 20)
    console.field("Secret key").fill("wrong")
    console.button("Log in").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


opens("overview", "/overview")
opens("overview_of_environment", "/overview?environment={prod}&range=7d")
opens("keys", "/keys")
opens("keys_of_all", "/keys/all")
opens("keys_of_environment", "/keys?table=environment")
opens("keys_found", "/keys?search=re")
opens("keys_not_found", "/keys?search=nothing")
opens("key_form", "/keys/new")
opens("key", "/keys/{deploy-pipeline}")
opens("key_inactive", "/keys/{nightly-export}")
opens("key_expired", "/keys/{contractor-audit}")
opens("key_permitted", "/keys/{terraform}?method=GET&path=/v1/projects/prod/hosts")
opens("key_refused", "/keys/{status-page}?method=POST&path=/v1/projects/prod/hosts")
opens("key_edit", "/keys/{deploy-pipeline}/edit")
opens("key_limited", "/keys/{partner-northwind}")
opens("key_limited_edit", "/keys/{partner-northwind}/edit")
opens("key_rotate", "/keys/{deploy-pipeline}/rotate")
opens("key_rotate_again", "/keys/{billing-worker}/rotate")
opens("key_advice", "/keys/{deploy-pipeline}/advice")
opens("key_advice_none", "/keys/{nightly-export}/advice?days=7")
opens("key_advice_limited", "/keys/{partner-northwind}/advice?days=365")
opens("key_delete", "/keys/{nightly-export}/remove")
opens("environments", "/environments")
opens("environments_not_found", "/environments?search=nothing")
opens("environment_choose", "/environments/choose?back=/audit")
opens("environment_form", "/environments/new")
opens("environment", "/environments/{prod}")
opens("environment_edit", "/environments/{prod}/edit")
opens("environment_delete", "/environments/{prod}/remove")
opens("accounts", "/accounts")
opens("account_form", "/accounts/new")
opens("account", "/accounts/{Jonas Weber}")
opens("account_delete", "/accounts/{Jonas Weber}/remove")
opens("audit", "/audit")
opens("audit_not_found", "/audit?search=nothing")
opens("audit_of_key", "/audit?what={terraform}")
opens("audit_refused", "/audit?who=nobody")
opens("upstreams", "/upstreams")
opens("nodes", "/nodes")
opens("node_forget", f"/nodes/{gethostname()}/forget")
opens("change", "/changes/1")
opens("webhooks", "/webhooks")
opens("settings", "/settings")
opens("access_control_off", "/settings/access_control/off")
opens("api_key", "/v2-beta/apikeys/{deploy-pipeline}")
opens("api_keys", "/v2-beta/apikeys?limit=2")
opens("api_root", "/v2-beta")
opens("api_missing", "/v2-beta/apikeys/1c999999")
opens("sessions", "/sessions")
opens("missing", "/keys/1c999999")


@state
def key_menu(console: Console, company: Company) -> None:
    console.open_keys()
    expect(console.open_menu("terraform").first).to_be_visible()


@state
def keys_selected(console: Console, company: Company) -> None:
    console.open_keys()
    console.table().get_by_label("Select all keys").check()
    expect(console.button("Deactivate")).to_be_visible()


@state
def keys_delete(console: Console, company: Company) -> None:
    keys_selected(console, company)
    console.button("Delete …").click()
    expect(console.heading).to_contain_text("Delete")


@state
def environment_menu(console: Console, company: Company) -> None:
    console.page.goto("/keys")
    console.page.get_by_role("banner").locator("details.choose summary").click()


@state
def account_menu(console: Console, company: Company) -> None:
    console.page.goto("/keys")
    console.page.get_by_role("banner").locator("details.me summary").click()
    expect(console.button("Log out")).to_be_visible()


@state
def key_form_filled(console: Console, company: Company) -> None:
    console.open_form()
    console.field("Name").fill("release-robot")
    console.field("Description").fill("Publishes releases to the mirrors")
    console.page.get_by_label("90 days").check()


@state
def key_form_refused(console: Console, company: Company) -> None:
    console.open_form()
    console.field("Name").fill("n" * 300)
    console.button("Create key").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def key_form_limits(console: Console, company: Company) -> None:
    console.open_form()
    console.page.get_by_text("Limits", exact=False).first.click()
    expect(console.field("Quota")).to_be_visible()


@state
def key_form_limits_refused(console: Console, company: Company) -> None:
    key_form_limits(console, company)
    console.field("Rate").fill("often")
    console.button("Create key").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def key_rotate_refused(console: Console, company: Company) -> None:
    console.page.goto(path_of("/keys/{load-test}/rotate", company))
    console.field("It ends earlier").fill("never")
    console.button("Rotate").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def key_rotating(console: Console, company: Company) -> None:
    console.page.goto(path_of("/keys/{load-test}/rotate", company))
    console.field("It ends earlier").fill("3d")
    console.button("Rotate").click()
    expect(console.main).to_contain_text("nobody has used it for 3 days")
    console.page.get_by_role("link", name="Done").click()
    expect(console.page.get_by_role("heading", name="Rotation")).to_be_visible()


@state
def key_advice_changed(console: Console, company: Company) -> None:
    """Somebody has edited the key since the page was opened."""
    console.page.goto(path_of("/keys/{status-page}/advice", company))
    company.do("update", "status-page", limits={"rate": "50/s"})
    console.button("Apply").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def secret(console: Console, company: Company) -> None:
    console.create_key("release-robot")


@state
def environment_refused(console: Console, company: Company) -> None:
    console.page.goto(path_of("/environments/{prod}", company))
    console.field("Account").fill("Nobody")
    console.button("Add member").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def setting_refused(console: Console, company: Company) -> None:
    console.page.goto("/settings")
    field = console.main.get_by_role("textbox").first
    field.fill("never ever")
    field.press("Enter")
    expect(console.page.get_by_role("alert")).to_be_visible()


@state
def nothing_yet(console: Console, company: Company) -> None:
    """An account without environments, and an environment without keys."""
    console.page.goto("/keys")
    console.choose_environment("Staging")
    console.open_keys("Environment")
