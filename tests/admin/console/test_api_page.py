"""The API in a browser: who gets a page, what becomes a link in it, and its forms."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from contextlib import closing

import pytest

from admin.console.api_page import MOST
from admin.console.rendering import POLICY
from proxy.domain.model import AccountKind
from proxy.domain.session import IDLE
from proxy.domain.usage import HOUR, Series, Sums
from tests.admin.admin_api import AdminApi, ask
from tests.admin.console.browser import Browser, logged_in

FIREFOX = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
}
EVIL = "\"><script>alert(1)</script>&amp;'http://127.0.0.1:1/v2-beta/x"


def shown(page: str) -> str:
    """The JSON on a page, with its links."""
    return re.split(r'<pre class="card json"[^>]*>', page)[1].partition("</pre>")[0]


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
    content = re.sub(r"<[^>]*>", "", shown(page.text))
    resource = (await api.admin.get(path)).text
    assert re.sub(r"\s", "", html.unescape(content)) == re.sub(r"\s", "", resource)
    root = str(api.client.make_url(path))
    assert links(page.text)[:2] == [root, f"{root}/account"]
    for link in links(page.text):
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
        assert set(re.findall(r"<(\w+)", shown(page))) == {"a", "span"}


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


async def test_whoever_browses_with_basic_credentials_can_look(api: AdminApi) -> None:
    """Forms need the token of a session; the page leads to the login."""
    page = (await api.admin.get("/v2-beta/apikeys/1c1", headers=FIREFOX)).text
    assert "<form" not in page
    assert 'href="/login?next=/v2-beta/apikeys/1c1"' in page


async def test_curl_and_clients_are_challenged_as_ever_and_browsers_log_in(api: AdminApi) -> None:
    """A browser that asks for JSON is challenged too: there is no page to log in on."""
    for headers, query in (({}, ""), ({"User-Agent": "curl/8"}, ""), (FIREFOX, "?_format=json")):
        answer = await ask(api.client, "GET", f"/v2-beta/apikeys{query}", headers=headers)
        assert answer.code == "401 Unauthorized"
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    browser = Browser(api.client)
    page = await browser.log_in(api.admin, "/v2-beta/apikeys/1c1?x=1")
    assert (page.status, page.path) == (200, "/v2-beta/apikeys/1c1?x=1")


async def test_every_form_that_changes_something_is_sent_by_post(api: AdminApi) -> None:
    """So that neither its token nor what is typed gets into an address."""
    await api.environment()
    browser = await logged_in(api)
    for path in ("apikeys", "apikeys/1c1", "projects/1a2", "settings/access_control", "auditlogs"):
        for form in (await browser.get(f"/v2-beta/{path}")).forms:
            assert form.method == "post" or "csrf" not in form.values
            assert form.action.startswith("/")


async def test_a_resource_is_edited_and_deleted_by_forms(api: AdminApi) -> None:
    """What is not changed in the form is not sent, and the audit log has what is."""
    await api.admin.post("/v2-beta/apikeys", {"name": "n", "description": "two\nlines"})
    browser = await logged_in(api)
    path = "/v2-beta/apikeys/1c2"
    form = (await browser.get(path)).form(f"{path}/?action=update")
    page = await browser.send(form, name="new")
    assert (page.status, "202 Accepted" in page.text) == (202, True)
    assert '-d \'{"name": "new"}\'' in page.text
    assert api.audit()[-1]["after"] == {"name": "new"}
    page = await browser.send(page.form(f"{path}/?action=deactivate"))
    assert f"{path}/?action=deactivate" not in [form.action for form in page.forms]
    page = await browser.send(page.form(f"{path}/?action=remove"))
    assert '"removed"' in shown(page.source)
    key = (await api.admin.get(path)).body
    assert (key["name"], key["description"], key["state"]) == ("new", "two\nlines", "removed")


async def test_a_resource_is_created_once_and_its_secret_shown_once(api: AdminApi) -> None:
    """A form that is sent a second time, as by loading its answer again, makes nothing."""
    browser = await logged_in(api)
    form = (await browser.get("/v2-beta/apikeys")).form("/v2-beta/apikeys")
    assert {"name", "role", "expires"} <= set(form.values)
    made = await browser.send(form, name="deploy", readOnly="true")
    (secret,) = set(re.findall(r"wgs_[A-Za-z0-9]{40}", made.source))
    assert made.status == 201
    assert "This is the only time you can see it" in made.text
    assert f'data-copy="{secret}"' in made.source
    assert f'<mark>"{secret}"</mark>' in made.source
    again = await browser.send(form, name="deploy")
    assert (again.status, "was sent before" in again.text) == (409, True)
    assert "wgs_" not in again.source
    assert len((await api.admin.get("/v2-beta/apikeys?name=deploy")).body["data"]) == 1
    assert "wgs_" not in (await browser.get("/v2-beta/apikeys/1c2")).source


async def test_the_first_key_of_an_account_is_shown_as_well(api: AdminApi) -> None:
    """It is within the answer."""
    browser = await logged_in(api)
    form = (await browser.get("/v2-beta/accounts")).form("/v2-beta/accounts")
    made = await browser.send(form, name="ci", kind="user", createKey="true")
    (secret,) = set(re.findall(r"wgs_[A-Za-z0-9]{40}", made.source))
    assert f'data-copy="{secret}"' in made.source


@pytest.mark.parametrize(
    ("path", "action", "values", "field", "text"),
    [
        ("apikeys", "", {"name": "n" * 256}, "create-name", "at most 255"),
        ("apikeys", "", {"expires": "soon"}, "create-expires", "or a duration from now"),
        ("apikeys/1c1", "/?action=explain", {"method": "GET"}, "explain-path", "path is required"),
        ("apikeys/1c1", "/?action=rotate", {"overlap": "x"}, "rotate-overlap", "a duration"),
        ("apikeys/1c1", "/?action=update", {"expires": "x"}, "update-expires", "a duration"),
        ("settings/rotation_overlap", "/?action=update", {"value": ""}, "update-value", "empty"),
    ],
)
async def test_an_error_stands_at_its_field_and_what_was_typed_stays(
    api: AdminApi, path: str, action: str, values: dict[str, str], field: str, text: str
) -> None:
    """The answer is the error, as any client gets it; the form can be sent again."""
    browser = await logged_in(api)
    form = (await browser.get(f"/v2-beta/{path}")).form(f"/v2-beta/{path}{action}")
    refused = await browser.send(form, **values)
    assert refused.status == 422
    assert refused.headers["HX-Retarget"] == f"#operation-{field.partition('-')[0]}"
    (error,) = re.findall(rf'id="error-{field}"[^>]*>([^<]*)<', refused.source)
    assert text in error
    assert '"type"</span>: "error"' in shown(refused.source)
    again = refused.form(f"/v2-beta/{path}{action}")
    assert {name: again.values[name] for name in values} == values
    assert {name for name in again.values if name.startswith("was.")} == {
        name for name in form.values if name.startswith("was.")
    }


async def test_an_explanation_is_shown_beside_its_form(api: AdminApi) -> None:
    """It is no resource: the form stays, as it was filled in."""
    browser = await logged_in(api)
    form = (await browser.get("/v2-beta/apikeys/1c1")).form("/v2-beta/apikeys/1c1/?action=explain")
    page = await browser.send(form, path="/v1/x")
    assert (page.status, page.headers["HX-Reselect"]) == (202, "#operation-explain")
    assert '"decision"</span>: "permit"' in page.source
    assert page.form(form.action).values["path"] == "/v1/x"


async def test_an_action_that_is_none_names_itself_nowhere(api: AdminApi) -> None:
    """What an address holds gets into no field of an answer."""
    browser = await logged_in(api)
    csrf = (await browser.get("/keys")).form("/logout").values["csrf"]
    for action in ("x%0d%0aEvil:%201", "<script>"):
        path = f"/v2-beta/apikeys/1c1/?action={action}"
        answer = await browser.post(path, {"csrf": csrf})
        assert (answer.status, "InvalidAction" in answer.text) == (422, True)
        assert "HX-Retarget" not in answer.headers
        assert "<script>" not in answer.source


async def test_a_role_that_may_not_change_anything_is_offered_nothing(api: AdminApi) -> None:
    """To explain a key is no change."""
    key = await api.key(await api.account(AccountKind.READ_ADMIN))
    browser = await logged_in(api, key)
    for path in ("apikeys", "apikeys/1c1", "projects", "accounts/1a1", "settings/access_control"):
        page = await browser.get(f"/v2-beta/{path}")
        offered = {each.action for each in page.forms if "/v2-beta" in each.action}
        assert offered <= {"/v2-beta/apikeys/1c1/?action=explain"}


@pytest.mark.parametrize(
    ("values", "headers"),
    [
        ({}, {}),
        ({"csrf": "wrong"}, {}),
        ({"csrf": "right"}, {"Origin": "http://evil.example"}),
        ({"csrf": "right"}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": "right"}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_a_page_of_another_site_sends_no_form(
    api: AdminApi, values: dict[str, str], headers: dict[str, str]
) -> None:
    """Nor does one without the token of the session."""
    browser = await logged_in(api)
    if values.get("csrf") == "right":
        values = (await browser.get("/v2-beta/apikeys")).form("/v2-beta/apikeys").values
    answer = await browser.post("/v2-beta/apikeys", values, **headers)
    assert answer.status == 403
    assert len((await api.admin.get("/v2-beta/apikeys")).body["data"]) == 1


async def test_a_script_of_the_console_sends_json_as_any_client(api: AdminApi) -> None:
    """With the session's token as a field of the head; a form is read as such only where it holds
    the token."""
    browser = await logged_in(api)
    csrf = (await browser.get("/keys")).form("/logout").values["csrf"]
    headers = {"X-CSRF-Token": csrf, "Accept": "application/json"}
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        async with api.client.post(
            "/v2-beta/apikeys", data='{"name": "n"}', headers=headers | {"Content-Type": kind}
        ) as answer:
            assert (answer.status, (await answer.json())["name"]) == (201, "n")


async def test_a_page_says_how_to_send_its_request_without_a_browser(api: AdminApi) -> None:
    """With the variables of a key, and never with one."""
    browser = await logged_in(api)
    page = await browser.get("/v2-beta/apikeys/1c1?_format=html&x=%27")
    url = str(api.client.make_url("/v2-beta/apikeys/1c1?x='")).replace("'", "'\"'\"'")
    assert f"curl -u \"$WARDGATE_ACCESS_KEY:$WARDGATE_SECRET_KEY\" '{url}'" in page.text


async def test_a_page_of_a_whole_collection_is_small(api: AdminApi) -> None:
    """As it is sent, with names and descriptions as long as people write them."""
    for number in range(40):
        body = {"name": f"key number {number}", "description": "what it is for " * 5}
        await api.admin.post("/v2-beta/apikeys", body)
    browser = await logged_in(api)
    for path in ("apikeys", "auditlogs", "schemas", "accounts"):
        page = await browser.get(f"/v2-beta/{path}")
        assert int(page.headers["Content-Length"]) < 20_000, path


async def test_a_page_shows_so_many_elements_and_says_where_all_are(api: AdminApi) -> None:
    """A report has up to 10,000 rows, and to write them out would take seconds."""
    hour = api.clock.now - api.clock.now % HOUR
    series = (Series(hour - ago * HOUR, 1, 0, "/", "GET", 2, "") for ago in range(MOST + 1))
    await api.store.record_usage({}, {each: Sums(1) for each in series})
    browser, path = await logged_in(api), "/v2-beta/usage?from=-30d&by=hour"
    page = await browser.get(path)
    assert shown(page.source).count('"requests"') == MOST
    assert "The first 200 of 201 are shown" in page.text
    (plain,) = {link for link in page.links if "_format=json" in link}
    assert len((await api.admin.get(plain)).body["data"]) == MOST + 1
    assert "are shown" not in (await browser.get("/v2-beta/usage?by=hour")).text


async def test_text_that_was_altered_in_the_store_is_shown(api: AdminApi) -> None:
    """Half a surrogate pair is in no UTF-8, and JSON can hold it."""
    await api.admin.post("/v2-beta/apikeys")
    with closing(sqlite3.connect(api.file)) as connection, connection:
        connection.execute('UPDATE audit SET after = \'{"a": "\\ud800"}\' WHERE sequence = 1')
    page = await (await logged_in(api)).get("/v2-beta/auditlogs/1")
    assert (page.status, '"\\ud800"' in page.source) == (200, True)


async def test_what_was_typed_outlives_the_session_in_the_form_it_was_typed_into(
    api: AdminApi,
) -> None:
    """Nothing is done with it before it is sent again."""
    browser = await logged_in(api)
    path = "/v2-beta/apikeys/1c1"
    form = (await browser.get(path)).form(f"{path}/?action=update")
    api.clock.now += IDLE
    asked = await browser.send(form, description="typed\nlong ago")
    assert asked.status == 401
    back = await browser.send(
        asked.form("/login"), access=api.admin.key.access_key, secret=api.admin.secret
    )
    assert (back.status, "Nothing was done yet" in back.text) == (200, True)
    again = back.form(f"{path}/?action=update")
    assert again.values["description"] == "typed\nlong ago"
    assert (await api.admin.get(path)).body["description"] != "typed\nlong ago"
    await browser.send(again)
    assert (await api.admin.get(path)).body["description"] == "typed\nlong ago"


async def test_a_page_of_the_api_belongs_to_the_session_whatever_key_the_browser_remembers(
    api: AdminApi,
) -> None:
    """A browser that was once challenged by the API sends that key with every request."""
    user = await api.key(await api.account())
    browser = await logged_in(api)
    remembered = {"Authorization": user.authorization}
    page = await browser.get("/v2-beta/apikeys/1c1", **remembered)
    assert page.headers["X-Api-Account-Id"] == "1a1"
    form = page.form("/v2-beta/apikeys/1c1/?action=update")
    assert (
        await browser.post(form.action, form.values | {"name": "n"}, **remembered)
    ).status == 202
    json = await browser.get("/v2-beta/apikeys?_format=json", **remembered)
    assert json.headers["X-Api-Account-Id"] == "1a2"
