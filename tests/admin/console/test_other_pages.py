"""Environments with their members, and accounts, without a script."""

from __future__ import annotations

import re

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import logged_in


async def test_an_environment_is_made_and_gets_members(api: AdminApi) -> None:
    """A member's role is changed, and its membership ended."""
    user = await api.account(AccountKind.USER)
    browser = await logged_in(api)
    form = (await browser.get("/environments/new")).form("/environments")
    page = await browser.send(form, name="Shop", slug="shop", description="all of it")
    assert "http://gateway/v1/projects/shop" in page.text
    where = page.path
    page = await browser.send(page.form(f"{where}/members"), accountId=user.ref, role="member")
    (member,) = re.findall(rf"{where}/members/(1m\d+)", page.source)[-2:-1]
    refused = await browser.send(page.form(f"{where}/members"), accountId="nobody", role="member")
    assert (refused.status, 'id="error-accountId"' in refused.source) == (422, True)
    csrf = page.form("/logout").values["csrf"]
    change = f"{where}/members/{member}"
    await browser.post(change, {"csrf": csrf, "role": "readonly"})
    members = (await api.admin.get("/v2-beta/projectmembers")).body["data"]
    assert [each["role"] for each in members if each["accountId"] == user.ref] == ["readonly"]
    await browser.post(change, {"csrf": csrf, "action": "remove"})
    members = (await api.admin.get("/v2-beta/projectmembers")).body["data"]
    assert user.ref not in [each["accountId"] for each in members]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", "write an account's name or id"),
        ("mara", "no account has this name or id; do you mean Mara Lindqvist?"),
        ("nobody", "no account has this name or id"),
    ],
)
async def test_a_member_that_is_unknown_is_asked_about(
    api: AdminApi, typed: str, answer: str
) -> None:
    """A part of a name makes nobody a member: whose whole name it may be is said."""
    await api.admin.post("/v2-beta/accounts", {"name": "Mara Lindqvist", "kind": "user"})
    browser = await logged_in(api)
    form = (await browser.get("/environments/new")).form("/environments")
    page = await browser.send(form, name="Shop")
    form = page.form(f"{page.path}/members")
    refused = await browser.send(form, accountId=typed, role="readonly")
    assert (refused.status, answer in refused.text) == (422, True)
    assert refused.form(form.action).values["accountId"] == typed
    page = await browser.send(form, accountId="Mara Lindqvist", role="readonly")
    assert (page.status, "Mara Lindqvist" in page.text) == (200, True)


async def test_an_owner_who_sees_no_other_accounts_adds_one_by_its_id(api: AdminApi) -> None:
    """The page asks for no name, by which none would be found."""
    user, other = await api.account(), await api.account()
    environment = await api.environment({user: Role.OWNER})
    browser = await logged_in(api, await api.key(user))
    page = await browser.get(f"/environments/{environment.ref}")
    assert "Account (id, such as 1a5)" in page.text
    form = page.form(f"/environments/{environment.ref}/members")
    assert (await browser.send(form, accountId=other.ref)).status == 200
    members = (await api.admin.get("/v2-beta/projectmembers")).body["data"]
    assert other.ref in [each["accountId"] for each in members]


async def test_an_account_is_made_with_its_first_key(api: AdminApi) -> None:
    """The key is shown once; the account's page has its keys."""
    browser = await logged_in(api)
    form = (await browser.get("/accounts/new")).form("/accounts")
    made = await browser.send(form, name="ci", kind="user")
    assert "wgs_" in made.source
    page = await browser.get("/accounts/1a2")
    assert "first key" in page.text
    form = (await browser.get("/accounts/1a2/edit")).form("/accounts/1a2/edit")
    assert "robots" in (await browser.send(form, name="robots")).text
    page = await browser.send((await browser.get("/accounts/1a2")).form("/accounts/1a2/deactivate"))
    assert "Inactive" in page.text
    assert "The gateway refuses every key of this account" in page.text
    page = await browser.send(
        (await browser.get("/accounts/1a2/remove")).form("/accounts/1a2/remove")
    )
    assert (page.path, "robots" in page.text) == ("/accounts", False)


async def test_a_member_of_a_role_that_may_not_manage_sees_members_alone(api: AdminApi) -> None:
    """Nothing to change is offered."""
    user = await api.account(AccountKind.USER)
    environment = await api.environment({user: Role.READONLY})
    browser = await logged_in(api, await api.key(user))
    page = await browser.get(f"/environments/{environment.ref}")
    assert page.status == 200
    assert [form.action for form in page.forms if "members" in form.action] == []


@pytest.mark.parametrize(
    ("kind", "role"), [(AccountKind.READ_ADMIN, Role.OWNER), (AccountKind.ADMIN, Role.READONLY)]
)
async def test_who_may_see_all_accounts_is_led_to_them(
    api: AdminApi, kind: AccountKind, role: Role
) -> None:
    """Also where none can be made. Who sees their own account alone is not."""
    reader = await logged_in(api, await api.key(await api.account(kind), role))
    page = await reader.get("/keys")
    assert "/accounts" in page.links
    assert "Add account" not in (await reader.get("/accounts")).text
    user = await logged_in(api, await api.key(await api.account()))
    of_admins = {"/accounts", "/upstreams", "/webhooks", "/audit", "/settings"}
    assert of_admins <= set(page.links)
    assert of_admins.isdisjoint((await user.get("/keys")).links)


async def test_a_page_that_is_none_says_so_and_leads_on(api: AdminApi) -> None:
    """An unknown path, and a key that does not exist."""
    browser = await logged_in(api)
    for path in ("/nothing", "/keys/1c99", "/keys/x"):
        page = await browser.get(path)
        assert (page.status, "Go to the API keys" in page.text) == (404, True)


async def test_what_pages_load_is_kept_by_browsers_until_it_changes(api: AdminApi) -> None:
    """Its URL has a digest of it."""
    browser = await logged_in(api)
    page = await browser.get("/keys")
    urls = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.source)
    assert {url.partition("?")[0].rpartition(".")[2] for url in urls} == {"css", "js", "svg"}
    for url in urls:
        kept = await browser.get(url)
        assert "immutable" in kept.headers["Cache-Control"]
    assert (await browser.get("/static/none.css")).status == 404
    assert "immutable" not in (await browser.get("/static/console.css")).headers["Cache-Control"]


async def test_what_a_browser_loads_is_compressed(api: AdminApi) -> None:
    """Pages, and the files that they load, of which caches keep each coding by itself."""
    browser = await logged_in(api)
    for path in ("/keys", "/static/htmx.min.js"):
        assert (await browser.get(path)).headers["Content-Encoding"] in {"gzip", "deflate"}
        plain = await browser.get(path, **{"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding"


async def test_a_member_is_added_by_the_name_of_its_account(api: AdminApi) -> None:
    """A name that two accounts have is refused, with their ids; what was typed stays."""
    user = await api.account(AccountKind.USER)
    environment = await api.environment({})
    browser = await logged_in(api)
    form = (await browser.get(f"/environments/{environment.ref}")).form(
        f"/environments/{environment.ref}/members"
    )
    page = await browser.send(form, accountId=f" {user.name} ", role="readonly")
    assert user.name in page.text
    await api.admin.post("/v2-beta/accounts", {"name": user.name, "kind": "user"})
    page = await browser.send(form, accountId=user.name)
    assert page.status == 422
    assert f"several accounts have this name: {user.ref}" in page.text
    assert page.form(form.action).values["accountId"] == user.name
