"""An environment or an account is chosen among any number of them, with and without a script."""

from __future__ import annotations

import re

import pytest

from admin.console.base import OFFERED
from proxy.domain.model import AccountKind, Environment, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Page, logged_in

MANY = OFFERED + 5


async def many(api: AdminApi) -> list[Environment]:
    """More environments than a page offers, named as they are numbered."""
    made = [await api.environment() for _ in range(MANY)]
    for number, each in enumerate(made):
        path = f"/v2-beta/projects/{each.ref}"
        assert (await api.admin.put(path, {"name": f"Shop {number:02}"})).status == 200
    return made


def offered(page: Page) -> list[str]:
    """The environments that the header offers."""
    return re.findall(r'name="environment" value="(1a\d+)"', page.source)


def chosen(page: Page) -> str:
    """The name of the environment that the header shows."""
    (name,) = re.findall(r"Environment</span> <b>([^<]*)</b>", page.source)
    return str(name)


async def choose(browser: Browser, environment: Environment) -> Page:
    """Choose an environment by sending its id, whatever is offered."""
    csrf = (await browser.get("/keys")).form("/logout").values["csrf"]
    return await browser.post("/environment", {"csrf": csrf, "environment": environment.ref})


async def test_the_header_offers_a_few_environments_and_finds_the_others(api: AdminApi) -> None:
    """By a page with a form, which needs no script. A few are offered without a search."""
    user = await api.account()
    few = await logged_in(api, await api.key(user))
    assert "Find an environment" not in (await few.get("/keys")).source
    environments = await many(api)
    browser = await logged_in(api)
    page = await browser.get("/keys")
    assert offered(page) == [each.ref for each in environments[:OFFERED]]
    found = await browser.send(page.form("/environments/choose"), search="shop 24")
    assert found.text.count("Shop 24") == 1
    form = next(each for each in found.forms if each.action == "/environment" and each.values)
    assert form.values["back"] == "/keys"
    page = await browser.send(form, environment=environments[24].ref)
    assert (page.path, chosen(page)) == ("/keys", "Shop 24")
    assert environments[24].slug in page.source


async def test_the_chosen_environment_is_always_shown(api: AdminApi) -> None:
    """Also where a hundred others come before it. One that was removed is chosen no more."""
    environments = await many(api)
    browser = await logged_in(api)
    page = await choose(browser, environments[-1])
    assert chosen(await browser.get("/keys")) == f"Shop {MANY - 1}"
    page = await browser.get("/accounts")
    assert offered(page) == [environments[-1].ref, *(each.ref for each in environments[:19])]
    for action in ("deactivate", "remove"):
        await api.admin.post(f"/v2-beta/projects/{environments[-1].ref}/?action={action}")
    assert chosen(await browser.get("/keys")) == "Shop 00"


async def test_nobody_chooses_what_nobody_else_may_see(api: AdminApi) -> None:
    """An id in the cookie shows no name."""
    user = await api.account()
    mine, other = await api.environment({user: Role.READONLY}), await api.environment()
    await api.admin.put(f"/v2-beta/projects/{other.ref}", {"name": "Secret shop"})
    browser = await logged_in(api, await api.key(user))
    await choose(browser, other)
    page = await browser.get("/keys")
    assert mine.slug in page.source
    assert "Secret shop" not in page.source


async def test_the_script_gets_the_list_alone(api: AdminApi) -> None:
    """What was found takes the place of the list in the header."""
    environments = await many(api)
    browser = await logged_in(api)
    headers = {"HX-Request": "true", "HX-Target": "environments-found"}
    page = await browser.get("/environments/choose?search=Shop+2&back=/audit", **headers)
    assert "<html" not in page.source
    assert page.form("/environment").values["back"] == "/audit"
    assert offered(page) == [each.ref for each in environments[20:]]
    page = await browser.get("/environments/choose?search=nothing&back=//evil", **headers)
    assert "No environment matches" in page.text
    assert page.form("/environment").values["back"] == "/"


@pytest.mark.parametrize("query", ["", "?range=7d"])
async def test_the_overview_and_the_header_agree(api: AdminApi, query: str) -> None:
    """The environment of the overview is the one in the header, whichever was chosen last."""
    environments = await many(api)
    browser = await logged_in(api)
    page = await browser.get(f"/overview{query}")
    assert page.form("/overview").values["environment"] == ""
    page = await browser.get(f"/overview?environment={environments[22].ref}&range=7d")
    assert chosen(page) == "Shop 22"
    assert page.form("/overview").values["environment"] == environments[22].ref
    assert chosen(await browser.get("/keys")) == "Shop 22"
    page = await browser.send(page.form("/environment"), environment=environments[1].ref)
    assert chosen(page) == "Shop 01"
    assert page.form("/overview").values == {"range": "7d", "environment": environments[1].ref}


async def test_names_are_proposed_for_a_part_of_one(api: AdminApi) -> None:
    """Of the accounts and environments that one may see."""
    await many(api)
    await api.admin.post("/v2-beta/accounts", {"name": "Mara <b>", "kind": "user"})
    browser = await logged_in(api)
    page = await browser.get("/choices/accounts?accountId=mara")
    assert page.source.strip().startswith('<option value="Mara &lt;b&gt;">account 1a')
    page = await browser.get("/choices/actors?who=")
    assert "account 1a1<" in page.source
    assert f'value="{api.admin.key.name or api.admin.key.access_key}">key 1c1<' in page.source
    page = await browser.get("/choices/subjects?what=shop 01")
    assert "environment" in page.source
    page = await browser.get("/choices/environments?environment=shop")
    assert page.source.count("<option") == OFFERED
    user = await logged_in(api, await api.key(await api.account(AccountKind.USER)))
    assert "Mara" not in (await user.get("/choices/accounts?accountId=mara")).source
    assert "Shop" not in (await user.get("/choices/environments?environment=shop")).source
    assert (await browser.get("/choices/keys?x=a")).status == 404


async def test_a_member_is_found_among_more_accounts_than_a_page_offers(api: AdminApi) -> None:
    """By its whole name; the form itself holds no account's name."""
    environment = await api.environment()
    for number in range(MANY):
        await api.admin.post("/v2-beta/accounts", {"name": f"Ann {number:02}", "kind": "user"})
    browser = await logged_in(api)
    page = await browser.get(f"/environments/{environment.ref}")
    assert "Ann " not in page.source
    form = page.form(f"/environments/{environment.ref}/members")
    refused = await browser.send(form, accountId="ann 2")
    assert "do you mean Ann 20 or Ann 21 or Ann 22?" in refused.text
    page = await browser.send(form, accountId="Ann 24", role="readonly")
    assert (page.status, "Ann 24" in page.text) == (200, True)


async def test_a_name_that_somebody_chose_does_not_pass_for_another_environment(
    api: AdminApi,
) -> None:
    """Neither for its id nor for its name in paths: a key would act where it is not meant to."""
    wanted = (await api.admin.post("/v2-beta/projects", {"name": "Shop", "slug": "shop"})).body
    user = await api.key(await api.account())
    for name in (wanted["id"], "shop"):
        assert (await user.post("/v2-beta/projects", {"name": name})).status == 201
    for _ in range(MANY):
        await api.environment()
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    refused = await browser.send(form, name="n", environment="shop")
    assert (refused.status, "several environments have this name: " in refused.text) == (422, True)
    made = await browser.send(refused.form("/keys"), environment=wanted["id"])
    assert made.status == 201
    (key,) = (await api.admin.get("/v2-beta/apikeys?name=n")).body["data"]
    assert key["accountId"] == wanted["id"]
