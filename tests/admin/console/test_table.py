"""Tables: what their rows refer to is shown by its name."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.admin.admin_api import AdminApi, ask
from tests.admin.console.browser import NAMED, logged_in


async def test_pages_show_names_in_place_of_ids(api: AdminApi) -> None:
    """In the table of keys, on a key's page and in the audit log, as links."""
    await api.admin.put("/v2-beta/accounts/1a1", {"name": "Ada & co"})
    made = (await api.admin.post("/v2-beta/apikeys", {"name": "deploys"})).body["id"]
    browser = await logged_in(api)
    by = '<a href="/accounts/1a1" title="1a1">Ada &amp; co</a>'
    for path in ("/keys", f"/keys/{made}", "/audit"):
        assert by in (await browser.get(path)).source
    assert f'title="{made}">deploys</a>' in (await browser.get("/audit")).source


async def test_a_search_replaces_the_table_alone(api: AdminApi) -> None:
    """Whatever page it stands on: the answer may be a whole page, of which the table is taken."""
    browser = await logged_in(api)
    for path in ("/keys", "/accounts", "/accounts/1a1"):
        page = await browser.get(path)
        (target,) = re.findall('hx-target="(#table-[a-z]+)"', page.source)
        assert f'hx-select="{target}"' in page.source
        assert f'id="{target[1:]}"' in page.source


async def test_a_name_that_one_may_not_see_stays_an_id(api: AdminApi) -> None:
    """A user sees neither the name of the admin who made its key, nor a link to it."""
    user = await api.account()
    key = await api.key(user)
    await api.put(replace(key.key, creator_id=1, name="mine"))
    browser = await logged_in(api, key)
    for path in ("/keys", f"/keys/{key.key.ref}"):
        page = await browser.get(path)
        assert "by 1a1" in page.text
        assert "/accounts/1a1" not in page.source


async def test_a_search_without_a_session_has_the_browser_ask_for_no_password(
    api: AdminApi,
) -> None:
    """As it does by itself at a 401 with a challenge, before the script of the page sees it."""
    headers = NAMED | {"Accept": "*/*", "HX-Request": "true"}
    answer = await ask(api.client, "GET", "/keys?search=x", headers=headers)
    assert (answer.status, "WWW-Authenticate" in answer.headers) == (401, False)
