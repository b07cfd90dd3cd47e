"""The API in a browser: who gets a page, what becomes a link in it, and its forms."""

from __future__ import annotations

import html
import json
import re

import pytest

from admin.console.rendering import POLICY
from tests.admin.admin_api import AdminApi, ask
from tests.admin.console.browser import logged_in

FIREFOX = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
}
EVIL = "\"><script>alert(1)</script>&amp;'http://127.0.0.1:1/v2-beta/x"


def shown(page: str) -> str:
    """The JSON on a page, with its links."""
    return page.partition('<pre class="card" tabindex="0">')[2].partition("</pre>")[0]


def links(page: str) -> list[str]:
    """The URLs of the links in it."""
    return [html.unescape(link) for link in re.findall(r'<a href="([^"]*)">', shown(page))]


@pytest.mark.parametrize(
    ("headers", "query", "page"),
    [
        (FIREFOX, "", True),
        (FIREFOX, "?_format=json", False),
        (FIREFOX, "?_format=xml", True),
        ({}, "", False),
        ({}, "?_format=html", True),
        ({"User-Agent": "curl/8.0", "Accept": "*/*"}, "", False),
        ({"User-Agent": "curl/8.0", "Accept": FIREFOX["Accept"]}, "", False),
        (FIREFOX | {"Accept": "application/json"}, "", False),
        (FIREFOX | {"Accept": "text/html"}, "", False),
        ({"Accept": "text/html"}, "?_format=html&_format=json", True),
    ],
)
async def test_browsers_get_a_page_and_programs_json(
    api: AdminApi, headers: dict[str, str], query: str, page: bool
) -> None:
    """`_format` decides for both."""
    for path in ("/v2-beta", "/v2-beta/apikeys", "/v2-beta/apikeys/1c1", "/v2-beta/schemas"):
        answer = await api.admin.get(path + query, headers=headers)
        expected = "text/html; charset=utf-8" if page else "application/json; charset=utf-8"
        assert (answer.status, answer.headers["Content-Type"]) == (200, expected)
        assert ("Content-Security-Policy" in answer.headers) == page


@pytest.mark.parametrize("host", ["ADMIN.example", "127.0.0.1:{port}", "admin.Example:8081"])
async def test_the_links_of_a_page_lead_to_the_host_of_the_request(
    api: AdminApi, host: str
) -> None:
    """They lead to where the request was sent to, as the admin server writes it."""
    name = host.format(port=api.client.port)
    page = await api.admin.get("/v2-beta/apikeys/1c1", headers=FIREFOX | {"Host": name})
    assert links(page.text)[0] == f"http://{name.lower()}/v2-beta/apikeys/1c1"


async def test_a_page_shows_its_json_with_every_url_as_a_link(api: AdminApi) -> None:
    """What a page shows is the resource, and each URL of the admin server in it is a link."""
    path = "/v2-beta/apikeys/1c1"
    page = await api.admin.get(path, headers=FIREFOX)
    content = re.sub(r"</?a\b[^>]*>", "", shown(page.text))
    resource = (await api.admin.get(path)).text
    assert re.sub(r"\s", "", html.unescape(content)) == re.sub(r"\s", "", resource)
    root = str(api.client.make_url(path))
    assert links(page.text)[:2] == [root, f"{root}/account"]
    for link in links(page.text):
        if "action=" not in link:
            assert (await api.admin.get(link[link.index("/v2-beta") :])).status == 200


async def test_the_link_to_the_next_page_keeps_its_whole_query(api: AdminApi) -> None:
    """A link with a query is whole."""
    await api.key(await api.account())
    page = await api.admin.get("/v2-beta/apikeys?limit=1&sort=name", headers=FIREFOX)
    following = [link for link in links(page.text) if "marker=" in link]
    assert len(following) == 1
    second = await api.admin.get(following[0][following[0].index("/v2-beta") :])
    assert (second.status, len(second.body["data"])) == (200, 1)


async def test_text_in_a_resource_never_becomes_markup(api: AdminApi) -> None:
    """Whatever a user wrote into a name or a description is only shown."""
    made = (await api.admin.post("/v2-beta/apikeys", {"name": EVIL, "description": EVIL})).body
    elsewhere = {"description": "http://evil.example/v2-beta and javascript:alert(1)"}
    await api.admin.put("/v2-beta/apikeys/1c1", elsewhere)
    for path in (f"/v2-beta/apikeys/{made['id']}", "/v2-beta/apikeys"):
        page = (await api.admin.get(path, headers=FIREFOX)).text
        assert "<script>" not in page
        assert json.dumps(EVIL) in html.unescape(shown(page))
        origin = str(api.client.make_url("/"))
        assert all(link.startswith(origin) for link in links(page))
        assert set(re.findall(r"<(\w+)", shown(page))) == {"a"}


@pytest.mark.parametrize(
    "host", ['evil.example"><script>', "evil.example'", "admin.example/<b>", "admin.example:x"]
)
async def test_a_malformed_host_gets_onto_no_page(api: AdminApi, host: str) -> None:
    """A Host that is none gets onto no page."""
    answer = await api.admin.get("/v2-beta", headers=FIREFOX | {"Host": host})
    assert answer.status in {400, 421}
    assert "<" not in answer.text


async def test_a_page_forbids_what_is_not_the_consoles(api: AdminApi) -> None:
    """No cache keeps it."""
    page = await api.admin.get("/v2-beta", headers=FIREFOX)
    assert page.headers["Content-Security-Policy"] == POLICY
    assert POLICY.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in POLICY
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["X-API-Schemas"]


async def test_an_error_is_a_page_to_browsers(api: AdminApi) -> None:
    """Who has not logged in gets the login form, and no dialogue of the browser's own."""
    answer = await api.admin.get("/v2-beta/nothing", headers=FIREFOX)
    assert (answer.status, "Not found" in answer.text) == (404, True)
    answer = await ask(api.client, "GET", "/v2-beta?x=1", headers=FIREFOX)
    assert (answer.status, "WWW-Authenticate" in answer.headers) == (401, False)
    assert 'name="next" value="/v2-beta?x=1"' in answer.text


async def test_who_has_logged_in_browses_the_api_with_the_session(api: AdminApi) -> None:
    """With forms for what the role allows, made from the schema."""
    browser = await logged_in(api)
    page = await browser.get("/v2-beta/apikeys/1c1")
    assert page.status == 200
    assert {form.action for form in page.forms} >= {
        "/v2-beta/apikeys/1c1",
        str(api.client.make_url("/v2-beta/apikeys/1c1/?action=deactivate")),
    }
    page = await browser.get("/v2-beta/apikeys")
    assert {"name", "role", "expires"} <= set(page.form("/v2-beta/apikeys").values)


async def test_a_new_key_as_a_page_shows_its_secret_once(api: AdminApi) -> None:
    """The status is the same as with JSON."""
    answer = await api.admin.post("/v2-beta/apikeys?_format=html", {"name": "n"})
    assert answer.status == 201
    assert answer.text.count("wgs_") == 1
