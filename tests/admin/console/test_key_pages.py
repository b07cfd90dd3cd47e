"""The whole life of a key in the console, without a script."""

from __future__ import annotations

import re

import pytest

from admin.console.key_pages import MOST
from proxy.domain.model import AccountKind, Role, State
from proxy.domain.settings import duration
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Page, logged_in

DAY = duration("1d")
SECRET = re.compile(r"wgs_[A-Za-z0-9]{40}")


async def make(browser: Browser, **values: str) -> Page:
    """Fill the form for a new key in, and send it."""
    return await browser.send((await browser.get("/keys/new")).form("/keys"), **values)


async def test_a_new_key_is_shown_once_with_lines_to_paste(api: AdminApi) -> None:
    """Neither a reload nor the back button shows the secret again, or makes a second key."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    made = await browser.send(form, name="deploy")
    (secret,) = set(SECRET.findall(made.source))
    (access,) = set(re.findall(r"[0-9A-F]{20}", made.source)) - {api.admin.key.access_key}
    assert made.headers["Cache-Control"] == "no-store"
    assert f"curl -u {access}:{secret} http://gateway" in made.text
    assert f"machine gateway login {access} password {secret}" in made.text
    again = await browser.send(form, name="deploy")
    assert again.path == "/keys"
    assert not SECRET.search(again.source)
    assert len((await api.admin.get("/v2-beta/apikeys?name=deploy")).body["data"]) == 1


@pytest.mark.parametrize(
    ("lifetime", "date", "expires"),
    [("", "", None), ("never", "", None), ("30d", "", 30 * DAY), ("date", "2039-12-31", "date")],
)
async def test_a_key_expires_as_the_form_says(
    api: AdminApi, lifetime: str, date: str, expires: int | str | None
) -> None:
    """Counted by the server's clock; a date means the end of that day in UTC."""
    await make(await logged_in(api), name="n", lifetime=lifetime, date=date)
    (key,) = (await api.admin.get("/v2-beta/apikeys?name=n")).body["data"]
    if expires == "date":
        assert key["expires"] == "2039-12-31T23:59:59Z"
    else:
        wanted = None if expires is None else (api.clock.now + int(expires or 0)) // 1000
        assert (key["expiresTS"] and key["expiresTS"] // 1000) == wanted


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ({"name": "n" * 256}, "name", "at most 255"),
        ({"description": "\x00"}, "description", "control characters"),
        ({"lifetime": "date"}, "expires", "choose a date"),
        ({"lifetime": "date", "date": "2001-01-01"}, "expires", "in the future"),
        ({"role": "king"}, "role", "must be one of"),
    ],
)
async def test_an_error_stands_at_its_field_and_what_was_typed_stays(
    api: AdminApi, values: dict[str, str], field: str, text: str
) -> None:
    """Nothing is made."""
    refused = await make(await logged_in(api), **({"name": "typed"} | values))
    assert 400 <= refused.status < 500
    assert f'id="error-{field}"' in refused.source
    assert text in refused.text
    assert refused.form("/keys").values["name"] == values.get("name", "typed")
    assert re.search(rf'aria-describedby="error-{field}" autofocus', refused.source)
    assert 'name="name" value="typed" autocomplete="off" autofocus' not in refused.source
    assert len((await api.admin.get("/v2-beta/apikeys")).body["data"]) == 1


async def test_a_key_is_deactivated_activated_edited_rotated_and_deleted(api: AdminApi) -> None:
    """Each page offers what the key's state allows, and no more."""
    browser = await logged_in(api)
    await make(browser, name="n")
    page = await browser.get("/keys/1c2")
    assert "/keys/1c2/activate" not in page.source
    page = await browser.send(page.form("/keys/1c2/deactivate"))
    assert (page.path, "Inactive" in page.text) == ("/keys/1c2", True)
    assert "/keys/1c2/rotate" in page.source
    page = await browser.send(page.form("/keys/1c2/activate"))
    form = (await browser.get("/keys/1c2/edit")).form("/keys/1c2/edit")
    assert form.values["name"] == "n"
    page = await browser.send(form, name="m", description="d", role="readonly", date="2039-01-01")
    assert {"m", "d", "readonly"} <= set(page.text.split())
    form = (await browser.get("/keys/1c2/rotate")).form("/keys/1c2/rotate")
    rotated = await browser.send(form, overlap="1h")
    assert SECRET.search(rotated.source)
    assert not SECRET.search((await browser.send(form, overlap="1h")).source)
    page = await browser.get("/keys/1c2/remove")
    assert "never been used" in page.text
    page = await browser.send(page.form("/keys/1c2/deactivate"))
    page = await browser.send(page.form("/keys/1c2/remove"))
    assert (page.path, "/keys/1c2" in page.source) == ("/keys", False)


async def test_after_an_action_from_its_menu_the_page_is_at_the_row(api: AdminApi) -> None:
    """The address names the row, so that the keyboard goes on there and nobody has to look for
    what has changed."""
    browser = await logged_in(api)
    await make(browser, name="n")
    form = (await browser.get("/keys")).form("/keys/1c2/deactivate")
    assert form.values["back"].endswith("#1c2")
    page = await browser.send(form)
    assert (page.path, 'id="1c2"' in page.source) == ("/keys?table=account", True)
    assert "Inactive" in page.text


async def test_editing_a_key_leaves_the_time_of_day_of_its_expiry(api: AdminApi) -> None:
    """The form has the day alone."""
    await api.admin.post("/v2-beta/apikeys", {"name": "n", "expires": "2039-01-01T12:34:56Z"})
    browser = await logged_in(api)
    form = (await browser.get("/keys/1c2/edit")).form("/keys/1c2/edit")
    await browser.send(form, name="m")
    assert (await api.admin.get("/v2-beta/apikeys/1c2")).body["expires"] == "2039-01-01T12:34:56Z"
    await browser.send(form, lifetime="never")
    assert (await api.admin.get("/v2-beta/apikeys/1c2")).body["expires"] is None


async def test_a_table_is_searched_filtered_and_sorted_by_its_url(api: AdminApi) -> None:
    """A search looks at names, descriptions and access keys, whatever the case."""
    for name, description in (("Alpha", None), ("beta", "the ALPHA's other"), ("gamma", None)):
        await api.admin.post("/v2-beta/apikeys", {"name": name, "description": description})
    await api.key(await api.store.get_account(1), state=State.INACTIVE)  # type: ignore[arg-type]
    browser = await logged_in(api)

    async def ids(query: str) -> list[str]:
        page = await browser.get(f"/keys?{query}")
        return re.findall(r'name="key" value="(1c\d+)"', page.source)

    assert await ids("search=alpha") == ["1c3", "1c2"]
    assert await ids(f"search={api.admin.key.access_key.lower()}") == ["1c1"]
    assert await ids("state=inactive") == ["1c5"]
    named = ["1c2", "1c3", "1c4"]
    by_name = await ids("sort=name&order=asc&state=active")
    assert [each for each in by_name if each in named] == named
    assert await ids("sort=name&order=desc&state=active") == by_name[::-1]
    assert "No key matches" in (await browser.get("/keys?search=nothing")).text


async def test_a_long_table_has_pages(api: AdminApi) -> None:
    """Each of fifty rows."""
    account = await api.store.get_account(1)
    assert account is not None
    for _ in range(60):
        await api.key(account)
    browser = await logged_in(api)
    page = await browser.get("/keys")
    assert page.source.count('name="key"') == 50
    (following,) = re.findall(r'href="([^"]*marker=[^"]*)"', page.source)
    page = await browser.get(following.replace("&amp;", "&"))
    assert page.source.count('name="key"') == 11
    assert "First page" in page.text


async def test_several_keys_are_changed_at_once(api: AdminApi) -> None:
    """Those that cannot be changed are named, with the reason; the others are changed."""
    browser = await logged_in(api)
    for name in ("a", "b"):
        await make(browser, name=name)
    csrf = (await browser.get("/keys")).form("/keys/apply").values["csrf"]
    several = [("csrf", csrf), ("action", "deactivate"), ("key", "1c2"), ("key", "1c3")]
    answer = await browser.post("/keys/apply", several)  # type: ignore[arg-type]
    assert (answer.path, answer.source.count(">Inactive</span>")) == ("/keys", 2)
    answer = await browser.post("/keys/apply", [*several, ("key", "1c1")])  # type: ignore[arg-type]
    assert answer.status == 409
    assert "1c2" in answer.text


@pytest.mark.parametrize("action", ["deactivate", "activate", "remove"])
async def test_no_more_than_a_hundred_keys_are_changed_at_once(api: AdminApi, action: str) -> None:
    """A form has room for ten times as many, whose writes everybody would wait for."""
    browser = await logged_in(api)
    csrf = (await browser.get("/keys")).form("/keys/apply").values["csrf"]
    some = [("csrf", csrf), ("action", action), ("sure", "yes")]
    many = [("key", f"1c{number}") for number in range(1, MOST + 2)]
    answer = await browser.post("/keys/apply", [*some, *many])  # type: ignore[arg-type]
    assert answer.status == 422
    assert "At most 100 keys are changed at once, and 101 are selected" in answer.text
    assert "key." not in str((await api.admin.get("/v2-beta/auditLogs")).body["data"])
    same = [("key", "1c2")] * (MOST + 1)
    answer = await browser.post("/keys/apply", [*some, *same])  # type: ignore[arg-type]
    assert answer.status == 409


async def test_several_keys_are_deleted_after_a_question(api: AdminApi) -> None:
    """It says what each of them is used for; active ones are deactivated on the way."""
    browser = await logged_in(api)
    for name in ("a", "b"):
        await make(browser, name=name)
    csrf = (await browser.get("/keys")).form("/keys/apply").values["csrf"]
    several = [("csrf", csrf), ("action", "remove"), ("key", "1c2"), ("key", "1c3")]
    question = await browser.post("/keys/apply", several)  # type: ignore[arg-type]
    assert "Delete 2 keys?" in question.text
    assert "never used" in question.text
    assert (await api.admin.get("/v2-beta/apikeys/1c2")).body["state"] == "active"
    await browser.post("/keys/apply", [*several, ("sure", "yes")])  # type: ignore[arg-type]
    states = [
        (await api.admin.get(f"/v2-beta/apikeys/{id}")).body["state"] for id in ("1c2", "1c3")
    ]
    assert states == ["removed", "removed"]


async def test_no_other_action_is_done_on_several_keys(api: AdminApi) -> None:
    """What needs a form of its own is refused, and the audit log says nothing of it."""
    browser = await logged_in(api)
    csrf = (await browser.get("/keys")).form("/keys/apply").values["csrf"]
    for action in ("rotate", "update", "purge", ""):
        values = {"csrf": csrf, "action": action, "key": "1c1"}
        assert (await browser.post("/keys/apply", values)).status == 422
    assert "key." not in str((await api.admin.get("/v2-beta/auditLogs")).body["data"])


async def test_environment_keys_are_those_of_the_environment_in_the_header(api: AdminApi) -> None:
    """The choice lasts from page to page."""
    user = await api.account(AccountKind.USER)
    first = await api.environment({user: Role.OWNER})
    second = await api.environment({user: Role.OWNER})
    for environment in (first, second):
        await api.key(environment, Role.MEMBER)
    browser = await logged_in(api, await api.key(user))
    page = await browser.get("/keys")
    assert first.slug in page.source
    chosen = page.form("/environment")
    page = await browser.send(chosen, environment=second.ref)
    assert f"http://gateway/v1/projects/{second.slug}" in page.text
    assert re.findall(r'name="key" value="(1c\d+)"', page.source) == ["1c4", "1c3"]


async def test_what_a_role_cannot_do_is_not_offered(api: AdminApi) -> None:
    """A readonly key offers nothing to change, and no page of administrators."""
    user = await api.account(AccountKind.USER)
    await api.environment({user: Role.READONLY})
    browser = await logged_in(api, await api.key(user, Role.READONLY))
    page = await browser.get("/keys")
    assert "/keys/new" not in page.source
    assert [form.action for form in page.forms if "deactivate" in form.action] == []
    assert 'name="key"' not in page.source
    for path in ("/accounts", "/upstreams", "/webhooks", "/audit", "/settings"):
        assert f'href="{path}"' not in page.source
    assert (await browser.get("/settings")).status == 403


async def test_what_users_write_is_shown_as_text(api: AdminApi) -> None:
    """Markup in a name is no markup in a page."""
    evil = "<img src=x onerror=alert(1)>\"'"
    await api.admin.post("/v2-beta/apikeys", {"name": evil, "description": evil})
    browser = await logged_in(api)
    for path in ("/keys", "/keys/1c2", "/keys/1c2/edit", "/keys/1c2/remove", "/audit"):
        page = await browser.get(path)
        assert "<img src=x" not in page.source
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src")


async def test_no_expiry_is_offered_that_would_be_refused(api: AdminApi) -> None:
    """Neither one beyond the settings, nor beyond the key that one has logged in with."""
    user = await api.account(AccountKind.USER)
    browser = await logged_in(api, await api.key(user))
    offered = offered_lifetimes(await browser.get("/keys/new"))
    assert offered == ["7d", "30d", "90d", "365d", "never", "date"]
    await api.admin.ask("PUT", "/v2-beta/settings/maximum_key_lifetime", {"value": "30d"})
    await api.admin.ask("PUT", "/v2-beta/settings/default_key_lifetime", {"value": "10d"})
    page = await browser.get("/keys/new")
    assert offered_lifetimes(page) == ["", "7d", "30d", "date"]
    assert "Default: 10 days" in page.text
    await browser.send(page.form("/keys"), name="usual")
    (key,) = (await api.admin.get("/v2-beta/apikeys?name=usual")).body["data"]
    assert key["expiresTS"] == api.clock.now + 10 * 24 * 3600 * 1000


def offered_lifetimes(page: Page) -> list[str]:
    """The values of the choice of an expiry."""
    return re.findall(r'name="lifetime" value="([^"]*)"', page.source)
