"""Filters, order and page size of a collection, without a script."""

from __future__ import annotations

import re

import pytest

from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Form, Page, logged_in


def filter_form(page: Page) -> Form:
    """The form of a collection's page."""
    return page.form("/browse")


async def test_a_collection_is_filtered_sorted_and_cut_by_a_form(api: AdminApi) -> None:
    """Its address holds what was chosen; each filter can be taken away again."""
    for name in ("alpha", "beta", "gamma"):
        await api.admin.post("/v2-beta/apikeys", {"name": name})
    browser = await logged_in(api)
    page = await browser.get("/v2-beta/apikeys")
    page = await browser.send(
        filter_form(page), condition="name_like", value="%a%", sort="name", order="desc", limit="2"
    )
    assert page.path == "/v2-beta/apikeys?name_like=%a%&sort=name&order=desc&limit=2"
    assert re.findall(r'"name"</span>: "(\w+)"', page.source)[:2] == ["gamma", "beta"]
    page = await browser.send(filter_form(page), condition="state_ne", value="inactive")
    assert page.path.startswith("/v2-beta/apikeys?name_like=%a%&state_ne=inactive&sort=name")
    assert "name is like %a%" in page.text
    assert "state is not inactive" in page.text
    (without,) = re.findall(r'href="([^"]*)" aria-label="Remove the filter: name', page.source)
    assert without == "/v2-beta/apikeys?state_ne=inactive&amp;sort=name&amp;order=desc&amp;limit=2"


async def test_a_filter_that_needs_no_value_has_none(api: AdminApi) -> None:
    """What is not filled in filters nothing."""
    browser = await logged_in(api)
    page = await browser.get("/v2-beta/apikeys")
    page = await browser.send(filter_form(page), condition="expires_null", value="")
    assert "expires has no value" in page.text
    assert '"id"</span>: "1c1"' in page.source
    form = filter_form(await browser.get("/v2-beta/apikeys"))
    assert "name" not in (await browser.send(form, condition="", value="x")).path


@pytest.mark.parametrize(
    "path",
    ["", "//evil.example", "/v2-beta//evil", "http://evil.example", "/keys", "/v2-beta/../x"],
)
async def test_the_form_leads_to_collections_alone(api: AdminApi, path: str) -> None:
    """Never to another site."""
    page = await (await logged_in(api)).get(f"/browse?path={path}")
    assert (page.status, page.path.startswith("/browse")) == (404, True)


async def test_a_page_that_goes_on_has_as_many_resources_as_a_browser_shows(api: AdminApi) -> None:
    """Unless the address says otherwise; programs get as many as ever."""
    for _ in range(25):
        await api.admin.post("/v2-beta/apikeys")
    browser = await logged_in(api)
    page = await browser.get("/v2-beta/apikeys")
    assert page.source.count('"transitioning"') == 20
    assert "apikeys?limit=20'" in page.text
    page = await browser.get("/v2-beta/apikeys?limit=25")
    assert page.source.count('"transitioning"') == 25
    assert len((await api.admin.get("/v2-beta/apikeys")).body["data"]) == 26
