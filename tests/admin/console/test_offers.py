"""What one may not do is not offered, and a form that one may not use says why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from admin.console.base import OFFERED
from proxy.domain.model import AccountKind, Role, State
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in

ROLES = ("owner", "member", "restricted", "readonly")


def owners(page: Page) -> list[str]:
    """The accounts and environments for which the form makes keys."""
    (select,) = re.findall(r'<select id="accountId".*?</select>', page.source, re.DOTALL)
    return re.findall(r'<option value="([^"]*)"', select)


def roles(page: Page) -> list[str]:
    """The roles that a form offers."""
    return re.findall(r'name="role" value="([^"]*)"', page.source)


async def test_a_key_is_made_where_ones_role_allows_it_alone(api: AdminApi) -> None:
    """The form offers these environments, with their strongest role, and no others."""
    user = await api.account()
    environments = {role: await api.environment({user: role}) for role in Role}
    await api.environment()
    gone = await api.environment({user: Role.OWNER})
    await api.put(replace(gone, state=State.REMOVED, removed=1))
    browser = await logged_in(api, await api.key(user))
    page = await browser.get("/keys/new")
    able = [environments[Role.OWNER].ref, environments[Role.MEMBER].ref]
    assert owners(page) == [user.ref, *able]
    assert re.findall(r'data-role="(\w+)"', page.source) == ["owner", "owner", "member"]
    for each in environments.values():
        page = await browser.get(f"/keys/new?accountId={each.ref}")
        assert page.status == (200 if each.ref in able else 403)
        named = await browser.get(f"/environments/{each.ref}")
        assert ("/keys/new?accountId=" in named.source) is (each.ref in able)
    assert "Your role may see the keys of e, not create them" in page.text
    page = await browser.get("/keys/new?accountId=1a1")
    assert (page.status, "You may not create keys for 1a1" in page.text) == (403, True)


async def test_an_environment_beyond_those_offered_is_named(api: AdminApi) -> None:
    """By its name or id; what is wrong with that stands beside the field."""
    made = [await api.environment() for _ in range(OFFERED + 2)]
    last = f"/v2-beta/projects/{made[-1].ref}"
    assert (await api.admin.put(last, {"name": "zebra"})).status == 200
    browser = await logged_in(api)
    page = await browser.get("/keys/new")
    assert len(owners(page)) == OFFERED + 1
    assert made[-1].ref not in owners(page)
    refused = await browser.send(page.form("/keys"), name="n", environment="zeb")
    assert (refused.status, 'id="error-environment"' in refused.source) == (422, True)
    assert "do you mean zebra?" in refused.text
    assert refused.form("/keys").values["environment"] == "zeb"
    made_key = await browser.send(refused.form("/keys"), environment="zebra")
    assert made_key.status == 201
    (key,) = (await api.admin.get("/v2-beta/apikeys?name=n")).body["data"]
    assert key["accountId"] == made[-1].ref


@pytest.mark.parametrize("role", [Role.RESTRICTED, Role.READONLY])
async def test_who_may_make_nothing_gets_no_form(api: AdminApi, role: Role) -> None:
    """Whatever the address; the page says why."""
    browser = await logged_in(api, await api.key(await api.account(AccountKind.ADMIN), role))
    for path, noun in (("keys", "key"), ("environments", "environment"), ("accounts", "account")):
        page = await browser.get(f"/{path}/new")
        assert (page.status, page.forms) == (403, [])
        assert f"Your role may see {noun}s, not create them." in page.text


@pytest.mark.parametrize("form", ["edit", "rotate", "remove"])
async def test_who_may_not_change_a_key_gets_no_form_for_it(api: AdminApi, form: str) -> None:
    """Nor for its environment."""
    user = await api.account()
    environment = await api.environment({user: Role.READONLY})
    key = await api.key(environment, Role.READONLY)
    browser = await logged_in(api, await api.key(user))
    page = await browser.get(f"/keys/{key.key.ref}/{form}")
    assert (page.status, page.forms) == (403, [])
    assert "Your role may see this key, not change it." in page.text
    if form != "rotate":
        page = await browser.get(f"/environments/{environment.ref}/{form}")
        assert "Your role may see this environment, not change it." in page.text


async def test_a_stronger_key_is_not_edited_and_the_page_says_why(api: AdminApi) -> None:
    """It can be deactivated and deleted all the same."""
    user = await api.account()
    strong, weak = await api.key(user, Role.OWNER), await api.key(user, Role.MEMBER)
    browser = await logged_in(api, weak)
    path = f"/keys/{strong.key.ref}"
    for form in ("edit", "rotate"):
        page = await browser.get(f"{path}/{form}")
        assert page.status == 403
        assert "stronger than the one that you have logged in with" in page.text
    assert (await browser.get(f"{path}/remove")).status == 200
    assert roles(await browser.get(f"/keys/{weak.key.ref}/edit")) == ["member", *ROLES[2:]]


async def test_a_role_that_the_environment_does_not_allow_is_not_offered(api: AdminApi) -> None:
    """A member there edits no key into an owner's, whatever the key with which one logs in."""
    user = await api.account()
    environment = await api.environment({user: Role.MEMBER})
    key = await api.key(environment, Role.READONLY)
    browser = await logged_in(api, await api.key(user, Role.OWNER))
    assert roles(await browser.get(f"/keys/{key.key.ref}/edit")) == list(ROLES[1:])
    assert roles(await browser.get("/keys/new")) == list(ROLES)


async def test_what_is_removed_has_no_forms(api: AdminApi) -> None:
    """The page says that it is."""
    key = await api.key(await api.account(), state=State.REMOVED)
    browser = await logged_in(api)
    for form, done in (("edit", "edited"), ("rotate", "rotated"), ("remove", "removed")):
        page = await browser.get(f"/keys/{key.key.ref}/{form}")
        assert (page.status, f"What is removed cannot be {done}." in page.text) == (422, True)


@pytest.mark.parametrize("path", ["environments", "accounts"])
async def test_what_is_active_is_deactivated_before_it_is_deleted(api: AdminApi, path: str) -> None:
    """As a key is; the page leads from one step to the next."""
    made = await (api.account() if path == "accounts" else api.environment())
    browser = await logged_in(api)
    page = await browser.get(f"/{path}/{made.ref}/remove")
    assert "is deactivated before it can be deleted" in page.text
    page = await browser.send(page.form(f"/{path}/{made.ref}/deactivate"))
    page = await browser.send(page.form(f"/{path}/{made.ref}/remove"))
    assert (page.status, page.path) == (200, f"/{path}")


def bar(page: Page) -> list[str]:
    """The actions that are offered for several keys."""
    return re.findall(r'<button name="action" value="(\w+)"', page.source)


async def test_the_bar_for_several_keys_has_what_some_row_allows(api: AdminApi) -> None:
    """A row that allows none of it cannot be selected; each box says what its row allows."""
    user = await api.account()
    browser = await logged_in(api, await api.key(user))
    page = await browser.get("/keys")
    assert bar(page) == ["deactivate", "remove"]
    inactive = await api.key(user, state=State.INACTIVE)
    page = await browser.get("/keys")
    assert bar(page) == ["deactivate", "activate", "remove"]
    found = re.findall(r'name="key" value="(\w+)" form="[^"]*" data-actions="([^"]*)"', page.source)
    assert dict(found)[inactive.key.ref] == "activate remove"
    assert set(dict(found).values()) == {"activate remove", "deactivate remove"}
    assert bar(await browser.get("/keys?state=inactive")) == ["activate", "remove"]
    reader = await logged_in(api, await api.key(user, Role.READONLY))
    page = await reader.get("/keys")
    assert (bar(page), 'name="key"' in page.source) == ([], False)
