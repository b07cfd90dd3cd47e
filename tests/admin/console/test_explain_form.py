"""“May this key do that?” asks what the API's `explain` answers, and says what to do."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from admin.console.explain_form import ADVICE
from proxy.domain.limits import parse_limits
from proxy.domain.model import AccountKind, Reason, Role, State
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Page, logged_in

OF_CREDENTIALS = {
    Reason.NO_CREDENTIALS,
    Reason.MALFORMED_CREDENTIALS,
    Reason.FORGED,
    Reason.UNKNOWN_KEY,
    Reason.WRONG_SECRET,
    Reason.TOO_MANY_FAILURES,
}
"""Reasons that a question without a secret never has."""


async def ask(browser: Browser, ref: str, **values: str) -> Page:
    """Fill the form in, and send it."""
    return await browser.send((await browser.get(f"/keys/{ref}")).form(f"/keys/{ref}"), **values)


async def test_a_permit_names_the_route_the_environment_and_the_role(api: AdminApi) -> None:
    """The form is filled with the path of the key's endpoint."""
    environment = await api.environment()
    ref = (await api.key(environment, Role.MEMBER)).key.ref
    page = await ask(await logged_in(api), ref)
    assert "Yes. The gateway passes it on to default" in page.text
    assert f"with the role member in the environment {environment.slug}" in page.text
    values = page.form(f"/keys/{ref}").values
    assert values["path"] == f"/v1/projects/{environment.slug}/"


async def test_for_an_accounts_key_the_environment_in_the_header_is_proposed(
    api: AdminApi,
) -> None:
    """Its endpoint has no path; without an environment the path is `/`."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/1c1")).form("/keys/1c1")
    assert form.values["path"] == "/"
    environment = await api.environment()
    form = (await browser.get("/keys/1c1")).form("/keys/1c1")
    assert form.values["path"] == f"/v1/projects/{environment.slug}/"


async def test_a_refusal_says_why_and_what_to_do(api: AdminApi) -> None:
    """The words are those of the API, and the URL holds the question."""
    environment = await api.environment()
    ref = (await api.key(environment, Role.READONLY)).key.ref
    page = await ask(await logged_in(api), ref, method="POST")
    assert "No. The gateway answers 403 read-only : The role is readonly" in page.text
    assert "The role is <code>readonly</code>" in page.source
    assert "Give the key a stronger role." in page.text
    assert page.form(f"/keys/{ref}").values["method"] == "POST"
    assert "method=POST" in page.path


async def test_an_inactive_key_may_do_nothing(api: AdminApi) -> None:
    """The page says so above, too."""
    ref = (await api.key(await api.environment(), state=State.INACTIVE)).key.ref
    assert "Activate the key." in (await ask(await logged_in(api), ref)).text


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("http://gateway/pages?a=b", "/pages?a=b"),
        ("https://gateway", "/"),
        (" /pages ", "/pages"),
        ("http://[", "http://["),
    ],
)
async def test_a_whole_url_counts_by_its_path(api: AdminApi, typed: str, path: str) -> None:
    """People copy what they have."""
    page = await ask(await logged_in(api), "1c1", path=typed)
    assert page.status == 200
    assert page.form("/keys/1c1").values["path"] == path


async def test_a_web_page_of_another_origin_is_judged_by_the_routes_rules(api: AdminApi) -> None:
    """The browser asks first whether the page may."""
    browser = await logged_in(api)
    page = await ask(browser, "1c1", path="/pages", origin="https://other/")
    assert "403 preflight-origin" in page.text
    assert "Yes." in (await ask(browser, "1c1", path="/pages", origin="https://app")).text


async def test_what_cannot_be_asked_is_said_at_its_field_and_stays_typed(api: AdminApi) -> None:
    """As text, whatever it is."""
    browser = await logged_in(api)
    page = await ask(browser, "1c1", path="/\x00<img>")
    assert 'id="error-path"' in page.source
    assert page.form("/keys/1c1").values["path"] == "/\x00<img>"
    page = await ask(browser, "1c1", path='/<img>"')
    assert "400 target" in page.text
    assert "<img" not in page.source.partition('id="explain"')[2]
    assert (
        await browser.get(f"/keys/1c1?{urlencode({'path': '/', 'method': 'a b'})}")
    ).status == 200


async def test_a_removed_key_is_not_asked_about(api: AdminApi) -> None:
    """The gateway does not know it any more."""
    user = await api.account(AccountKind.USER)
    ref = (await api.key(user, state=State.REMOVED)).key.ref
    page = await (await logged_in(api)).get(f"/keys/{ref}?path=/")
    assert (page.status, 'id="explain"' in page.source) == (200, False)


@pytest.mark.parametrize("reason", [each for each in Reason if each not in OF_CREDENTIALS])
def test_every_refusal_that_a_question_can_have_has_advice(reason: Reason) -> None:
    """One without would leave people where they were."""
    assert reason is Reason.DESTINATION or ADVICE[reason]


async def test_the_networks_of_a_key_are_judged_for_an_address(api: AdminApi) -> None:
    """Without one they do not count, as the page says; what is no address is said beside it."""
    key = (await api.key(await api.account())).key
    await api.put(replace(key, limits=parse_limits({"networks": ["192.0.2.0/24"]})))
    browser = await logged_in(api)
    page = await ask(browser, key.ref, path="/pages")
    assert "Yes." in page.text
    assert "Without an address, the networks of limits do not count." in page.text
    assert "Yes." in (await ask(browser, key.ref, path="/pages", address="192.0.2.7")).text
    page = await ask(browser, key.ref, path="/pages", address="198.51.100.1")
    assert "Use the key from one of its networks" in page.text
    assert page.form(f"/keys/{key.ref}").values["address"] == "198.51.100.1"
    page = await ask(browser, key.ref, path="/pages", address="here")
    assert 'id="error-address"' in page.source
