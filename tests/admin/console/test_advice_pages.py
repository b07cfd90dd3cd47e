"""The console says which limits would have been enough for a key, and applies what it has shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from admin.console.advice_pages import MOST
from admin.service import Place
from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind, Key, Role, State
from proxy.domain.usage import DAY
from tests.admin.admin_api import AdminApi, Presented
from tests.admin.api.test_advice import PROJECTS, came_from, use
from tests.admin.console.browser import Browser, Form, Page, logged_in
from tests.admin.console.usage import count

ENOUGH = {"networks": ["192.0.2.0/24"], "scopes": ["GET /any"]}


@pytest.fixture
def places() -> Callable[[], Sequence[Place]]:
    """The routes of the configuration."""
    routes = [(PROJECTS, "environment"), ("/admin", "admin"), ("/any", "any"), ("/**", "account")]
    return lambda: [Place(*each) for each in routes]


async def a_used_key(api: AdminApi, **changes: Any) -> Presented:
    """A key of a user, for which `ENOUGH` would have been enough."""
    key = await api.key(await api.account())
    await api.put(replace(key.key, **changes))
    await use(api, key, "/any")
    await came_from(api, key, "192.0.2.0/24")
    return key


def path_of(key: Presented) -> str:
    """Of the page."""
    return f"/keys/{key.key.ref}/advice"


async def stored(api: AdminApi, key: Presented) -> Key:
    """A key as it is now."""
    found = await api.store.get_key(key.key.id)
    assert found is not None
    return found


async def limits_of(api: AdminApi, key: Presented) -> Any:
    """The limits of a key now."""
    return (await api.admin.get(f"/v2-beta/apikeys/{key.key.ref}")).body["limits"]


def facts(page: Page, heading: str) -> list[tuple[str, str]]:
    """What a part of the page says, without markup."""
    found = page.source.partition(f'id="{heading}-name"')[2].partition("</section>")[0]
    pairs = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", found, re.DOTALL)
    return [(_plain(name), _plain(text)) for name, text in pairs]


def _plain(source: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", source).split())


def offered(page: Page, key: Presented) -> bool:
    """Whether the page has a form that applies the advice."""
    return any(form.action == path_of(key) for form in page.forms)


async def test_a_click_applies_the_limits_that_the_page_shows(api: AdminApi) -> None:
    """The page of the key leads there, and then has the limits. There is nothing more to apply."""
    key, browser = await a_used_key(api), await logged_in(api)
    assert path_of(key) in (await browser.get(f"/keys/{key.key.ref}")).links
    page = await browser.get(path_of(key))
    assert "None: it may do all that its role and the routes allow." in page.text
    assert facts(page, "after") == [
        ("Networks changed", "192.0.2.0/24"),
        ("Scopes changed", "GET /any"),
    ]
    after = await browser.send(page.form(path_of(key)))
    assert (after.path, "192.0.2.0/24" in after.text) == (f"/keys/{key.key.ref}", True)
    assert await limits_of(api, key) == ENOUGH
    assert [each["act"] for each in api.audit()].count("key.update") == 1
    page = await browser.get(path_of(key))
    assert "Nothing narrower than its limits is known." in page.text
    assert not offered(page, key)


async def test_what_a_key_used_is_shown_against_what_it_may(api: AdminApi) -> None:
    """In the words of the API's advice."""
    user = await api.account()
    prod, test = [await api.environment({user: Role.OWNER}) for _ in range(2)]
    key = await api.key(user)
    await count(api, 1200, key=key.key.id, environment=prod.id)
    await use(api, key, "/any", reason="scope")
    await came_from(api, key, "192.0.2.0/24", "2001:db8::/64")
    page = await (await logged_in(api)).get(path_of(key))
    assert "1,200 requests passed with this key in the last 90 days. Its use is known" in page.text
    assert f"{PROJECTS} GET {prod.slug} 1,200 2" in page.text
    assert facts(page, "compared") == [
        ("Used from", "192.0.2.0/24 just now , 2001:db8::/64 just now"),
        ("Routes that it did not use", "/any /**"),
        ("Environments that it did not use", test.slug),
    ]


async def test_limits_that_are_narrow_already_stay_beside_what_changes(api: AdminApi) -> None:
    """Advice never widens, and only what changes is marked."""
    limits = parse_limits({"rate": "5/s", "scopes": ["* /**"]})
    key, browser = await a_used_key(api, limits=limits), await logged_in(api)
    page = await browser.get(path_of(key))
    assert facts(page, "before") == [("Rate", "5/s, 5 at once"), ("Scopes", "* /**")]
    assert facts(page, "after") == [
        ("Rate", "5/s, 5 at once"),
        ("Networks changed", "192.0.2.0/24"),
        ("Scopes changed", "GET /any"),
    ]
    await browser.send(page.form(path_of(key)))
    assert await limits_of(api, key) == ENOUGH | {"rate": "5/s", "burst": 5}


async def test_the_limits_are_tried_without_refusing_anything(api: AdminApi) -> None:
    """Only where the key has none yet: others would refuse less than before."""
    key, browser = await a_used_key(api), await logged_in(api)
    form = (await browser.get(path_of(key))).form(path_of(key))
    await browser.send(form, trial="yes")
    assert await limits_of(api, key) == ENOUGH | {"enforce": False}
    limited = await a_used_key(api, limits=parse_limits({"rate": "5/s"}))
    page = await browser.get(path_of(limited))
    assert 'name="trial"' not in page.source
    refused = await browser.send(page.form(path_of(limited)), trial="yes")
    assert (refused.status, "a trial would end that" in refused.text) == (422, True)
    assert await limits_of(api, limited) == {"rate": "5/s", "burst": 5}


async def test_limits_on_trial_that_did_not_cover_the_use_are_not_called_enough(
    api: AdminApi,
) -> None:
    """What they would have refused has passed: they stay, and the page warns of enforcing them."""
    trial = parse_limits({"networks": ["10.0.0.0/8"], "enforce": False})
    key, browser = await a_used_key(api, limits=trial), await logged_in(api)
    page = await browser.get(path_of(key))
    assert ("Networks", "10.0.0.0/8") in facts(page, "after")
    assert ("Used from", "192.0.2.0/24 just now") in facts(page, "compared")
    warning = "They may then refuse some of what it was used for"
    assert warning in page.text
    await browser.send(page.form(path_of(key)))
    assert await limits_of(api, key) == ENOUGH | {"networks": ["10.0.0.0/8"], "enforce": False}
    assert warning in (await browser.get(path_of(key))).text
    enforced = await a_used_key(api, limits=parse_limits({"rate": "5/s"}))
    assert warning not in (await browser.get(path_of(enforced))).text


@pytest.mark.parametrize("what", ["use", "edit", "applied"])
async def test_nothing_is_applied_that_was_not_shown(api: AdminApi, what: str) -> None:
    """Where the key was used or edited in between, the page shows what is advised now."""
    key, browser = await a_used_key(api), await logged_in(api)
    form = (await browser.get(path_of(key))).form(path_of(key))
    match what:
        case "use":
            await use(api, key, "/any", "PUT")
        case "edit":
            await api.put(replace(key.key, limits=parse_limits({"rate": "5/s"})))
        case "applied":
            await browser.send(form)
    before = await limits_of(api, key)
    refused = await browser.send(form)
    assert refused.status == 409
    assert "has changed since this page was opened, so nothing was done" in refused.text
    assert await limits_of(api, key) == before
    if what != "applied":
        assert (await browser.send(refused.form(path_of(key)))).path == f"/keys/{key.key.ref}"
        assert await limits_of(api, key) != before


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("csrf", "", 403),
        ("csrf", "x", 403),
        ("seen", "", 409),
        ("seen", "é\udcff", 409),
        ("days", "0", 422),
        ("days", "367", 422),
        ("days", "9" * 400, 422),
        ("days", "<img src=x>", 422),
    ],
)
async def test_a_forged_form_applies_nothing(
    api: AdminApi, field: str, value: str, status: int
) -> None:
    """Nor one without a field."""
    key, browser = await a_used_key(api), await logged_in(api)
    form = (await browser.get(path_of(key))).form(path_of(key))
    answer = await browser.send(form, **{field: value.encode(errors="replace").decode()})
    assert (answer.status, "<img src=x" in answer.source) == (status, False)
    del form.values[field]
    left_out = await browser.send(form)
    assert left_out.status == (200 if field == "days" else status)
    assert (await stored(api, key)).limits == (parse_limits(ENOUGH if field == "days" else {}))


async def test_a_form_of_one_key_applies_nothing_to_another(api: AdminApi) -> None:
    """Unless their advice is the same, as it is shown."""
    key, browser = await a_used_key(api), await logged_in(api)
    other = await api.key(await api.account())
    await use(api, other, "/**", "DELETE")
    form = (await browser.get(path_of(key))).form(path_of(key))
    assert (await browser.post(path_of(other), form.values)).status == 409
    assert (await browser.post("/keys/1c999/advice", form.values)).status == 404
    assert (await limits_of(api, other), await limits_of(api, key)) == ({}, {})


async def test_who_may_see_a_key_sees_its_advice_and_who_may_edit_it_applies_it(
    api: AdminApi,
) -> None:
    """To others the page says why not, and a form that is sent all the same changes nothing."""
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})

    async def judged(browser: Browser, key: Presented, form: Form) -> tuple[int, bool, int]:
        """The status of the page, whether it offers to apply, and what a form gets."""
        page = await browser.get(path_of(key))
        token = (await browser.get("/sessions")).form("/logout").values["csrf"]
        answer = await browser.post(path_of(key), form.values | {"csrf": token})
        return page.status, offered(page, key), answer.status

    for role, expected in (
        (Role.OWNER, (200, True, 200)),
        (Role.MEMBER, (200, False, 403)),
        (Role.RESTRICTED, (200, False, 403)),
        (Role.READONLY, (200, False, 403)),
    ):
        key = await api.key(environment, Role.OWNER)
        await use(api, key, PROJECTS, environment=environment.id)
        form = (await (await logged_in(api)).get(path_of(key))).form(path_of(key))
        browser = await logged_in(api, await api.key(user, role))
        assert await judged(browser, key, form) == expected, role
        assert bool((await stored(api, key)).limits) is (role is Role.OWNER)
    for account, expected in (
        (await api.account(AccountKind.READ_ADMIN), (200, False, 403)),
        (await api.account(), (404, False, 404)),
    ):
        browser = await logged_in(api, await api.key(account))
        assert await judged(browser, key, form) == expected
    assert (await stored(api, key)).limits == parse_limits({})


async def test_the_page_says_why_advice_cannot_be_applied(api: AdminApi) -> None:
    """To a weaker key, to one that only reads, and of a key that is removed."""
    user = await api.account()
    key = await api.key(user, Role.OWNER)
    gone = await a_used_key(api, state=State.REMOVED, removed=api.clock.now)
    await use(api, key, "/any")
    for role, why in (
        (Role.MEMBER, "this key is stronger than the one that you have logged in with"),
        (Role.READONLY, "your role may see this key, not change it"),
    ):
        browser = await logged_in(api, await api.key(user, role))
        assert f"You cannot apply them: {why}" in (await browser.get(path_of(key))).text
    page = await (await logged_in(api)).get(path_of(gone))
    assert "You cannot apply them: what is removed cannot be edited." in page.text


async def test_the_time_that_is_looked_at_is_chosen_by_links(api: AdminApi) -> None:
    """The form keeps it."""
    key = await api.key(await api.account())
    api.clock.now += 50 * DAY
    await use(api, key, "/**", "DELETE", days=40)
    await use(api, key, "/any")
    browser = await logged_in(api)
    page = await browser.get(path_of(key))
    assert 'advice?days=90" aria-current="true"' in page.source
    assert "DELETE" in page.text
    assert f"{path_of(key)}?days=30" in page.links
    page = await browser.get(f"{path_of(key)}?days=30")
    assert 'advice?days=30" aria-current="true"' in page.source
    assert "DELETE" not in page.text
    await browser.send(page.form(path_of(key)))
    assert await limits_of(api, key) == {"scopes": ["GET /any"]}
    assert "in the last 1 day. Its" in (await browser.get(f"{path_of(key)}?days=1")).text


@pytest.mark.parametrize("days", ["", "0", "367", "-1", "1.5", "x", "%00", "9" * 400, "<b>"])
async def test_days_that_are_no_number_are_refused(api: AdminApi, days: str) -> None:
    """As in the API."""
    page = await (await logged_in(api)).get(f"/keys/1c1/advice?days={days}")
    assert (page.status, "a number from 1 to 366" in page.text) == (422, True)


async def test_a_key_that_was_not_used_gets_no_advice(api: AdminApi) -> None:
    """The page says so."""
    key = await api.key(await api.account())
    page = await (await logged_in(api)).get(path_of(key))
    assert "It was not used in this time, so nothing is known." in page.text
    assert ("Used from", "nowhere that is known") in facts(page, "compared")
    assert not offered(page, key)


async def test_too_many_networks_are_not_listed(api: AdminApi) -> None:
    """Nor advised."""
    key = await api.key(await api.account())
    await came_from(api, key, *(f"10.0.{number}.0/24" for number in range(17)))
    page = await (await logged_in(api)).get(path_of(key))
    assert ("Used from", "more than 16 networks, so none are advised") in facts(page, "compared")


async def test_a_long_list_is_cut_and_the_api_has_all(api: AdminApi) -> None:
    """Where the browser shows it as well."""
    key, browser = await api.key(await api.account()), await logged_in(api)
    for number in range(MOST + 1):
        await use(api, key, f"/{number}/**")
    page = await browser.get(path_of(key))
    assert f"The first {MOST} of {MOST + 1}" in page.text
    assert page.source.count('data-label="Method"') == MOST
    (link,) = [each for each in page.links if each.endswith("/advice?days=90") and "v2" in each]
    assert f'"requests": {MOST + 1}' in (await browser.follow(link)).text.replace(" :", ":")


async def test_use_that_takes_too_long_to_read_is_said(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shorter time can be chosen, and nothing is applied."""
    key, browser = await a_used_key(api), await logged_in(api)
    form = (await browser.get(path_of(key))).form(path_of(key))
    monkeypatch.setattr("admin.service.advice.MAX_ROWS", 0)
    page = await browser.get(path_of(key))
    assert (page.status, "takes too long to read" in page.text) == (200, True)
    assert f"{path_of(key)}?days=7" in page.links
    answer = await browser.send(form)
    assert answer.status >= 400
    assert "takes too long to read" in answer.text
    assert await limits_of(api, key) == {}
