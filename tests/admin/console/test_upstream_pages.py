"""The upstreams in the console: each target with its state in words, why, and since when."""

from __future__ import annotations

import re
from typing import Any

import pytest

from admin.api.representations import Json, timestamp
from admin.console.upstream_pages import SEARCHED, SHOWN, found_upstreams
from proxy.domain.model import AccountKind, Role
from proxy.targets.status import LookupStatus, TargetStatus, UpstreamStatus
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in

UP = TargetStatus("http://a:1", "up", "", 0, 1, 0, 2, 3, 4, 0)
STATES = {
    "up": ("Up", ""),
    "failing": ("Failing", "Its last request failed"),
    "starting": ("Slow start", "its share of the requests grows"),
    "down": ("Unhealthy", "Its checks fail"),
    "ejected": ("Ejected", "so it gets none for a while"),
    "trial": ("On trial", "gets one request at a time"),
}


def upstream(name: str, *states: str, **values: Any) -> UpstreamStatus:
    """One with a target in each of these states."""
    targets = [
        UP._replace(name=f"http://{name}-{number}", state=state, why="status 500")
        for number, state in enumerate(states)
    ]
    return UpstreamStatus(name, None, 0, 0, targets)._replace(**values)


def cells(page: Page) -> list[list[str]]:
    """The texts of each target's row."""
    rows = re.findall(r"<tr>\s*(<td.*?)</tr>", page.source, re.DOTALL)
    return [
        [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in row.split("</td>")[:-1]]
        for row in rows
    ]


def names(page: Page) -> list[str]:
    """The upstreams on a page, in its order."""
    return re.findall(r'<article [^>]*id="upstream-([^"]*)"', page.source)


async def test_a_target_is_shown_with_its_state_why_since_when_and_its_load(api: AdminApi) -> None:
    """The reason is explained, and the time is as people say it."""
    since = api.clock.now - 3 * 3_600_000
    bad = TargetStatus("http://b:2", "ejected", "upstream-closed", since, 5, 1, 7, 8, 9000, 1)
    api.upstreams = [UpstreamStatus("main", "half-open", 6, 1234, [UP, bad], "hash", 93)]
    page = await (await logged_in(api)).get("/upstreams")
    ejected, good = cells(page)
    assert good == ["http://a:1", "Up", good[2], "2", "3", "4", "0", "1", "0"]
    assert ejected[0] == "http://b:2"
    assert ejected[1].startswith("Ejected Requests failed in a row")
    assert "upstream-closed The upstream closed before" in ejected[1]
    assert ejected[2:] == ["3 hours ago", "7", "8", "9,000", "1", "5", "1"]
    assert f'<time datetime="{timestamp(since)}"' in page.source
    for text in (
        "main Degraded",
        "Targets 1 of 2 up",
        "Chosen by hash",
        "half-open: one request at a time is tried",
        "Requests that wait 6",
        "1,234 so far, 93 more are allowed now",
        "1 upstream, 1 with problems",
    ):
        assert text in page.text
    assert "http://127.0.0.1" in next(each for each in page.links if "/upstreams/main" in each)


@pytest.mark.parametrize("state", STATES)
async def test_each_state_has_a_word_of_its_own_and_says_what_it_means(
    api: AdminApi, state: str
) -> None:
    """So that nothing depends on a colour."""
    api.upstreams = [upstream("main", state)]
    ((_, shown, *_),) = cells(await (await logged_in(api)).get("/upstreams"))
    word, why = STATES[state]
    assert shown.startswith(word)
    assert why in shown
    assert shown.endswith("status 500")


async def test_a_state_that_the_console_does_not_know_is_shown_as_it_is(api: AdminApi) -> None:
    """Of a breaker, too; and an upstream may have no target at all."""
    api.upstreams = [upstream("main", "resting", breaker="ajar"), upstream("empty")]
    page = await (await logged_in(api)).get("/upstreams")
    assert cells(page)[0][1] == "Resting status 500"
    assert "Circuit breaker ajar" in page.text
    assert "It has no target at the moment" in page.text


async def test_a_name_in_the_dns_is_shown_with_why_its_lookups_fail(api: AdminApi) -> None:
    """And that the targets are those of the last answer, where there was one."""
    looked_up = LookupStatus("_http._tcp.api.internal", "SRV", "", api.clock.now)
    failing = looked_up._replace(name="gone.internal", why="SERVFAIL")
    api.upstreams = [
        upstream("fine", "up", lookup=looked_up),
        upstream("kept", "up", lookup=failing),
        upstream("none", "failing", lookup=failing._replace(answered=False)),
    ]
    browser = await logged_in(api)
    text = (await browser.get("/upstreams")).text
    assert "Found in the DNS by _http._tcp.api.internal (SRV) Circuit breaker" in text
    failed = "gone.internal (SRV) Lookups fail SERVFAIL, which began just now"
    assert text.count(failed) == 2
    assert text.count(f"{failed} ; the last answer still counts") == 1
    assert text.count(f"{failed} ; there was no answer yet, so requests get 502") == 1
    assert "3 upstreams, 2 with problems" in text
    assert names(await browser.get("/upstreams")) == ["kept", "none", "fine"]
    assert names(await browser.get("/upstreams?state=unwell")) == ["kept", "none"]
    assert names(await browser.get("/upstreams?search=GONE")) == ["kept", "none"]


async def test_an_upstream_with_one_target_has_nothing_about_several(api: AdminApi) -> None:
    """Weights and priorities are there where they differ alone."""
    api.upstreams = [upstream("one", "up")]
    browser = await logged_in(api)
    page = await browser.get("/upstreams")
    assert len(cells(page)[0]) == 7
    for text in ("Targets", "Chosen by", "Sent to another target", "Weight"):
        assert text not in page.text
    assert "1 upstream, up" in page.text
    api.upstreams = [upstream("two", "up", "up", balance="hash", retries_left=9)]
    page = await browser.get("/upstreams")
    assert len(cells(page)[0]) == 7
    assert "Chosen by hash" in page.text


async def test_what_is_not_up_comes_first_and_many_are_searched(api: AdminApi) -> None:
    """By name and by the URL of a target; the address holds the search."""
    many = [upstream(f"u{number}", "up") for number in range(SHOWN + 10)]
    api.upstreams = [*many, upstream("broken", "up", "down")]
    browser = await logged_in(api)
    page = await browser.get("/upstreams")
    assert names(page) == ["broken", *(f"u{number}" for number in range(SHOWN - 1))]
    assert [cell[0] for cell in cells(page)[:2]] == ["http://broken-1", "http://broken-0"]
    assert f"{SHOWN + 11} upstreams, 1 with problems; the first {SHOWN} are shown" in page.text
    assert names(await browser.send(page.form("/upstreams"), search=" U59 ")) == ["u59"]
    assert names(await browser.send(page.form("/upstreams"), search="http://broken")) == ["broken"]
    page = await browser.get("/upstreams?state=unwell")
    assert names(page) == ["broken"]
    assert page.form("/upstreams").values["state"] == "unwell"
    page = await browser.get("/upstreams?search=nothing")
    assert (names(page), "No upstream matches" in page.text) == ([], True)
    assert page.form("/upstreams").values["search"] == "nothing"


async def test_a_few_need_no_search_and_are_refreshed_by_a_button(api: AdminApi) -> None:
    """Which works without a script: the page is opened again."""
    api.upstreams = [upstream(f"u{number}", "up") for number in range(SEARCHED)]
    browser = await logged_in(api)
    page = await browser.get("/upstreams")
    form = page.form("/upstreams")
    assert (form.method, form.values) == ("get", {})
    api.upstreams = [upstream("u0", "down")]
    assert "Unhealthy" in (await browser.send(form)).text


async def test_no_upstream_is_no_failure(api: AdminApi) -> None:
    """The page says where they come from."""
    api.upstreams = []
    page = await (await logged_in(api)).get("/upstreams")
    assert (page.status, "There are no upstreams" in page.text) == (200, True)


async def test_what_the_configuration_says_never_becomes_markup(api: AdminApi) -> None:
    """Nor what a check found."""
    evil = "<img src=x onerror=alert(1)>"
    api.upstreams = [
        UpstreamStatus("m", None, 0, 0, [UP._replace(name=evil, state=evil, why=evil)])
    ]
    page = await (await logged_in(api)).get(f"/upstreams?search={evil}")
    assert (page.text.count("onerror"), "<img src=x" in page.source) == (3, False)


@pytest.mark.parametrize(
    ("kind", "role"),
    [(AccountKind.ADMIN, Role.READONLY), (AccountKind.READ_ADMIN, Role.OWNER)],
)
async def test_who_sees_settings_sees_upstreams(
    api: AdminApi, kind: AccountKind, role: Role
) -> None:
    """And is led to them; there is nothing to change."""
    api.upstreams = [upstream("main", "up")]
    browser = await logged_in(api, await api.key(await api.account(kind), role))
    page = await browser.get("/keys")
    assert "/upstreams" in page.links
    page = await browser.get("/upstreams")
    assert names(page) == ["main"]
    assert {form.action for form in page.forms} <= {"/upstreams", "/environment", "/logout"}


async def test_a_user_sees_no_upstreams(api: AdminApi) -> None:
    """They are not offered either."""
    api.upstreams = [upstream("main", "up")]
    browser = await logged_in(api, await api.key(await api.account(), Role.OWNER))
    page = await browser.get("/upstreams")
    assert (page.status, "main-0" in page.source) == (403, False)
    assert "/upstreams" not in (await browser.get("/keys")).source


def test_a_search_without_words_finds_everything() -> None:
    """As one of spaces does."""
    every: list[Json] = [{"name": "a", "state": "up", "lookup": None, "targets": []}]
    assert found_upstreams(every, {"search": "  "}).found == every
    assert not found_upstreams(every, {}).searched
