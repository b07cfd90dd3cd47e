"""The overview: usage as plots with tables behind them, and what needs attention."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from admin.service import usage as service
from proxy.domain.model import AccountKind, Role, State
from proxy.domain.usage import DAY
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in
from tests.admin.console.usage import count
from tests.support.seed import used

SVG = re.compile(r'<svg class="drawing".*?</svg>\s*<text.*?</svg>', re.DOTALL)


def figures(page: Page) -> list[str]:
    """The figures above the plots."""
    return re.findall(r"<dt>[^<]+</dt><dd>([^<]+)</dd></div>", page.source)


async def test_an_admin_sees_all_requests_or_those_of_an_environment(api: AdminApi) -> None:
    """Requests without a valid key are among all; the URL names the environment."""
    environment = await api.environment()
    key = (await api.key(environment)).key.id
    await count(api, 90, key=key, environment=environment.id, seconds=1.8)
    await count(api, 10, status=4, reason="unknown-key")
    browser = await logged_in(api)
    page = await browser.get("/overview")
    assert figures(page) == ["100", "10%", "0%", "20 ms"]
    assert "unknown-key" in page.text
    page = await browser.get(f"/overview?environment={environment.ref}")
    assert figures(page) == ["90", "0%", "0%", "20 ms"]
    assert "unknown-key" not in page.text


async def test_a_user_sees_what_its_own_keys_do_and_its_environments(api: AdminApi) -> None:
    """Others' environments are as unknown as any that does not exist."""
    user = await api.account(AccountKind.USER)
    mine, other = await api.environment({user: Role.READONLY}), await api.environment()
    presented = await api.key(user)
    await count(api, 3, key=presented.key.id, environment=mine.id)
    await count(api, 4, key=(await api.key(mine)).key.id, environment=mine.id)
    browser = await logged_in(api, presented)
    assert figures(await browser.get("/overview"))[0] == "3"
    assert figures(await browser.get(f"/overview?environment={mine.ref}"))[0] == "7"
    for ref in (other.ref, "1a99", "x"):
        assert (await browser.get(f"/overview?environment={ref}")).status == 404


async def test_usage_that_takes_too_long_to_read_leaves_the_rest_of_the_page(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account with thousands of busy keys has its page too."""
    await count(api, 5, key=1)
    monkeypatch.setattr(service, "MAX_ROWS", 0)
    browser = await logged_in(api)
    for path in ("/overview", "/keys/1c1", "/accounts/1a1"):
        page = await browser.get(path)
        assert (page.status, "Choose a shorter time" in page.text) == (200, True)


async def test_the_span_in_the_url_says_how_far_back_usage_is_shown(api: AdminApi) -> None:
    """The links to other spans keep what the URL says besides."""
    environment = await api.environment()
    for ago in (1, 24 * 5, 24 * 20, 24 * 80, 24 * 100):
        await count(api, 1, environment=environment.id, ago=ago)
    browser = await logged_in(api)
    path = f"/overview?environment={environment.ref}&range="
    seen = [figures(await browser.get(path + span))[0] for span in ("24h", "7d", "30d", "90d")]
    assert seen == ["1", "2", "3", "4"]
    page = await browser.get(path + "30d")
    assert f'href="{path.replace("&", "&amp;")}90d"' in page.source


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "90d"])
async def test_a_plot_is_an_image_with_a_name_and_its_numbers_in_a_table(
    api: AdminApi, span: str
) -> None:
    """It is well formed, needs no style of its own, and the page stays small."""
    await count(api, 7, seconds=0.7)
    await count(api, 2, status=4, reason="read-only")
    await count(api, 1, status=5)
    page = await (await logged_in(api)).get(f"/overview?range={span}")
    drawings = [ElementTree.fromstring(each) for each in SVG.findall(page.source)]
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing.attrib["role"] == "img"
        for names in ("aria-labelledby", "aria-describedby"):
            assert f'id="{drawing.attrib[names]}"' in page.source
    titles = [each.text or "" for each in drawings[0].iter("title")]
    assert titles[-1].endswith(": 10 requests, 2 refused, 1 failed")
    assert {each.partition(": ")[2] for each in titles[:-1]} == {"0 requests"}
    rows = re.findall(r'<th scope="row">.*?</th>\s*((?:<td>.*?</td>)+)', page.source)
    assert [re.findall("<td>(.*?)</td>", row) for row in rows[:1]] == [["7", "0", "2", "1"]]
    assert "87.5 ms" in page.text
    assert "style=" not in page.source
    assert len(page.source) < 100_000


async def test_where_nothing_was_requested_the_page_says_how_to_begin(api: AdminApi) -> None:
    """With the access key of who has logged in."""
    page = await (await logged_in(api)).get("/overview?range=7d")
    assert "No requests in the last 7 days." in page.text
    assert f"curl -u {api.admin.key.access_key} http://gateway" in page.text
    assert SVG.findall(page.source) == []


async def test_what_does_not_work_is_told_to_administrators(api: AdminApi) -> None:
    """As text, whatever it says; to nobody else, since it names hosts."""
    user = await api.key(await api.account(AccountKind.USER))
    page = await (await logged_in(api)).get("/overview")
    assert "Nothing is failing now" in page.text
    api.problems.append("upstream shop: <b>refused</b>")
    page = await (await logged_in(api)).get("/overview")
    assert "Nothing is failing now" not in page.text
    assert "upstream shop: &lt;b&gt;refused" in page.source
    assert "upstream shop" not in (await (await logged_in(api, user)).get("/overview")).text
    reader = await api.key(await api.account(AccountKind.READ_ADMIN))
    assert "upstream shop" in (await (await logged_in(api, reader)).get("/overview")).text


def listed(page: Page) -> list[list[str]]:
    """The keys of each list of keys, by id."""
    parts = page.source.partition('<div class="lists">')[2].split("<section")[1:]
    return [re.findall(r'href="/keys/(1c\d+)"', part) for part in parts]


async def test_keys_that_need_attention_are_listed(api: AdminApi) -> None:
    """Those that expire soon, that were never used, and that were not used for long. Keys that do
    not act any more are in no list."""
    now, user = api.clock.now, await api.account(AccountKind.USER)

    async def make(days: int | None = None, **more: Any) -> str:
        key = (await api.key(user, **more)).key
        created = now - 200 * DAY
        await api.put(replace(key, created=created, name=f"key {key.id}"))
        if days is not None:
            await api.store.record_usage(used(key.id, now - days * DAY), {})
        return key.ref

    soon = await make(1, expires=now + 3 * DAY + 1000)
    never, unused = await make(), await make(91)
    await make(1, expires=now + 300 * DAY)
    await make(1, expires=now - DAY)
    await make(expires=now + 3 * DAY, state=State.INACTIVE)
    presented = await api.key(user)
    await api.store.record_usage(used(presented.key.id, now), {})
    page = await (await logged_in(api, presented)).get("/overview")
    assert listed(page) == [[soon], [never], [unused]]
    assert "expires in 3 days" in page.text
    assert "last used 3 months ago" in page.text


async def test_a_list_of_keys_leads_to_the_table_that_shows_all_of_them(api: AdminApi) -> None:
    """To the table of one's own keys, of an environment's, or for administrators of all."""
    user = await api.account(AccountKind.USER)
    environment = await api.environment({user: Role.MEMBER})
    presented, tied = await api.key(user), await api.key(environment)
    browser = await logged_in(api, presented)

    async def table(path: str) -> tuple[str, set[str]]:
        page = await browser.get(path)
        (url,) = re.findall(r'href="([^"]+state=never-used)"', page.source)
        (name,) = re.findall("table=([a-z]+)", url)
        shown = await browser.get(url.replace("&amp;", "&"))
        rows = re.findall(rf'name="key" value="(1c\d+)" form="several-{name}"', shown.source)
        return url.partition("?")[0], set(rows)

    assert await table("/overview") == ("/keys", {presented.key.ref})
    of_environment = f"/overview?environment={environment.ref}"
    assert await table(of_environment) == (f"/environments/{environment.ref}", {tied.key.ref})
    assert (await browser.get("/keys/all")).path == "/keys"
    browser = await logged_in(api)
    everything = {api.admin.key.ref, presented.key.ref, tied.key.ref}
    assert await table("/overview") == ("/keys/all", everything)
    assert "of account 2" in (await browser.get("/keys/all")).text


async def test_many_keys_are_counted_up_to_a_hundred(api: AdminApi) -> None:
    """The first few are shown."""
    owner = await api.store.get_account(1)
    assert owner is not None
    for _ in range(101):
        await api.key(owner)
    page = await (await logged_in(api)).get("/overview")
    assert "Never used 100+" in page.text
    assert len(listed(page)[1]) == 5
